package local

import (
	"fmt"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
)

func update(t *testing.T, db *DB, apply func(*bolt.Tx) error) {
	t.Helper()
	if _, err := commit(t.Context(), db, 0, func(tx *bolt.Tx) (struct{}, error) {
		return struct{}{}, apply(tx)
	}); err != nil {
		t.Fatal(err)
	}
}

// Between looking and removing, a key may have been written anew.
func TestSweepSparesWhatWasWrittenAnew(t *testing.T) {
	db := openNew(t)
	stale := expiryKey(now()-1, "key")
	put(t, db, "key", "value", backends.WriteOptions{TTL: time.Hour})
	update(t, db, func(tx *bolt.Tx) error { return expire(tx, stale) })
	if stored(t, db, stateBucket) != 1 || stored(t, db, expiryBucket) != 1 {
		t.Fatal("the new value was removed")
	}
}

func TestSweepSparesALockThatWasTakenAnew(t *testing.T) {
	db := openNew(t)
	acquire(t, db, "lock", alice, time.Hour)
	update(t, db, func(tx *bolt.Tx) error { return forgetLocks(tx, []string{"lock", "gone"}, now()) })
	if stored(t, db, lockBucket) != 1 {
		t.Fatal("a held lock was forgotten")
	}
}

func TestFenceFloorIsTheLargestOfAll(t *testing.T) {
	db := openNew(t)
	remember(t, db, "large", ahead, memory)
	remember(t, db, "small", 5, memory)
	update(t, db, func(tx *bolt.Tx) error { return forgetLocks(tx, []string{"large", "small"}, now()) })
	if lease := acquire(t, db, "large", bob, time.Second); lease.Fence != ahead+1 {
		t.Fatalf("fence %d, want %d", lease.Fence, uint64(ahead+1))
	}
}

// Expired values that are not swept yet do not make a page long.
func TestPageOverManyExpiredValuesIsShort(t *testing.T) {
	db := openNew(t)
	r := record{expires: 1}
	update(t, db, func(tx *bolt.Tx) error {
		for i := range pageScan + 1 {
			key := fmt.Sprintf("%06d", i)
			if err := bucket(tx, stateBucket).Put([]byte(key), r.encode(key)); err != nil {
				return err
			}
		}
		return nil
	})
	page, err := db.State().List(t.Context(), "", backends.ListOptions{Limit: 10})
	if err != nil || len(page.Items) != 0 || page.Cursor == "" {
		t.Fatalf("%d items, cursor %q, %v", len(page.Items), page.Cursor, err)
	}
	page, err = db.State().List(t.Context(), "", backends.ListOptions{Limit: 10, Cursor: page.Cursor})
	if err != nil || page.Cursor != "" {
		t.Fatalf("the second page has cursor %q, %v", page.Cursor, err)
	}
}

// Losing power cannot be tried here; that every commit waits for the disk can
// at least not be switched off unseen.
func TestCommitsAreSynced(t *testing.T) {
	db := openNew(t)
	if db.bolt.NoSync || db.bolt.NoGrowSync {
		t.Fatal("commits do not wait for the disk")
	}
}
