package conformance

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

func TestLock(t *testing.T) { conform(t, lockDrivers(), lockChecks(), lockMutants()) }

func lockDrivers() []driver[backends.Locker] {
	return []driver[backends.Locker]{
		{"local", func(t *testing.T) (backends.Locker, string) {
			db, version := openLocal(t)
			return db.Locker(), version
		}},
		{"redis", func(t *testing.T) (backends.Locker, string) {
			conn, version := openRedis(t)
			return conn.Locker(), version
		}},
	}
}

func lockChecks() []check[backends.Locker] {
	return []check[backends.Locker]{
		{"lease tells holder, fence and time left", lockTells},
		{"20 parallel tries, one success", lockParallelTries},
		{"held lock tells when to try again", lockHeldRetry},
		{"release by owner, other and for nobody differ", lockReleaseCodes},
		{"renew by owner, other and for nobody differ", lockRenewCodes},
		{"lease of 1 s is free for another by 2 s", lockExpires},
		{"renewing keeps a short lease", lockKeepAlive},
		{"renew may shorten the lease", lockRenewShortens},
		{"same owner again gets the same fence and a new ttl", lockSameOwner},
		{"same owner name of another app is another holder", lockOtherApp},
		{"holder's names are not mixed up", lockHolderNames},
		{"expired holder's renew and release are refused", lockExpiredHolder},
		{"expired holder is refused after another took over", lockTakenOver},
		{"holder that released may not renew", lockRenewAfterRelease},
		{"fence grows over 50 grants", lockFenceGrows},
		{"fence grows after expiry, for the same owner too", lockFenceAfterExpiry},
		{"fence is about microseconds of the clock", lockFenceClock},
		{"inspect of a free, held, expired and released lock", lockInspect},
		{"awkward resources stay distinct", lockAwkwardResources},
		{"cancelled context takes nothing", lockCancelled},
	}
}

// holders of the suite; each check has resources of its own.
func owner(name string) backends.Holder { return backends.Holder{App: "app", Owner: name} }

func acquire(t *testing.T, l backends.Locker, resource string, holder backends.Holder, ttl time.Duration) backends.Lease {
	t.Helper()
	return must(l.Acquire(t.Context(), resource, holder, ttl))(t)
}

func release(t *testing.T, l backends.Locker, resource string, holder backends.Holder) {
	t.Helper()
	if err := l.Release(t.Context(), resource, holder); err != nil {
		t.Fatal(err)
	}
}

// wantHeld fails unless nobody else can have the lock.
func wantHeld(t *testing.T, l backends.Locker, resource string) {
	t.Helper()
	_, err := l.Acquire(t.Context(), resource, owner("intruder"), time.Minute)
	wantCode(t, err, problem.LockHeld)
}

func lockTells(t *testing.T, l backends.Locker) {
	lease := acquire(t, l, named(t, "lock"), owner("a"), time.Minute)
	if lease.Holder != owner("a") || lease.Fence == 0 || lease.TTL <= 59*time.Second || lease.TTL > time.Minute {
		t.Fatalf("%+v", lease)
	}
}

func lockParallelTries(t *testing.T, l backends.Locker) {
	winners := atOnce(t, 20, problem.LockHeld, func(i int) error {
		_, err := l.Acquire(t.Context(), named(t, "lock"), owner(fmt.Sprint(i)), time.Minute)
		return err
	})
	if winners != 1 {
		t.Fatalf("%d tries succeeded", winners)
	}
}

func lockHeldRetry(t *testing.T, l backends.Locker) {
	acquire(t, l, named(t, "lock"), owner("a"), time.Minute)
	_, err := l.Acquire(t.Context(), named(t, "lock"), owner("b"), time.Second)
	wantCode(t, err, problem.LockHeld)
	if left := problem.From(err).RetryAfter; left <= 50*time.Second || left > time.Minute {
		t.Fatalf("retry after %v", left)
	}
}

func lockReleaseCodes(t *testing.T, l backends.Locker) {
	resource := named(t, "lock")
	wantCode(t, l.Release(t.Context(), resource, owner("a")), problem.NoSuchLock)
	acquire(t, l, resource, owner("a"), time.Minute)
	wantCode(t, l.Release(t.Context(), resource, owner("b")), problem.NotOwner)
	wantHeld(t, l, resource)
	release(t, l, resource, owner("a"))
	wantCode(t, l.Release(t.Context(), resource, owner("a")), problem.NoSuchLock)
	acquire(t, l, resource, owner("b"), time.Minute)
}

func lockRenewCodes(t *testing.T, l backends.Locker) {
	resource := named(t, "lock")
	_, err := l.Renew(t.Context(), resource, owner("a"), time.Minute)
	wantCode(t, err, problem.NoSuchLock)
	granted := acquire(t, l, resource, owner("a"), time.Minute)
	_, err = l.Renew(t.Context(), resource, owner("b"), time.Minute)
	wantCode(t, err, problem.NotOwner)
	renewed := must(l.Renew(t.Context(), resource, owner("a"), time.Hour))(t)
	if renewed.Fence != granted.Fence || renewed.Holder != owner("a") || renewed.TTL <= 59*time.Minute || renewed.TTL > time.Hour {
		t.Fatalf("%+v after %+v", renewed, granted)
	}
}

