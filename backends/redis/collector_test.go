package redis

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

func TestConcurrentCallersShareWrites(t *testing.T) {
	conn := open(t, shared.Addr)
	s, key := conn.State(StateOptions{}), fresh(t)
	must(s.Put(t.Context(), key, backends.Value{}, backends.WriteOptions{}))(t)
	before := conn.Stats()
	fan(64, func(int) {
		for range 200 {
			if _, err := s.Get(t.Context(), key, backends.ReadOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
	after := conn.Stats()
	commands, flushes := after.Commands-before.Commands, after.Flushes-before.Flushes
	t.Logf("%d commands in %d writes", commands, flushes)
	if commands != 64*200 || commands < 3*flushes {
		t.Fatalf("%d commands in %d writes", commands, flushes)
	}
}

func TestEveryCallerGetsItsOwnReply(t *testing.T) {
	s := open(t, shared.Addr).State(StateOptions{})
	base := fresh(t)
	fan(50, func(i int) {
		key := fmt.Sprintf("%s/%d", base, i)
		for round := range 50 {
			want := fmt.Sprintf("%d.%d", i, round)
			if _, err := s.Put(t.Context(), key, backends.Value{Data: []byte(want)}, backends.WriteOptions{}); err != nil {
				t.Error(err)
			}
			item, err := s.Get(t.Context(), key, backends.ReadOptions{WithTTL: round%2 == 0})
			if err != nil || string(item.Data) != want {
				t.Errorf("got %q (%v), want %q", item.Data, err, want)
			}
		}
	})
}

func TestBigValuesAmongSmallOnes(t *testing.T) {
	s := open(t, shared.Addr).State(StateOptions{})
	base, big := fresh(t), make([]byte, 3*batchBytes)
	fan(20, func(i int) {
		key, value := fmt.Sprintf("%s/%d", base, i), backends.Value{Data: big[:i*len(big)/20]}
		if _, err := s.Put(t.Context(), key, value, backends.WriteOptions{}); err != nil {
			t.Error(err)
		}
		if item, err := s.Get(t.Context(), key, backends.ReadOptions{}); err != nil || len(item.Data) != len(value.Data) {
			t.Errorf("got %d bytes (%v), want %d", len(item.Data), err, len(value.Data))
		}
	})
}

func TestCallThatWaitsForItsTurnIsNotSentAfterItsDeadline(t *testing.T) {
	conn := openWith(t, Config{Addresses: []string{shared.Addr}, PoolSize: 1})
	must(conn.Sequencer().Next(t.Context(), fresh(t), 1, 0))(t) // loads the script
	slow, key := occupy(conn), fresh(t)                         // the only worker
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := conn.Sequencer().Next(ctx, key, 1, 0)
	if failure := wantCode(t, err, problem.DeadlineExceeded); failure.Unknown {
		t.Fatal("a call that was not sent is of known outcome")
	}
	if err := errors.Join(<-slow, <-slow); err != nil {
		t.Fatal(err)
	}
	if first := must(conn.Sequencer().Next(t.Context(), key, 1, 0))(t); first != 1 {
		t.Fatalf("the abandoned call was sent: next is %d", first)
	}
}

// occupy sends two commands that take a second: the first has the lone
// caller's connection, the second a worker.
func occupy(conn *Conn) <-chan error {
	done, ctx := make(chan error, 2), context.Background()
	for range 2 {
		go func() { done <- conn.do(ctx, reading, redis.NewCmd(ctx, "blpop", "empty", "1")) }()
		time.Sleep(20 * time.Millisecond) // so that it is on its way
	}
	return done
}

func TestSlowCommandHoldsNobodyUp(t *testing.T) {
	conn := open(t, shared.Addr)
	slow := occupy(conn)
	begin := time.Now()
	for range 20 {
		wantCode(t, get(t, conn), problem.NoSuchKey)
	}
	if took := time.Since(begin); took > 500*time.Millisecond {
		t.Fatalf("20 calls beside a slow one took %s", took)
	}
	if err := errors.Join(<-slow, <-slow); err != nil {
		t.Fatal(err)
	}
}

func TestCloseEndsCallsUnderWay(t *testing.T) {
	p := newProxy(t, shared.Addr)
	conn := open(t, p.addr)
	warm(t, conn)
	p.mute.Store(true)
	const callers = 20
	ended := make(chan error, callers)
	for range callers {
		go func() { ended <- get(t, conn) }()
	}
	time.Sleep(50 * time.Millisecond)
	begin := time.Now()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	for range callers {
		wantCode(t, <-ended, problem.Unavailable)
	}
	if took := time.Since(begin); took > 500*time.Millisecond {
		t.Fatalf("Close took %s", took)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCancelledLoneCallerDoesNotCutTheNext(t *testing.T) {
	conn := open(t, shared.Addr)
	s, key := conn.Sequencer(), fresh(t)
	for i := range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(i%200)*time.Microsecond, cancel)
		_, _ = s.Next(ctx, key, 1, 0) // may be cut, at any point
		if _, err := s.Next(t.Context(), key, 1, 0); err != nil {
			t.Fatal(err)
		}
	}
}
