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

const soon = pollGap / 2 // sooner than by polling

func TestWatchHearsWhatOtherProgramsDo(t *testing.T) {
	conn, key := open(t, shared.Addr), fresh(t)
	w := watchOf(t, conn.State(StateOptions{Encoding: EncodingRaw}), key)
	wantNext(t, w, soon, backends.ChangeDelete, "")
	linked(t, conn)
	others := open(t, shared.Addr).Client()
	others.Set(t.Context(), key, "theirs", time.Hour)
	wantNext(t, w, soon, backends.ChangePut, "theirs")
	others.Append(t.Context(), key, "!")
	wantNext(t, w, soon, backends.ChangePut, "theirs!")
	others.Rename(t.Context(), key, key+"/else")
	wantNext(t, w, soon, backends.ChangeDelete, "")
	others.Rename(t.Context(), key+"/else", key)
	wantNext(t, w, soon, backends.ChangePut, "theirs!")
	others.PExpire(t.Context(), key, 50*time.Millisecond)
	wantNext(t, w, soon, backends.ChangeExpire, "")
}

func TestWatchHearsOfAFlush(t *testing.T) {
	conn := open(t, servers.NewRedis(t).Addr)
	s := conn.State(StateOptions{})
	must(s.Put(t.Context(), "key", backends.Value{Data: []byte("x")}, backends.WriteOptions{}))(t)
	w := watchOf(t, s, "key")
	wantNext(t, w, soon, backends.ChangePut, "x")
	linked(t, conn)
	listen(t, w)
	conn.Client().FlushAll(t.Context())
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
	listen(t, w)
	p.deaf.Store(true)
	p.cut()
	steady := open(t, shared.Addr).State(StateOptions{})
	must(steady.Put(t.Context(), key, backends.Value{Data: []byte("x")}, backends.WriteOptions{}))(t)
	heal := time.AfterFunc(200*time.Millisecond, func() { p.deaf.Store(false) })
	defer heal.Stop()
	wantNext(t, w, 3*time.Second, backends.ChangePut, "x")
	linked(t, conn)
	listen(t, w)
	must(steady.Put(t.Context(), key, backends.Value{Data: []byte("y")}, backends.WriteOptions{}))(t)
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
	listen(t, w)
	p.mute.Store(true)
	steady := open(t, shared.Addr).State(StateOptions{})
	must(steady.Put(t.Context(), key, backends.Value{Data: []byte("x")}, backends.WriteOptions{}))(t)
	time.Sleep(100 * time.Millisecond) // the push is lost now
	p.mute.Store(false)
	p.forget.Store(true) // connections that are open stay silent
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
	if err := server.Restart(t.Context()); err != nil { // nothing is saved
		t.Fatal(err)
	}
	wantNext(t, w, 5*time.Second, backends.ChangeDelete, "")
}

func TestWatchTellsADeadRedisAtOnce(t *testing.T) {
	server := servers.NewRedis(t)
	server.Kill()
	conn := open(t, server.Addr)
	_, err := watchOf(t, conn.State(StateOptions{}), "key").Next(t.Context())
	wantCode(t, err, problem.Unavailable)
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
	must(conn.State(StateOptions{}).Put(t.Context(), "key", backends.Value{Data: []byte("x")}, backends.WriteOptions{}))(t)
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
	must(s.Put(t.Context(), "key", backends.Value{Data: []byte("x")}, backends.WriteOptions{TTL: 2 * time.Second}))(t)
	wantNext(t, w, 2*time.Second, backends.ChangePut, "x")
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