func lockExpires(t *testing.T, l backends.Locker) {
	acquire(t, l, named(t, "lock"), owner("a"), time.Second)
	wantHeld(t, l, named(t, "lock"))
	time.Sleep(2 * time.Second)
	acquire(t, l, named(t, "lock"), owner("b"), time.Second)
}

func lockKeepAlive(t *testing.T, l backends.Locker) {
	resource := named(t, "lock")
	granted := acquire(t, l, resource, owner("a"), 600*time.Millisecond)
	for range 8 {
		time.Sleep(200 * time.Millisecond)
		lease := must(l.Renew(t.Context(), resource, owner("a"), 600*time.Millisecond))(t)
		if lease.Fence != granted.Fence {
			t.Fatal("renewing changed the fence")
		}
		wantHeld(t, l, resource)
	}
}

func lockRenewShortens(t *testing.T, l backends.Locker) {
	acquire(t, l, named(t, "lock"), owner("a"), time.Hour)
	must(l.Renew(t.Context(), named(t, "lock"), owner("a"), 100*time.Millisecond))(t)
	time.Sleep(300 * time.Millisecond)
	acquire(t, l, named(t, "lock"), owner("b"), time.Minute)
}

func lockSameOwner(t *testing.T, l backends.Locker) {
	first := acquire(t, l, named(t, "lock"), owner("a"), time.Second)
	again := acquire(t, l, named(t, "lock"), owner("a"), time.Hour)
	if again.Fence != first.Fence || again.TTL <= 59*time.Minute {
		t.Fatalf("%+v after %+v", again, first)
	}
	time.Sleep(1200 * time.Millisecond)
	wantHeld(t, l, named(t, "lock"))
}

func lockOtherApp(t *testing.T, l backends.Locker) {
	resource := named(t, "lock")
	acquire(t, l, resource, backends.Holder{App: "one", Owner: "a"}, time.Minute)
	other := backends.Holder{App: "two", Owner: "a"}
	_, err := l.Acquire(t.Context(), resource, other, time.Minute)
	wantCode(t, err, problem.LockHeld)
	_, err = l.Renew(t.Context(), resource, other, time.Minute)
	wantCode(t, err, problem.NotOwner)
	wantCode(t, l.Release(t.Context(), resource, other), problem.NotOwner)
}

// lockHolderNames: app and owner stay apart, whatever separates them inside.
func lockHolderNames(t *testing.T, l backends.Locker) {
	pairs := []backends.Holder{{App: "a", Owner: "b/c"}, {App: "a/b", Owner: "c"}, {App: "ab", Owner: "c"}, {App: "a", Owner: "bc"}, {App: "", Owner: "abc"}, {App: "abc", Owner: ""}, {App: "a:b", Owner: "ä\n\"'"}}
	for i, holder := range pairs {
		resource := named(t, fmt.Sprint(i))
		acquire(t, l, resource, holder, time.Minute)
		for j, other := range pairs {
			if _, err := l.Acquire(t.Context(), resource, other, time.Minute); (err == nil) != (i == j) {
				t.Errorf("%+v tries the lock of %+v: %v", other, holder, err)
			}
		}
		if lease := must(l.Inspect(t.Context(), resource))(t); lease.Holder != holder {
			t.Errorf("%+v is told as %+v", holder, lease.Holder)
		}
	}
}

