package conformance

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

// TestStateFence: a write under an older lock than one already seen is refused.
func TestStateFence(t *testing.T) {
	conformAbility(t, fenceChecks(), fenceMutants(), fences, increments, transacts)
}

func fenceChecks() []check[twin] {
	return []check[twin]{
		{"older fence writes nothing", fenceOlder},
		{"equal and newer fences pass", fenceNewer},
		{"older fence deletes nothing", fenceDelete},
		{"fence guards a resource, whatever the key", fenceOverKeys},
		{"fences of two resources are two", fenceResources},
		{"fence has full 64-bit precision", fencePrecision},
		{"refused write leaves no fence behind", fenceRefused},
		{"stale fence wins over a failed condition", fenceBeforeCondition},
		{"write without a fence passes", fenceNone},
		{"fenced write keeps conditions and ttl", fenceWithOptions},
		{"awkward resources are guarded", fenceAwkward},
		{"fence is not seen as a key", fenceHidden},
		{"20 parallel fenced writes leave the newest", fenceParallel},
		{"older fence increments nothing", fenceIncrement},
		{"one older fence stops a transaction", fenceTransaction},
	}
}

// fenced is a write under a token of one of the running check's resources.
func fenced(t *testing.T, resource string, token uint64) backends.WriteOptions {
	t.Helper()
	return backends.WriteOptions{Fence: &backends.Fence{Resource: named(t, "resource "+resource), Token: token}}
}

// wantStale fails unless the write is refused for its fence.
func wantStale(t *testing.T, s store, key string, options backends.WriteOptions) {
	t.Helper()
	before, _ := s.Get(t.Context(), key, backends.ReadOptions{})
	_, err := s.Put(t.Context(), key, backends.Value{Data: []byte("stale")}, options)
	wantCode(t, err, problem.StaleFence)
	if after, _ := s.Get(t.Context(), key, backends.ReadOptions{}); after.ETag != before.ETag {
		t.Fatal("the refused write changed the value")
	}
}

func fenceOlder(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "new", fenced(t, "a", 10))
	for _, token := range []uint64{9, 1, 0} {
		wantStale(t, s, key, fenced(t, "a", token))
		wantStale(t, s.other, key, fenced(t, "a", token))
	}
	wantValue(t, s, key, "new")
}

func fenceNewer(t *testing.T, s twin) {
	key := named(t, "key")
	for _, token := range []uint64{10, 10, 11, 11, 1 << 40} {
		putValue(t, s, key, "value", fenced(t, "a", token))
		putValue(t, s.other, key, "value", fenced(t, "a", token))
	}
	wantStale(t, s, key, fenced(t, "a", 11))
}

func fenceDelete(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "value", fenced(t, "a", 10))
	wantCode(t, s.Delete(t.Context(), key, fenced(t, "a", 9)), problem.StaleFence)
	wantValue(t, s, key, "value")
	if err := s.Delete(t.Context(), key, fenced(t, "a", 11)); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, key)
	wantStale(t, s, key, fenced(t, "a", 10)) // the deletion is remembered too
	wantAbsent(t, s, key)
}

func fenceOverKeys(t *testing.T, s twin) {
	putValue(t, s, named(t, "one"), "value", fenced(t, "a", 10))
	wantStale(t, s, named(t, "two"), fenced(t, "a", 9))
	wantAbsent(t, s, named(t, "two"))
}

func fenceResources(t *testing.T, s twin) {
	putValue(t, s, named(t, "key"), "value", fenced(t, "a", 10))
	putValue(t, s, named(t, "key"), "value", fenced(t, "b", 9))
	wantStale(t, s, named(t, "key"), fenced(t, "a", 9))
}

func fencePrecision(t *testing.T, s twin) {
	key := named(t, "key")
	for i, token := range []uint64{10, 100, 1<<53 + 1, 1 << 62, math.MaxInt64, math.MaxUint64} {
		resource := string(rune('a' + i))
		putValue(t, s, key, "value", fenced(t, resource, token))
		wantStale(t, s, key, fenced(t, resource, token-1))
		putValue(t, s, key, "value", fenced(t, resource, token))
	}
}

func fenceRefused(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "value", fenced(t, "a", 10))
	refused := fenced(t, "a", 20)
	refused.IfNoneMatchAny = true
	wantRefused(t, s, key, refused)
	refused.Condition = backends.Condition{IfMatch: []string{"stale"}}
	wantCode(t, s.Delete(t.Context(), key, refused), problem.PreconditionFailed)
	putValue(t, s, key, "still", fenced(t, "a", 11))
}

