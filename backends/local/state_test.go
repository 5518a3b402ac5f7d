package local

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

func put(t *testing.T, db *DB, key, value string, options backends.WriteOptions) string {
	t.Helper()
	etag, err := db.State().Put(t.Context(), key, backends.Value{Data: []byte(value)}, options)
	if err != nil {
		t.Fatal(err)
	}
	return etag
}

// damage rewrites a stored record in place.
func damage(t *testing.T, db *DB, bucketName, key string, change func([]byte) []byte) {
	t.Helper()
	_, err := commit(t.Context(), db, 0, func(tx *bolt.Tx) (struct{}, error) {
		stored := append([]byte(nil), bucket(tx, bucketName).Get([]byte(key))...)
		return struct{}{}, bucket(tx, bucketName).Put([]byte(key), change(stored))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedRecordIsForeign(t *testing.T) {
	changes := map[string]func([]byte) []byte{
		"bit":       func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"head":      func(b []byte) []byte { b[sealSize+3] ^= 1; return b },
		"short":     func(b []byte) []byte { return b[:5] },
		"empty":     func([]byte) []byte { return nil },
		"truncated": func(b []byte) []byte { return b[:len(b)-1] },
		"other":     func([]byte) []byte { return []byte(`{"written":"by something else, and long enough"}`) },
		"version":   func(b []byte) []byte { b[sealSize] = 9; return seal("key", b) },
		"key":       func(b []byte) []byte { return seal("another", b) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			db := openNew(t)
			etag := put(t, db, "key", "value", backends.WriteOptions{})
			damage(t, db, stateBucket, "key", change)
			_, err := db.State().Get(t.Context(), "key", backends.ReadOptions{})
			wantCode(t, err, problem.ForeignValue)
			put(t, db, "sound", "value", backends.WriteOptions{})
			page, err := db.State().List(t.Context(), "", backends.ListOptions{Limit: 9, Values: true})
			if err != nil || len(page.Items) != 1 || page.Items[0].Key != "sound" {
				t.Fatalf("listed %v, %v", page.Items, err)
			}
			_, err = db.State().Put(t.Context(), "key", backends.Value{}, backends.WriteOptions{Condition: backends.Condition{IfMatch: []string{etag}}})
			wantCode(t, err, problem.ForeignValue)
			_, err = db.State().Put(t.Context(), "key", backends.Value{}, backends.WriteOptions{Condition: backends.Condition{IfNoneMatchAny: true}})
			wantCode(t, err, problem.PreconditionFailed)
			put(t, db, "key", "overwritten", backends.WriteOptions{})
		})
	}
}

func TestDamagedLockAndSequenceAreForeign(t *testing.T) {
	db := openNew(t)
	flip := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	holder := backends.Holder{App: "a", Owner: "o"}
	if _, err := db.Locker().Acquire(t.Context(), "lock", holder, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Sequencer().Next(t.Context(), "ids", 1, 0); err != nil {
		t.Fatal(err)
	}
	damage(t, db, lockBucket, "lock", flip)
	damage(t, db, sequenceBucket, "ids", flip)
	_, err := db.Locker().Acquire(t.Context(), "lock", holder, time.Minute)
	wantCode(t, err, problem.ForeignValue)
	_, err = db.Sequencer().Next(t.Context(), "ids", 1, 0)
	wantCode(t, err, problem.ForeignValue)
}

// inBubble opens a database whose clock is the bubble's.
func inBubble(t *testing.T, test func(t *testing.T, db *DB)) {
	t.Helper()
	path := t.TempDir() + "/local.db"
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(context.Background(), Config{Path: path}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		test(t, db)
	})
}

func TestExpiredValueIsAbsentAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		t.Helper()
		put(t, db, "key", "value", backends.WriteOptions{TTL: 100 * time.Millisecond})
		time.Sleep(99 * time.Millisecond)
		item, err := db.State().Get(t.Context(), "key", backends.ReadOptions{WithTTL: true})
		if err != nil || item.TTL != time.Millisecond {
			t.Fatalf("before: %v left, %v", item.TTL, err)
		}
		time.Sleep(time.Millisecond)
		_, err = db.State().Get(t.Context(), "key", backends.ReadOptions{})
		wantCode(t, err, problem.NoSuchKey)
		page, err := db.State().List(t.Context(), "", backends.ListOptions{Limit: 9})
		if err != nil || len(page.Items) != 0 {
			t.Fatalf("listed %v, %v", page.Items, err)
		}
		put(t, db, "key", "new", backends.WriteOptions{Condition: backends.Condition{IfNoneMatchAny: true}})
	})
}

