package redis

import (
	"context"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

func get(t *testing.T, conn *Conn) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := conn.State(StateOptions{}).Get(ctx, "key", backends.ReadOptions{})
	return err
}

// recovers waits until calls get through and says how long that took.
func recovers(t *testing.T, conn *Conn) time.Duration {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < 5*time.Second {
		if err := get(t, conn); problem.CodeOf(err) == problem.NoSuchKey {
			return time.Since(begin)
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("does not recover")
	return 0
}

func TestOpenDoesNotNeedRedis(t *testing.T) {
	begin := time.Now()
	open(t, "127.0.0.1:1")
	if took := time.Since(begin); took > 20*time.Millisecond {
		t.Fatalf("Open took %s", took)
	}
}

func TestDeadRedisCostsMicroseconds(t *testing.T) {
	server := servers.NewRedis(t)
	conn := open(t, server.Addr)
	wantCode(t, get(t, conn), problem.NoSuchKey)
	server.Kill()
	wantCode(t, get(t, conn), problem.Unavailable) // the lost connection
	wantCode(t, get(t, conn), problem.Unavailable) // the refused dial
	const calls = 1000
	begin := time.Now()
	for range calls {
		wantCode(t, get(t, conn), problem.Unavailable)
	}
	if each := time.Since(begin) / calls; each > 200*time.Microsecond {
		t.Fatalf("a call to a dead Redis takes %s", each)
	}
	if !conn.Stats().Open {
		t.Fatal("the breaker is closed")
	}
}

func TestRecoversWithinASecondOfARestart(t *testing.T) {
	server := servers.NewRedis(t)
	conn := open(t, server.Addr)
	server.Kill()
	for range 30 { // long enough for the largest gap between probes
		wantCode(t, get(t, conn), problem.Unavailable)
		time.Sleep(50 * time.Millisecond)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := recovers(t, conn); took > time.Second {
		t.Fatalf("recovery took %s", took)
	}
}

func TestSilentRedisOpensTheBreakerAndRecovers(t *testing.T) {
	server := servers.NewRedis(t)
	conn := open(t, server.Addr)
	wantCode(t, get(t, conn), problem.NoSuchKey)
	server.Pause()
	defer server.Resume()
	wantCode(t, get(t, conn), problem.Unavailable)
	begin := time.Now()
	wantCode(t, get(t, conn), problem.Unavailable)
	if took := time.Since(begin); took > 20*time.Millisecond {
		t.Fatalf("the second call took %s", took)
	}
	server.Resume()
	if took := recovers(t, conn); took > time.Second {
		t.Fatalf("recovery took %s", took)
	}
}

func TestOneBrokenConnectionDoesNotOpenTheBreaker(t *testing.T) {
	p := newProxy(t, shared.Addr)
	conn := open(t, p.addr)
	warm(t, conn)
	p.lose.Store(true)
	wantCode(t, get(t, conn), problem.Unavailable)
	wantCode(t, get(t, conn), problem.NoSuchKey)
}

func TestImpatientCallersDoNotOpenTheBreaker(t *testing.T) {
	p := newProxy(t, shared.Addr)
	conn := open(t, p.addr)
	warm(t, conn)
	p.mute.Store(true)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := conn.Client().Get(ctx, "key").Err(); err == nil {
			t.Fatal("a mute Redis answered")
		}
		cancel()
	}
	if conn.Stats().Open {
		t.Fatal("the breaker is open")
	}
}

func TestProbeSeesARestartAtOnce(t *testing.T) {
	server := servers.NewRedis(t)
	conn := open(t, server.Addr)
	server.Kill()
	wantCode(t, conn.Probe(t.Context()), problem.Unavailable)
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCode(t, get(t, conn), problem.NoSuchKey)
}

func TestEvictingRedisIsRefusedForLocksAndSequences(t *testing.T) {
	conn := open(t, servers.NewRedis(t, "--maxmemory-policy", "volatile-lru").Addr)
	wantCode(t, conn.Locker().Probe(t.Context()), problem.Unavailable)
	wantCode(t, conn.Sequencer().Probe(t.Context()), problem.Unavailable)
	if err := conn.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := open(t, shared.Addr).Locker().Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
}
