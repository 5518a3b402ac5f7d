package redis

import (
	"context"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

// warm makes the one connection of conn, so that a fault meets the command
// under test and not the greeting.
func warm(t *testing.T, conn *Conn) {
	t.Helper()
	if _, err := conn.State(StateOptions{}).Put(t.Context(), fresh(t), backends.Value{}, backends.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestLostReplyOfASequenceIsUnknownAndAppliedOnce(t *testing.T) {
	p := newProxy(t, shared.Addr)
	conn, key := open(t, p.addr), fresh(t)
	s := conn.Sequencer()
	if first := must(s.Next(t.Context(), key, 1, 0))(t); first != 1 {
		t.Fatalf("first is %d", first)
	}
	p.lose.Store(true)
	_, err := s.Next(t.Context(), key, 1, 0)
	if failure := wantCode(t, err, problem.Unavailable); !failure.Unknown {
		t.Fatal("the outcome is said to be known")
	}
	if first := must(s.Next(t.Context(), key, 1, 0))(t); first != 3 {
		t.Fatalf("after one lost reply the next number is %d, want 3", first)
	}
}

func TestLostReplyOfAPutTellsTheTag(t *testing.T) {
	for _, condition := range []backends.Condition{{}, {IfNoneMatch: []string{"x"}}} {
		p := newProxy(t, shared.Addr)
		conn, key := open(t, p.addr), fresh(t)
		s := conn.State(StateOptions{})
		options := backends.WriteOptions{Condition: condition}
		must(s.Put(t.Context(), key, backends.Value{}, options))(t) // connects, and loads the script
		p.lose.Store(true)
		_, err := s.Put(t.Context(), key, backends.Value{Data: []byte("x")}, options)
		failure := wantCode(t, err, problem.Unavailable)
		item := must(s.Get(t.Context(), key, backends.ReadOptions{}))(t)
		if !failure.Unknown || failure.ETag != item.ETag {
			t.Fatalf("unknown %v with tag %q, stored is %q", failure.Unknown, failure.ETag, item.ETag)
		}
	}
}

func TestLostReplyOfAReadIsNoUnknownOutcome(t *testing.T) {
	p := newProxy(t, shared.Addr)
	conn := open(t, p.addr)
	warm(t, conn)
	p.lose.Store(true)
	_, err := conn.State(StateOptions{}).Get(t.Context(), fresh(t), backends.ReadOptions{})
	if failure := wantCode(t, err, problem.Unavailable); failure.Unknown {
		t.Fatal("a read has no outcome")
	}
}

func TestDeadlineInFlightIsUnknownAndKept(t *testing.T) {
	p := newProxy(t, shared.Addr)
	conn, key := open(t, p.addr), fresh(t)
	s := conn.State(StateOptions{})
	warm(t, conn)
	p.mute.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := s.Put(ctx, key, backends.Value{Data: []byte("x")}, backends.WriteOptions{})
	failure := wantCode(t, err, problem.DeadlineExceeded)
	if took := time.Since(begin); took > 150*time.Millisecond {
		t.Fatalf("a deadline of 100ms took %s", took)
	}
	if !failure.Unknown || failure.ETag == "" {
		t.Fatalf("unknown %v, tag %q", failure.Unknown, failure.ETag)
	}
	item := must(open(t, shared.Addr).State(StateOptions{}).Get(t.Context(), key, backends.ReadOptions{}))(t)
	if item.ETag != failure.ETag {
		t.Fatalf("stored %q, told %q", item.ETag, failure.ETag)
	}
}

func TestCancellationInFlightReturnsAtOnce(t *testing.T) {
	p := newProxy(t, shared.Addr)
	conn := open(t, p.addr)
	warm(t, conn)
	p.mute.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	begin := time.Now()
	err := conn.State(StateOptions{}).Delete(ctx, fresh(t), backends.WriteOptions{})
	if failure := wantCode(t, err, problem.ClientClosed); !failure.Unknown {
		t.Fatal("the outcome is said to be known")
	}
	if took := time.Since(begin); took > 150*time.Millisecond {
		t.Fatalf("took %s", took)
	}
}

func TestPassedDeadlineReachesNobody(t *testing.T) {
	conn := open(t, shared.Addr)
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	before := conn.Stats().Commands
	_, err := conn.Sequencer().Next(ctx, fresh(t), 1, 0)
	if failure := wantCode(t, err, problem.DeadlineExceeded); failure.Unknown || conn.Stats().Commands != before {
		t.Fatalf("unknown %v, %d commands sent", failure.Unknown, conn.Stats().Commands-before)
	}
}

// certain are the ways in which a write certainly is not sent.
var certain = map[string]func(*testing.T) *Conn{
	"nobody listens": func(t *testing.T) *Conn {
		t.Helper()
		server := servers.NewRedis(t)
		server.Kill()
		return open(t, server.Addr)
	},
	"closed before the greeting": func(t *testing.T) *Conn {
		t.Helper()
		p := newProxy(t, shared.Addr)
		p.deaf.Store(true)
		return open(t, p.addr)
	},
	"wrong password": func(t *testing.T) *Conn {
		t.Helper()
		server := servers.NewRedis(t, "--requirepass", "right")
		return openWith(t, Config{Addresses: []string{server.Addr}, Password: "wrong"})
	},
	"no password": func(t *testing.T) *Conn {
		t.Helper()
		return open(t, servers.NewRedis(t, "--requirepass", "right").Addr)
	},
	"out of memory": func(t *testing.T) *Conn {
		t.Helper()
		return open(t, servers.NewRedis(t, "--maxmemory", "1").Addr)
	},
	"closed connection": func(t *testing.T) *Conn {
		t.Helper()
		conn := open(t, shared.Addr)
		_ = conn.Close()
		return conn
	},
}

func TestWritesThatWereNotSentAreOfKnownOutcome(t *testing.T) {
	for name, broken := range certain {
		t.Run(name, func(t *testing.T) {
			conn := broken(t)
			_, err := conn.State(StateOptions{}).Put(t.Context(), fresh(t), backends.Value{Data: []byte("x")}, backends.WriteOptions{})
			if failure := wantCode(t, err, problem.Unavailable); failure.Unknown {
				t.Fatalf("unknown outcome: %v", failure)
			}
			_, err = conn.Sequencer().Next(t.Context(), fresh(t), 1, 0)
			if failure := wantCode(t, err, problem.Unavailable); failure.Unknown {
				t.Fatalf("unknown outcome: %v", failure)
			}
		})
	}
}

func TestReplicaRefusesWritesAsUnavailable(t *testing.T) {
	server := servers.NewRedis(t, "--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "yes")
	conn := open(t, server.Addr)
	_, err := conn.State(StateOptions{}).Put(t.Context(), fresh(t), backends.Value{}, backends.WriteOptions{})
	if failure := wantCode(t, err, problem.Unavailable); failure.Unknown {
		t.Fatal("a refused write is of known outcome")
	}
}

func TestRightPasswordGetsIn(t *testing.T) {
	server := servers.NewRedis(t, "--requirepass", "right")
	warm(t, openWith(t, Config{Addresses: []string{server.Addr}, Password: "right"}))
}