func stored(t *testing.T, db *DB, name string) (n int) {
	t.Helper()
	if err := db.bolt.View(func(tx *bolt.Tx) error {
		return bucket(tx, name).ForEach(func(_, _ []byte) error { n++; return nil })
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestExpiredValuesAreSwept(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		t.Helper()
		const many = sweepStep + 100
		for i := range many {
			put(t, db, fmt.Sprint("short/", i), "value", backends.WriteOptions{TTL: time.Second})
		}
		put(t, db, "stays", "value", backends.WriteOptions{})
		put(t, db, "kept", "value", backends.WriteOptions{TTL: time.Second})
		put(t, db, "kept", "value", backends.WriteOptions{TTL: time.Hour})
		put(t, db, "unbound", "value", backends.WriteOptions{TTL: time.Second})
		put(t, db, "unbound", "value", backends.WriteOptions{})
		if n := stored(t, db, expiryBucket); n != many+1 {
			t.Fatalf("%d entries in the index, want %d", n, many+1)
		}
		time.Sleep(3 * time.Second)
		if values, entries := stored(t, db, stateBucket), stored(t, db, expiryBucket); values != 3 || entries != 1 {
			t.Fatalf("%d values and %d index entries are left, want 3 and 1", values, entries)
		}
	})
}

func TestVeryLongTTL(t *testing.T) {
	db := openNew(t)
	put(t, db, "key", "value", backends.WriteOptions{TTL: math.MaxInt64})
	item, err := db.State().Get(t.Context(), "key", backends.ReadOptions{WithTTL: true})
	if err != nil || item.TTL < math.MaxInt64/2 {
		t.Fatalf("%v left, %v", item.TTL, err)
	}
}

func TestListIsInOrderOfBytes(t *testing.T) {
	db := openNew(t)
	for _, key := range []string{"p/b", "p/a", "q", "p/\xff", "p/é", "p"} {
		put(t, db, key, "value", backends.WriteOptions{})
	}
	var keys []string
	for cursor := "-"; cursor != ""; {
		page, err := db.State().List(t.Context(), "p/", backends.ListOptions{Limit: 1, Cursor: map[bool]string{false: cursor}[cursor == "-"]})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			keys = append(keys, item.Key)
		}
		cursor = page.Cursor
	}
	if got := fmt.Sprintf("%q", keys); got != `["p/a" "p/b" "p/é" "p/\xff"]` {
		t.Fatal(got)
	}
}

// A page of large values ends early, so that it stays small in memory.
func TestPageOfLargeValuesIsShort(t *testing.T) {
	db := openNew(t)
	for i := range 4 {
		put(t, db, fmt.Sprint(i), string(make([]byte, pageBytes/2)), backends.WriteOptions{})
	}
	page, err := db.State().List(t.Context(), "", backends.ListOptions{Limit: 100, Values: true})
	if err != nil || len(page.Items) != 2 || page.Cursor == "" {
		t.Fatalf("%d items, cursor %q, %v", len(page.Items), page.Cursor, err)
	}
}

func TestKeysThatBboltCannotHold(t *testing.T) {
	db := openNew(t)
	_, err := db.State().Put(t.Context(), "", backends.Value{}, backends.WriteOptions{})
	wantCode(t, err, problem.EmptyKey)
	_, err = db.State().Put(t.Context(), string(make([]byte, bolt.MaxKeySize)), backends.Value{}, backends.WriteOptions{TTL: time.Hour})
	wantCode(t, err, problem.InvalidKey)
	_, err = db.State().Put(t.Context(), "key", backends.Value{ContentType: string(make([]byte, 1<<16))}, backends.WriteOptions{})
	wantCode(t, err, problem.InvalidParameter)
}

// A Put whose deadline passes inside its group returns early. It tells the tag
// that settles the outcome, and no longer looks at the caller's bytes.
func TestPutThatReturnsEarly(t *testing.T) {
	db := openNew(t)
	release := blockCommitter(t, db)
	inside, leave := make(chan struct{}), make(chan struct{})
	neighbour := submit(t.Context(), db, func(*bolt.Tx) (struct{}, error) {
		close(inside)
		<-leave
		return struct{}{}, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	data, done := []byte("value"), make(chan error, 1)
	go func() {
		_, err := db.State().Put(ctx, "key", backends.Value{Data: data}, backends.WriteOptions{})
		done <- err
	}()
	for len(db.committer.queue) < 2 {
		time.Sleep(time.Millisecond)
	}
	release()
	<-inside
	cancel()
	err := <-done
	copy(data, "XXXXX")
	close(leave)
	<-neighbour
	wantCode(t, err, problem.ClientClosed)
	item, getErr := db.State().Get(t.Context(), "key", backends.ReadOptions{})
	if getErr != nil || string(item.Data) != "value" {
		t.Fatalf("%q, %v", item.Data, getErr)
	}
	if failure := problem.From(err); !failure.Unknown || failure.ETag != item.ETag {
		t.Fatalf("%+v, stored tag %q", failure, item.ETag)
	}
}
