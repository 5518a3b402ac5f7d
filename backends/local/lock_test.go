package local

import (
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

var (
	alice = backends.Holder{App: "app", Owner: "alice"}
	bob   = backends.Holder{App: "app", Owner: "bob"}
)

func acquire(t *testing.T, db *DB, resource string, holder backends.Holder, ttl time.Duration) backends.Lease {
	t.Helper()
	lease, err := db.Locker().Acquire(t.Context(), resource, holder, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func TestLeaseAndFenceSurviveReopening(t *testing.T) {
	path := t.TempDir() + "/local.db"
	db := openAt(t, path)
	before := acquire(t, db, "lock", alice, time.Minute)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openAt(t, path)
	_, err := db.Locker().Acquire(t.Context(), "lock", bob, time.Minute)
	wantCode(t, err, problem.LockHeld)
	if after := acquire(t, db, "lock", alice, time.Minute); after.Fence != before.Fence {
		t.Fatalf("fence %d became %d", before.Fence, after.Fence)
	}
}

// ahead is a fence of the year 2096; the bubble's clock stands in 2000, as after
// a clock that was set back by far.
const ahead = 4e15

func TestFenceGrowsWhenTheClockFalls(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		t.Helper()
		remember(t, db, "lock", ahead, 0)
		for want := uint64(ahead + 1); want < ahead+4; want++ {
			if lease := acquire(t, db, "lock", bob, time.Second); lease.Fence != want {
				t.Fatalf("fence %d, want %d", lease.Fence, want)
			}
			if err := db.Locker().Release(t.Context(), "lock", bob); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// remember writes a past grant as if it had ended this long ago.
func remember(t *testing.T, db *DB, resource string, fence uint64, ago time.Duration) {
	t.Helper()
	_, err := commit(t.Context(), db, 0, func(tx *bolt.Tx) (struct{}, error) {
		past := grant{holder: alice, fence: fence, until: now().after(-ago)}
		return struct{}{}, writeGrant(tx, resource, past)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestHolderIsRememberedForADay(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		t.Helper()
		remember(t, db, "lock", 1, memory-time.Millisecond)
		_, err := db.Locker().Renew(t.Context(), "lock", alice, time.Second)
		wantCode(t, err, problem.LeaseExpired)
		_, err = db.Locker().Renew(t.Context(), "lock", bob, time.Second)
		wantCode(t, err, problem.NoSuchLock)
		time.Sleep(time.Millisecond)
		_, err = db.Locker().Renew(t.Context(), "lock", alice, time.Second)
		wantCode(t, err, problem.NoSuchLock)
	})
}

// A forgotten lock leaves no record, and yet its fences do not come back.
func TestForgottenLockKeepsItsFence(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		t.Helper()
		remember(t, db, "lock", ahead, memory)
		remember(t, db, "recent", 1, memory-time.Hour)
		held := acquire(t, db, "held", bob, time.Hour)
		time.Sleep(3 * time.Second)
		if n := stored(t, db, lockBucket); n != 2 {
			t.Fatalf("%d locks are kept, want the held and the recent one", n)
		}
		if lease := acquire(t, db, "lock", alice, time.Second); lease.Fence <= ahead {
			t.Fatalf("fence fell from %d to %d", uint64(ahead), lease.Fence)
		}
		if again := acquire(t, db, "held", bob, time.Second); again.Fence != held.Fence {
			t.Fatal("the held lock was swept")
		}
	})
}

func TestSweepingLocksGoesRound(t *testing.T) {
	db := openNew(t)
	for _, resource := range []string{"a", "b", "c"} {
		acquire(t, db, resource, alice, time.Minute)
	}
	var places []string
	place := ""
	for range 4 {
		if err := db.bolt.View(func(tx *bolt.Tx) error {
			_, place = pastLocks(tx, place, now(), 2)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		places = append(places, place)
	}
	if places[0] != "b" || places[1] != "" || places[2] != "b" || places[3] != "" {
		t.Fatalf("%q", places)
	}
}

func TestNumbersSurviveReopening(t *testing.T) {
	path := t.TempDir() + "/local.db"
	db := openAt(t, path)
	if _, err := db.Sequencer().Next(t.Context(), "ids", 5, 0); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	first, err := openAt(t, path).Sequencer().Next(t.Context(), "ids", 1, 0)
	if err != nil || first != 6 {
		t.Fatalf("%d, %v", first, err)
	}
}