func fenceBeforeCondition(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "value", fenced(t, "a", 10))
	both := fenced(t, "a", 9)
	both.IfNoneMatchAny = true
	wantStale(t, s, key, both)
}

func fenceNone(t *testing.T, s twin) {
	putValue(t, s, named(t, "key"), "value", fenced(t, "a", 10))
	putValue(t, s, named(t, "key"), "free", backends.WriteOptions{})
	wantValue(t, s, named(t, "key"), "free")
}

func fenceWithOptions(t *testing.T, s twin) {
	key := named(t, "key")
	options := fenced(t, "a", 10)
	options.TTL, options.IfNoneMatchAny = time.Hour, true
	etag := putValue(t, s, key, "value", options)
	wantTimeLeft(t, s, key, 59*time.Minute, time.Hour)
	wantRefused(t, s, key, options)
	options.Condition = ifMatch(etag).Condition
	putValue(t, s, key, "second", options)
	wantValue(t, s, key, "second")
}

func fenceAwkward(t *testing.T, s twin) {
	for _, resource := range awkwardKeys() {
		putValue(t, s, named(t, "key"), resource, fenced(t, resource, 10))
	}
	for _, resource := range awkwardKeys() {
		wantStale(t, s, named(t, "key"), fenced(t, resource, 9))
	}
}

func fenceHidden(t *testing.T, s twin) {
	options := fenced(t, "a", 10)
	putValue(t, s, named(t, "key"), "value", options)
	if found := listAll(t, s, named(t, ""), 10); len(found) != 1 {
		t.Fatalf("%d keys are listed, want the one that was put", len(found))
	}
	wantAbsent(t, s, options.Fence.Resource)
}

func fenceParallel(t *testing.T, s twin) {
	key := named(t, "key")
	atOnce(t, 20, problem.StaleFence, func(i int) error {
		_, err := s.Put(t.Context(), key, backends.Value{Data: []byte{byte(i)}}, fenced(t, "a", uint64(i+1)))
		return err
	})
	wantValue(t, s, key, "\x13") // 19: whatever came after it was refused
}

func fenceIncrement(t *testing.T, s twin) {
	key := named(t, "key")
	step := func(token uint64) error {
		_, _, err := s.Increment(t.Context(), key, backends.Increment{By: 1}, fenced(t, "a", token))
		return err
	}
	for _, token := range []uint64{10, 10, 11} {
		if err := step(token); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, step(10), problem.StaleFence)
	wantValue(t, s, key, "3")
	wantStale(t, s, named(t, "other"), fenced(t, "a", 10))
}

func fenceTransaction(t *testing.T, s twin) {
	one, two := named(t, "one"), named(t, "two")
	with := func(a, b uint64) error {
		_, err := s.Transact(t.Context(), []backends.Operation{
			{Kind: backends.OperationPut, Key: one, Value: backends.Value{Data: []byte("value")}, Options: fenced(t, "a", a)},
			{Kind: backends.OperationIncrement, Key: two, Increment: backends.Increment{By: 1}, Options: fenced(t, "b", b)},
		})
		return err
	}
	if err := with(10, 10); err != nil {
		t.Fatal(err)
	}
	wantCode(t, with(9, 11), problem.StaleFence)
	wantCode(t, with(11, 9), problem.StaleFence)
	wantValue(t, s, two, "1")
	if err := with(10, 10); err != nil { // those that were refused left nothing
		t.Fatal(err)
	}
	wantStale(t, s, one, fenced(t, "b", 9))
}

// What was seen outlives the process that saw it.
func TestStateFenceSurvives(t *testing.T) {
	t.Run("local reopened", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "local.db")
		db := openLocalAt(t, path)
		wantFenceKept(t, db.State(), func() store {
			_ = db.Close()
			return openLocalAt(t, path).State()
		})
	})
	t.Run("redis connected anew", func(t *testing.T) {
		if !supports("redis", fences) {
			t.Skip("redis is listed as not supporting fences")
		}
		server := servers.NewRedis(t)
		wantFenceKept(t, redisState(t, server.Addr), func() store { return redisState(t, server.Addr) })
	})
}

func wantFenceKept(t *testing.T, before store, reopen func() store) {
	t.Helper()
	putValue(t, before, "key", "value", fenced(t, "a", 10))
	after := reopen()
	wantStale(t, after, "key", fenced(t, "a", 9))
	putValue(t, after, "key", "value", fenced(t, "a", 10))
}
