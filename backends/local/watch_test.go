package local

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

func watchKey(t *testing.T, db *DB, key string) backends.StateWatch {
	t.Helper()
	w, err := db.State().Watch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func wantNext(t *testing.T, w backends.StateWatch, kind backends.ChangeKind, value string) {
	t.Helper()
	change, err := w.Next(t.Context())
	if err != nil || change.Kind != kind || string(change.Data) != value {
		t.Fatalf("told %s of %q, %v; want %s of %q", change.Kind, change.Data, err, kind, value)
	}
}

// Expiry is told when it comes, without waiting for the sweeper.
func TestWatchTellsExpiryInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		t.Helper()
		put(t, db, "key", "value", backends.WriteOptions{TTL: 2300 * time.Millisecond})
		w := watchKey(t, db, "key")
		wantNext(t, w, backends.ChangePut, "value")
		begin := time.Now()
		wantNext(t, w, backends.ChangeExpire, "")
		if took := time.Since(begin); took != 2300*time.Millisecond {
			t.Fatalf("told after %v", took)
		}
	})
}

// A value that was kept alive is not told to have expired.
func TestWatchFollowsANewExpiry(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		t.Helper()
		begin := time.Now()
		put(t, db, "key", "value", backends.WriteOptions{TTL: time.Second})
		w := watchKey(t, db, "key")
		wantNext(t, w, backends.ChangePut, "value")
		go func() {
			time.Sleep(900 * time.Millisecond)
			if _, err := db.State().Put(t.Context(), "key", backends.Value{Data: []byte("longer")}, backends.WriteOptions{TTL: time.Minute}); err != nil {
				t.Error(err)
			}
		}()
		wantNext(t, w, backends.ChangePut, "longer")
		wantNext(t, w, backends.ChangeExpire, "")
		if took := time.Since(begin); took != time.Minute+900*time.Millisecond {
			t.Fatalf("told after %v", took)
		}
	})
}

// What expired while nobody waited is told as expired, swept or not.
func TestWatchTellsExpiryAfterwards(t *testing.T) {
	for name, pause := range map[string]time.Duration{"before the sweep": 1100 * time.Millisecond, "after it": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, db *DB) {
				t.Helper()
				put(t, db, "key", "value", backends.WriteOptions{TTL: 1050 * time.Millisecond})
				w := watchKey(t, db, "key")
				wantNext(t, w, backends.ChangePut, "value")
				time.Sleep(pause)
				wantNext(t, w, backends.ChangeExpire, "")
			})
		})
	}
}

// The wall clock may be set while a watch waits by the other clock: then the
// sweeper finds the value before the timer does.
func TestWatchHearsFromTheSweeper(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		t.Helper()
		put(t, db, "key", "value", backends.WriteOptions{TTL: time.Hour})
		w := watchKey(t, db, "key")
		wantNext(t, w, backends.ChangePut, "value")
		var entries [][]byte
		if err := db.view(t.Context(), func(tx *bolt.Tx) error { entries = due(tx, now().after(2*time.Hour), 1); return nil }); err != nil {
			t.Fatal(err)
		}
		go func() {
			if err := db.sweeper.removeValues(t.Context(), entries); err != nil {
				t.Error(err)
			}
		}()
		begin := time.Now()
		wantNext(t, w, backends.ChangeDelete, "")
		if took := time.Since(begin); took > time.Second {
			t.Fatalf("told after %v", took)
		}
	})
}

func TestClosingTheStoreEndsWatches(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		t.Helper()
		waiting, idle := watchKey(t, db, "key"), watchKey(t, db, "key")
		wantNext(t, waiting, backends.ChangeDelete, "")
		ended := make(chan error, 1)
		go func() {
			_, err := waiting.Next(context.Background())
			ended <- err
		}()
		synctest.Wait()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		wantCode(t, <-ended, problem.Unavailable)
		_, err := idle.Next(t.Context())
		wantCode(t, err, problem.Unavailable)
	})
}

// Watches that are gone leave nothing behind.
func TestClosedWatchesAreForgotten(t *testing.T) {
	db := openNew(t)
	for range 3 {
		w := watchKey(t, db, "key")
		put(t, db, "key", "value", backends.WriteOptions{})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
	}
	if n := db.watches.count.Load(); n != 0 || len(db.watches.byKey) != 0 {
		t.Fatalf("%d watches, %d keys are left", n, len(db.watches.byKey))
	}
}

// A watcher of a damaged value hears of it instead of waiting for ever.
func TestWatchOfADamagedValue(t *testing.T) {
	db := openNew(t)
	put(t, db, "key", "value", backends.WriteOptions{})
	damage(t, db, stateBucket, "key", func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	_, err := watchKey(t, db, "key").Next(t.Context())
	wantCode(t, err, problem.ForeignValue)
}
