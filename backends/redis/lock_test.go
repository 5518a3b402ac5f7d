package redis

import (
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

var ann, bob = backends.Holder{App: "a", Owner: "ann"}, backends.Holder{App: "a", Owner: "bob"}

func TestLockLife(t *testing.T) {
	l, resource := open(t, shared.Addr).Locker(), fresh(t)
	_, err := l.Inspect(t.Context(), resource)
	wantCode(t, err, problem.NoSuchLock)
	wantCode(t, l.Release(t.Context(), resource, ann), problem.NoSuchLock)
	_, err = l.Renew(t.Context(), resource, ann, time.Minute)
	wantCode(t, err, problem.NoSuchLock)

	lease := must(l.Acquire(t.Context(), resource, ann, time.Minute))(t)
	again := must(l.Acquire(t.Context(), resource, ann, 2*time.Minute))(t)
	if again.Fence != lease.Fence || again.TTL != 2*time.Minute || again.Holder != ann {
		t.Fatalf("got %+v after %+v", again, lease)
	}
	_, err = l.Acquire(t.Context(), resource, bob, time.Minute)
	if held := wantCode(t, err, problem.LockHeld); held.RetryAfter <= time.Minute || held.RetryAfter > 2*time.Minute {
		t.Fatalf("retry after %s", held.RetryAfter)
	}
	_, err = l.Renew(t.Context(), resource, bob, time.Minute)
	wantCode(t, err, problem.NotOwner)
	wantCode(t, l.Release(t.Context(), resource, bob), problem.NotOwner)
	renewed := must(l.Renew(t.Context(), resource, ann, time.Minute))(t)
	seen := must(l.Inspect(t.Context(), resource))(t)
	if renewed.Fence != lease.Fence || seen.Fence != lease.Fence || seen.Holder != ann || seen.TTL > time.Minute {
		t.Fatalf("renewed %+v, inspected %+v", renewed, seen)
	}
	if err := l.Release(t.Context(), resource, ann); err != nil {
		t.Fatal(err)
	}
	next := must(l.Acquire(t.Context(), resource, bob, time.Minute))(t)
	if next.Fence <= lease.Fence {
		t.Fatalf("fence %d after %d", next.Fence, lease.Fence)
	}
}

func TestExpiredLeaseIsToldToItsHolderOnly(t *testing.T) {
	l, resource := open(t, shared.Addr).Locker(), fresh(t)
	must(l.Acquire(t.Context(), resource, ann, 30*time.Millisecond))(t)
	time.Sleep(60 * time.Millisecond)
	_, err := l.Renew(t.Context(), resource, ann, time.Minute)
	wantCode(t, err, problem.LeaseExpired)
	_, err = l.Renew(t.Context(), resource, bob, time.Minute)
	wantCode(t, err, problem.NoSuchLock)
}

func TestFenceGrowsWhenEverythingIsLost(t *testing.T) {
	server := servers.NewRedis(t)
	conn := open(t, server.Addr)
	l, last := conn.Locker(), uint64(0)
	for range 50 {
		lease := must(l.Acquire(t.Context(), "r", ann, time.Minute))(t)
		if lease.Fence <= last {
			t.Fatalf("fence %d after %d", lease.Fence, last)
		}
		last = lease.Fence
		if err := conn.Client().FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFenceIsLastPlusOneAheadOfTheClock is what guards against a clock that
// was set back; the digits are more than a Lua number holds.
func TestFenceIsLastPlusOneAheadOfTheClock(t *testing.T) {
	conn, resource := open(t, shared.Addr), fresh(t)
	last := lockKeys(resource)[1]
	if err := conn.Client().HSet(t.Context(), last, "fence", "9007199254740993").Err(); err != nil {
		t.Fatal(err)
	}
	lease := must(conn.Locker().Acquire(t.Context(), resource, ann, time.Minute))(t)
	if lease.Fence != 9007199254740994 {
		t.Fatalf("fence is %d", lease.Fence)
	}
}

func TestLastHolderIsRememberedForADay(t *testing.T) {
	conn, resource := open(t, shared.Addr), fresh(t)
	must(conn.Locker().Acquire(t.Context(), resource, ann, time.Hour))(t)
	kept := conn.Client().PTTL(t.Context(), lockKeys(resource)[1]).Val()
	if kept < 25*time.Hour {
		t.Fatalf("kept for %s", kept)
	}
}

func TestResourcesWithBracesStayDistinctAndInOneSlot(t *testing.T) {
	seen := map[string]string{}
	for _, resource := range []string{"a", "{a}", "a}", "{a", "}a{", "%7Da", "}", "{}", "%", "%25", "a/{b}/c"} {
		keys := lockKeys(resource)
		if other, taken := seen[keys[0]]; taken {
			t.Fatalf("%q and %q share %q", resource, other, keys[0])
		}
		seen[keys[0]] = resource
		if slotTag(keys[0]) == "" || slotTag(keys[0]) != slotTag(keys[1]) {
			t.Fatalf("%q lies in two slots: %q", resource, keys)
		}
	}
}

// slotTag is what a Cluster hashes of a key, "" for the whole key.
func slotTag(key string) string {
	var from int
	for i := range len(key) {
		switch {
		case key[i] == '{' && from == 0:
			from = i + 1
		case key[i] == '}' && from > 0:
			return key[from:i]
		}
	}
	return ""
}

func TestOneOfManyGetsTheLock(t *testing.T) {
	l, resource := open(t, shared.Addr).Locker(), fresh(t)
	granted := make(chan backends.Lease, 50)
	fan(50, func(i int) {
		holder := backends.Holder{App: "a", Owner: itoa(i)}
		if lease, err := l.Acquire(t.Context(), resource, holder, time.Minute); err == nil {
			granted <- lease
		} else if problem.CodeOf(err) != problem.LockHeld {
			t.Error(err)
		}
	})
	if len(granted) != 1 {
		t.Fatalf("%d holders", len(granted))
	}
}
