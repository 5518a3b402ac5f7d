package local

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

func putting(key, value string, options backends.WriteOptions) backends.Operation {
	return backends.Operation{Kind: backends.OperationPut, Key: key, Value: backends.Value{Data: []byte(value)}, Options: options}
}

// A transaction that fails is refused before its first write, so that the
// group it came in with is committed without being run again.
func TestRefusedTransactionSparesItsGroup(t *testing.T) {
	db := openNew(t)
	release := blockCommitter(t, db)
	before := len(db.committer.queue)
	done := make(chan error, 1)
	go func() {
		_, err := db.State().Transact(t.Context(), []backends.Operation{
			putting("one", "1", backends.WriteOptions{}),
			putting("two", "2", backends.WriteOptions{Condition: backends.Condition{IfMatchAny: true}}),
		})
		done <- err
	}()
	for len(db.committer.queue) == before {
		time.Sleep(time.Millisecond)
	}
	runs := 0
	neighbour := submit(t.Context(), db, func(*bolt.Tx) (struct{}, error) { runs++; return struct{}{}, nil })
	release()
	wantCode(t, <-done, problem.PreconditionFailed)
	if err := <-neighbour; err != nil || runs != 1 {
		t.Fatalf("the neighbour ran %d times: %v", runs, err)
	}
	if n := stored(t, db, stateBucket); n != 0 {
		t.Fatalf("%d values were written", n)
	}
}

// What cannot be stored is refused with the rest, each in its place.
func TestTransactionOfWhatCannotBeStored(t *testing.T) {
	db := openNew(t)
	results, err := db.State().Transact(t.Context(), []backends.Operation{
		putting("fine", "1", backends.WriteOptions{}),
		putting("", "2", backends.WriteOptions{}),
		putting(string(make([]byte, bolt.MaxKeySize)), "3", backends.WriteOptions{}),
		{Kind: "unheard-of", Key: "key"},
	})
	wantCode(t, err, problem.EmptyKey)
	for i, code := range []problem.Code{"", problem.EmptyKey, problem.InvalidKey, problem.InvalidParameter} {
		wantCode(t, results[i].Err, code)
	}
}

// When the outcome is open, the tags tell how it came out.
func TestUnknownTransactionTellsItsTags(t *testing.T) {
	db := openNew(t)
	if err := db.bolt.Close(); err != nil { // the disk is gone
		t.Fatal(err)
	}
	results, err := db.State().Transact(t.Context(), []backends.Operation{
		putting("one", "1", backends.WriteOptions{}),
		{Kind: backends.OperationDelete, Key: "two"},
		{Kind: backends.OperationIncrement, Key: "three"},
	})
	if !problem.From(err).Unknown || len(results) != 3 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	if results[0].ETag == "" || results[1].ETag != "" || results[2].ETag == "" {
		t.Fatalf("%+v", results)
	}
}

func TestUnknownIncrementTellsItsTag(t *testing.T) {
	db := openNew(t)
	if err := db.bolt.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err := db.State().Increment(t.Context(), "key", backends.Increment{By: 1}, backends.WriteOptions{})
	if failure := problem.From(err); !failure.Unknown || failure.ETag == "" {
		t.Fatalf("%+v", failure)
	}
}

// The index of expiries stays true through kept and counted values.
func TestKeptExpiriesStayInTheIndex(t *testing.T) {
	db := openNew(t)
	store := db.State()
	put(t, db, "key", "1", backends.WriteOptions{TTL: time.Hour})
	put(t, db, "key", "2", backends.WriteOptions{KeepTTL: true})
	if _, _, err := store.Increment(t.Context(), "key", backends.Increment{By: 1}, backends.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := stored(t, db, expiryBucket); n != 1 {
		t.Fatalf("%d entries in the index", n)
	}
	if _, err := store.Transact(t.Context(), []backends.Operation{
		putting("key", "4", backends.WriteOptions{TTL: time.Minute}), putting("key", "5", backends.WriteOptions{}),
	}); err != nil {
		t.Fatal(err)
	}
	if n := stored(t, db, expiryBucket); n != 0 {
		t.Fatalf("%d entries in the index of a value that stays", n)
	}
}

// A file of a version that knew no fences gets room for them.
func TestOlderFileLearnsFences(t *testing.T) {
	path := filepath.Join(t.TempDir(), "local.db")
	db := openAt(t, path)
	put(t, db, "key", "value", backends.WriteOptions{})
	update(t, db, func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(fenceBucket)) })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openAt(t, path)
	put(t, db, "key", "value", backends.WriteOptions{Fence: &backends.Fence{Resource: "lock", Token: 2}})
	_, err := db.State().Put(context.Background(), "key", backends.Value{}, backends.WriteOptions{Fence: &backends.Fence{Resource: "lock", Token: 1}})
	wantCode(t, err, problem.StaleFence)
}

// A token that cannot be read guards nothing any more: nobody may write.
func TestDamagedFenceIsForeign(t *testing.T) {
	db := openNew(t)
	fence := backends.WriteOptions{Fence: &backends.Fence{Resource: "lock", Token: 2}}
	put(t, db, "key", "value", fence)
	damage(t, db, fenceBucket, "lock", func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	_, err := db.State().Put(t.Context(), "key", backends.Value{}, fence)
	wantCode(t, err, problem.ForeignValue)
}