func lockExpiredHolder(t *testing.T, l backends.Locker) {
	resource := named(t, "lock")
	acquire(t, l, resource, owner("a"), 50*time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	_, err := l.Renew(t.Context(), resource, owner("a"), time.Minute)
	wantCode(t, err, problem.LeaseExpired)
	_, err = l.Renew(t.Context(), resource, owner("b"), time.Minute)
	wantCode(t, err, problem.NoSuchLock)
	wantCode(t, l.Release(t.Context(), resource, owner("a")), problem.NoSuchLock)
	acquire(t, l, resource, owner("b"), time.Minute)
}

func lockTakenOver(t *testing.T, l backends.Locker) {
	resource := named(t, "lock")
	acquire(t, l, resource, owner("a"), 50*time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	acquire(t, l, resource, owner("b"), time.Minute)
	_, err := l.Renew(t.Context(), resource, owner("a"), time.Minute)
	wantCode(t, err, problem.NotOwner)
	wantCode(t, l.Release(t.Context(), resource, owner("a")), problem.NotOwner)
	wantHeld(t, l, resource)
}

func lockRenewAfterRelease(t *testing.T, l backends.Locker) {
	resource := named(t, "lock")
	acquire(t, l, resource, owner("a"), time.Minute)
	release(t, l, resource, owner("a"))
	_, err := l.Renew(t.Context(), resource, owner("a"), time.Minute)
	wantCode(t, err, problem.LeaseExpired)
	acquire(t, l, resource, owner("b"), time.Minute)
}

func lockFenceGrows(t *testing.T, l backends.Locker) {
	last := uint64(0)
	for i := range 50 {
		holder := owner(fmt.Sprint(i % 2)) // the same one again, and another
		lease := acquire(t, l, named(t, "lock"), holder, time.Minute)
		if lease.Fence <= last {
			t.Fatalf("grant %d has fence %d after %d", i, lease.Fence, last)
		}
		last = lease.Fence
		release(t, l, named(t, "lock"), holder)
	}
}

func lockFenceAfterExpiry(t *testing.T, l backends.Locker) {
	last := uint64(0)
	for _, name := range []string{"a", "a", "b"} {
		lease := acquire(t, l, named(t, "lock"), owner(name), 50*time.Millisecond)
		if lease.Fence <= last {
			t.Fatalf("%s has fence %d after %d", name, lease.Fence, last)
		}
		last = lease.Fence
		time.Sleep(150 * time.Millisecond)
	}
}

// lockFenceClock: a fence that follows the clock outgrows the old ones even
// when all that was stored is lost.
func lockFenceClock(t *testing.T, l backends.Locker) {
	before := uint64(time.Now().Add(-time.Minute).UnixMicro())
	fence := acquire(t, l, named(t, "lock"), owner("a"), time.Minute).Fence
	if after := uint64(time.Now().Add(time.Minute).UnixMicro()); fence < before || fence > after || fence > math.MaxInt64 {
		t.Fatalf("fence %d, want one between %d and %d", fence, before, after)
	}
}

func lockInspect(t *testing.T, l backends.Locker) {
	resource := named(t, "lock")
	_, err := l.Inspect(t.Context(), resource)
	wantCode(t, err, problem.NoSuchLock)
	granted := acquire(t, l, resource, owner("a"), time.Minute)
	seen := must(l.Inspect(t.Context(), resource))(t)
	if seen.Holder != granted.Holder || seen.Fence != granted.Fence || seen.TTL <= 50*time.Second || seen.TTL > time.Minute {
		t.Fatalf("%+v, granted %+v", seen, granted)
	}
	release(t, l, resource, owner("a"))
	_, err = l.Inspect(t.Context(), resource)
	wantCode(t, err, problem.NoSuchLock)
	acquire(t, l, resource, owner("a"), 50*time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	_, err = l.Inspect(t.Context(), resource)
	wantCode(t, err, problem.NoSuchLock)
}

func lockAwkwardResources(t *testing.T, l backends.Locker) {
	for i, key := range awkwardKeys() {
		acquire(t, l, named(t, key), owner(fmt.Sprint(i)), time.Minute)
	}
	for i, key := range awkwardKeys() {
		if lease := must(l.Inspect(t.Context(), named(t, key)))(t); lease.Holder != owner(fmt.Sprint(i)) {
			t.Errorf("%q is held by %+v", key, lease.Holder)
		}
	}
}

func lockCancelled(t *testing.T, l backends.Locker) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Acquire(ctx, named(t, "lock"), owner("a"), time.Minute)
	wantCode(t, err, problem.ClientClosed)
	if problem.From(err).Unknown {
		t.Fatal("a call that went nowhere is said to be of unknown outcome")
	}
	acquire(t, l, named(t, "lock"), owner("b"), time.Minute)
	wantCode(t, l.Release(ctx, named(t, "lock"), owner("b")), problem.ClientClosed)
	wantHeld(t, l, named(t, "lock"))
}

// A fence outlives what the store may lose: the process, and on purpose or by
// accident all of its content.
func TestLockFenceOutlives(t *testing.T) {
	t.Run("local reopened", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "local.db")
		db := openLocalAt(t, path)
		wantLargerFence(t, db.Locker(), func() backends.Locker {
			_ = db.Close()
			return openLocalAt(t, path).Locker()
		})
	})
	t.Run("local emptied", func(t *testing.T) {
		db, _ := openLocal(t)
		wantLargerFence(t, db.Locker(), func() backends.Locker {
			empty, _ := openLocal(t)
			return empty.Locker()
		})
	})
	t.Run("redis restarted empty", func(t *testing.T) {
		server := servers.NewRedis(t)
		wantLargerFence(t, connectRedis(t, server.Addr).Locker(), func() backends.Locker {
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			return connectRedis(t, server.Addr).Locker()
		})
	})
	t.Run("redis flushed", func(t *testing.T) {
		conn, _ := openRedis(t)
		wantLargerFence(t, conn.Locker(), func() backends.Locker {
			if err := conn.Client().FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			return conn.Locker()
		})
	})
}

func wantLargerFence(t *testing.T, before backends.Locker, lose func() backends.Locker) {
	t.Helper()
	last := acquire(t, before, "lock", owner("a"), time.Minute).Fence
	release(t, before, "lock", owner("a"))
	if fence := acquire(t, lose(), "lock", owner("a"), time.Minute).Fence; fence <= last {
		t.Fatalf("fence %d after %d", fence, last)
	}
}
