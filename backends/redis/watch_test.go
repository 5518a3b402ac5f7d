package redis

import (
	"context"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

func watchOf(t *testing.T, s *State, key string) backends.StateWatch {
	t.Helper()
	w := must(s.Watch(t.Context(), key))(t)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// wantNext fails unless the next change, within so long, is of this kind.
func wantNext(t *testing.T, w backends.StateWatch, within time.Duration, kind backends.ChangeKind, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	change := must(w.Next(ctx))(t)
	if change.Kind != kind || string(change.Data) != value {
		t.Fatalf("told %s of %q, want %s of %q", change.Kind, change.Data, kind, value)
	}
}

// linked waits until Redis tells conn of changes.
func linked(t *testing.T, conn *Conn) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(time.Millisecond) {
		conn.tracker.mu.Lock()
		up := conn.tracker.link != nil
		conn.tracker.mu.Unlock()
		if up {
			return
		}
	}
	t.Fatal("there is no link")
}

// meanwhile makes a change when Next waits by then, as a rule: a change from
// before would be seen by Next's own look.
func meanwhile(t *testing.T, change func()) {
	t.Helper()
	done := make(chan struct{})
	time.AfterFunc(100*time.Millisecond, func() { defer close(done); change() })
	t.Cleanup(func() { <-done })
}

// put writes in the background of a test.
func put(t *testing.T, s *State, key, value string) {
	t.Helper()
	if _, err := s.Put(context.WithoutCancel(t.Context()), key, backends.Value{Data: []byte(value)}, backends.WriteOptions{}); err != nil {
		t.Error(err)
	}
}

const soon = pollGap / 2 // sooner than by polling

func TestWatchHearsWhatOtherProgramsDo(t *testing.T) {
	conn, key := open(t, shared.Addr), fresh(t)
	w := watchOf(t, conn.State(StateOptions{Encoding: EncodingRaw}), key)
	wantNext(t, w, soon, backends.ChangeDelete, "")
	linked(t, conn)
	others := open(t, shared.Addr).Client()
	for _, step := range []struct {
		act   func()
		kind  backends.ChangeKind
		value string
	}{
		{func() { others.Set(t.Context(), key, "theirs", time.Hour) }, backends.ChangePut, "theirs"},
		{func() { others.Append(t.Context(), key, "!") }, backends.ChangePut, "theirs!"},
		{func() { others.Rename(t.Context(), key, key+"/else") }, backends.ChangeDelete, ""},
		{func() { others.Rename(t.Context(), key+"/else", key) }, backends.ChangePut, "theirs!"},
		{func() { others.PExpire(t.Context(), key, 50*time.Millisecond) }, backends.ChangeExpire, ""},
	} {
		meanwhile(t, step.act)
		wantNext(t, w, soon, step.kind, step.value)
	}
}

func TestWatchHearsOfAFlush(t *testing.T) {
	conn := open(t, servers.NewRedis(t).Addr)
	s := conn.State(StateOptions{})
	must(s.Put(t.Context(), "key", backends.Value{Data: []byte("x")}, backends.WriteOptions{}))(t)
	w := watchOf(t, s, "key")
	wantNext(t, w, soon, backends.ChangePut, "x")
	linked(t, conn)
	meanwhile(t, func() { conn.Client().FlushAll(t.Context()) })
	wantNext(t, w, soon, backends.ChangeDelete, "")
}

// listen fails if there is a change now, and leaves the key armed.
func listen(t *testing.T, w backends.StateWatch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	change, err := w.Next(ctx)
	if problem.CodeOf(err) != problem.DeadlineExceeded {
		t.Fatalf("told %+v, %v", change, err)
	}
}

func TestQuietWatchAsksNothing(t *testing.T) {
	conn, key := open(t, shared.Addr), fresh(t)
	w := watchOf(t, conn.State(StateOptions{}), key)
	wantNext(t, w, soon, backends.ChangeDelete, "")
	linked(t, conn)
	listen(t, w)
	before := conn.Stats().Commands
	ctx, cancel := context.WithTimeout(t.Context(), 2*pollGap)
	defer cancel()
	_, err := w.Next(ctx)
	wantCode(t, err, problem.DeadlineExceeded)
	if asked := conn.Stats().Commands - before; asked > 2 { // the one look at the beginning
		t.Fatalf("it took %d commands to hear nothing", asked)
	}
}

func TestWatchSeesWhatHappenedWhileItWasCutOff(t *testing.T) {
	p := newProxy(t, shared.Addr)
	conn, key := open(t, p.addr), fresh(t)
	w := watchOf(t, conn.State(StateOptions{}), key)
	wantNext(t, w, soon, backends.ChangeDelete, "")
	linked(t, conn)
	steady := open(t, shared.Addr).State(StateOptions{})
	meanwhile(t, func() {
		p.deaf.Store(true)
		p.cut()
		put(t, steady, key, "x")
		time.Sleep(200 * time.Millisecond)
		p.deaf.Store(false)
	})
	wantNext(t, w, 3*time.Second, backends.ChangePut, "x")
	linked(t, conn)
	meanwhile(t, func() { put(t, steady, key, "y") })
	wantNext(t, w, soon, backends.ChangePut, "y")
}

// TestWatchNoticesASilentLink: the link's packets go nowhere, and nothing
// breaks.
func TestWatchNoticesASilentLink(t *testing.T) {
	p := newProxy(t, shared.Addr)
	conn, key := open(t, p.addr), fresh(t)
	w := watchOf(t, conn.State(StateOptions{}), key)
	wantNext(t, w, soon, backends.ChangeDelete, "")
	linked(t, conn)
	steady := open(t, shared.Addr).State(StateOptions{})
	meanwhile(t, func() {
		p.forget.Store(true)
		p.mute.Store(true)
		put(t, steady, key, "x")
		time.Sleep(100 * time.Millisecond) // the push is lost now
		p.mute.Store(false)                // but the link, which is open, stays silent
	})
	wantNext(t, w, linkQuiet+5*time.Second, backends.ChangePut, "x")
}

func TestWatchOutlivesARestart(t *testing.T) {
	server := servers.NewRedis(t)
	conn := open(t, server.Addr)
	s := conn.State(StateOptions{})
	must(s.Put(t.Context(), "key", backends.Value{Data: []byte("x")}, backends.WriteOptions{}))(t)
	w := watchOf(t, s, "key")
	wantNext(t, w, soon, backends.ChangePut, "x")
	linked(t, conn)
	meanwhile(t, func() {
		if err := server.Restart(t.Context()); err != nil { // nothing is saved
			t.Error(err)
		}
	})
	wantNext(t, w, 5*time.Second, backends.ChangeDelete, "")
}

func TestWatchTellsADeadRedisAtOnce(t *testing.T) {
	server := servers.NewRedis(t)
	server.Kill()
	conn := open(t, server.Addr)
	begin := time.Now()
	_, err := watchOf(t, conn.State(StateOptions{}), "key").Next(t.Context())
	wantCode(t, err, problem.Unavailable)
	if took := time.Since(begin); took > 2*time.Second {
		t.Fatalf("it took %s", took)
	}
}

func TestWatchOfAForeignValue(t *testing.T) {
	conn, key := open(t, shared.Addr), fresh(t)
	conn.Client().Set(t.Context(), key, "theirs", 0)
	_, err := watchOf(t, conn.State(StateOptions{}), key).Next(t.Context())
	wantCode(t, err, problem.ForeignValue)
}

func TestWatchWithoutTrackingPolls(t *testing.T) {
	server := servers.NewRedis(t)
	if err := open(t, server.Addr).Client().Do(t.Context(), "ACL", "SETUSER", "ann", "on", ">secret", "~*", "+@all", "-client|tracking").Err(); err != nil {
		t.Fatal(err)
	}
	conn := openWith(t, Config{Addresses: []string{server.Addr}, Username: "ann", Password: "secret"})
	w := watchOf(t, conn.State(StateOptions{}), "key")
	wantNext(t, w, soon, backends.ChangeDelete, "")
	meanwhile(t, func() { put(t, conn.State(StateOptions{}), "key", "x") })
	wantNext(t, w, 2*pollGap, backends.ChangePut, "x")
}

func TestWatchLogsIn(t *testing.T) {
	server := servers.NewRedis(t, "--requirepass", "secret")
	conn := openWith(t, Config{Addresses: []string{server.Addr}, Password: "secret"})
	wantNext(t, watchOf(t, conn.State(StateOptions{}), "key"), soon, backends.ChangeDelete, "")
	linked(t, conn)
}

func TestClosedConnEndsWatches(t *testing.T) {
	conn := open(t, shared.Addr)
	w := watchOf(t, conn.State(StateOptions{}), fresh(t))
	wantNext(t, w, soon, backends.ChangeDelete, "")
	later := time.AfterFunc(50*time.Millisecond, func() { _ = conn.Close() })
	defer later.Stop()
	_, err := w.Next(t.Context())
	wantCode(t, err, problem.Unavailable)
	_, err = watchOf(t, conn.State(StateOptions{}), fresh(t)).Next(t.Context())
	wantCode(t, err, problem.Unavailable)
}

func TestWatchOfACluster(t *testing.T) {
	set := servers.NewRedisCluster(t, 1)
	s := openWith(t, Config{Addresses: set.Addresses(), Mode: Cluster}).State(StateOptions{})
	w := watchOf(t, s, "key")
	wantNext(t, w, time.Second, backends.ChangeDelete, "")
	meanwhile(t, func() { put(t, s, "key", "x") })
	wantNext(t, w, 2*time.Second, backends.ChangePut, "x")
	must(s.Put(t.Context(), "key", backends.Value{Data: []byte("y")}, backends.WriteOptions{TTL: 2 * time.Second}))(t)
	wantNext(t, w, 2*time.Second, backends.ChangePut, "y")
	wantNext(t, w, 3*time.Second, backends.ChangeExpire, "")
}

func TestWatchFollowsAFailover(t *testing.T) {
	set := servers.NewRedisSentinel(t)
	conn := openWith(t, Config{Addresses: set.Addresses(), Mode: Sentinel, MasterName: set.MasterName})
	s := conn.State(StateOptions{})
	w := watchOf(t, s, "key")
	wantNext(t, w, 2*time.Second, backends.ChangeDelete, "")
	linked(t, conn)
	set.Master.Kill()
	for begin := time.Now(); time.Since(begin) < 15*time.Second; time.Sleep(20 * time.Millisecond) {
		if _, err := s.Put(t.Context(), "key", backends.Value{Data: []byte("x")}, backends.WriteOptions{}); err == nil {
			break
		}
	}
	wantNext(t, w, 3*time.Second, backends.ChangePut, "x")
}

func TestWatchesAreBounded(t *testing.T) {
	conn := open(t, shared.Addr)
	conn.tracker.count = maxWatches
	_, err := conn.State(StateOptions{}).Watch(t.Context(), fresh(t))
	wantCode(t, err, problem.Overloaded)
	conn.tracker.count = 0
	w := watchOf(t, conn.State(StateOptions{}), fresh(t))
	for range 2 {
		if err := w.Close(); err != nil || conn.tracker.count != 0 || len(conn.tracker.keys) != 0 {
			t.Fatalf("%v, %d watches are left", err, conn.tracker.count)
		}
	}
}
