package conformance

import (
	"fmt"
	"testing"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// conditionChecks are the promises of If-Match and If-None-Match on writes.
func conditionChecks() []check[store] {
	return []check[store]{
		{"every write has a new ETag", stateNewTagEveryWrite},
		{"stale ETag writes nothing", stateStaleTagWritesNothing},
		{"current ETag writes and gives a new one", stateCurrentTagWrites},
		{"stale ETag deletes nothing, the current one does", stateTagGuardsDelete},
		{"If-Match on an absent key fails, for delete too", stateIfMatchAbsent},
		{"If-Match star updates only", stateIfMatchAny},
		{"If-Match takes a list", stateIfMatchList},
		{"If-None-Match star creates only", stateIfNoneMatchAny},
		{"If-None-Match with tags", stateIfNoneMatchList},
		{"If-None-Match guards delete", stateIfNoneMatchDelete},
		{"both conditions have to hold", stateBothConditions},
		{"ETag of another key is not this one's", stateTagOfAnotherKey},
		{"20 parallel first writes, one success", stateParallelFirstWrites},
		{"20 parallel swaps of one ETag, one success", stateParallelSwaps},
		{"last write wins without a condition", stateLastWriteWins},
		{"parallel counters by ETag lose no update", stateCounter},
	}
}

func ifMatch(tags ...string) backends.WriteOptions {
	return backends.WriteOptions{Condition: backends.Condition{IfMatch: tags}}
}

func ifNoneMatch(tags ...string) backends.WriteOptions {
	return backends.WriteOptions{Condition: backends.Condition{IfNoneMatch: tags}}
}

func onlyCreate() backends.WriteOptions {
	return backends.WriteOptions{Condition: backends.Condition{IfNoneMatchAny: true}}
}

func onlyUpdate() backends.WriteOptions {
	return backends.WriteOptions{Condition: backends.Condition{IfMatchAny: true}}
}

// wantRefused fails unless the write is refused; what the key holds is the
// caller's to check.
func wantRefused(t *testing.T, s store, key string, options backends.WriteOptions) {
	t.Helper()
	_, err := s.Put(t.Context(), key, backends.Value{Data: []byte("refused")}, options)
	wantCode(t, err, problem.PreconditionFailed)
}

func stateNewTagEveryWrite(t *testing.T, s store) {
	seen := map[string]bool{}
	for i := range 50 {
		for _, key := range []string{"one", "two"} {
			etag := putValue(t, s, named(t, key), "same bytes", backends.WriteOptions{})
			if etag == "" || seen[etag] {
				t.Fatalf("write %d of %s has tag %q again", i, key, etag)
			}
			seen[etag] = true
		}
	}
}

func stateStaleTagWritesNothing(t *testing.T, s store) {
	key := named(t, "key")
	stale := putValue(t, s, key, "first", backends.WriteOptions{})
	current := putValue(t, s, key, "second", backends.WriteOptions{})
	wantRefused(t, s, key, ifMatch(stale))
	if item := wantValue(t, s, key, "second"); item.ETag != current {
		t.Fatal("the tag changed")
	}
}

func stateCurrentTagWrites(t *testing.T, s store) {
	key := named(t, "key")
	first := putValue(t, s, key, "first", backends.WriteOptions{})
	second := putValue(t, s, key, "second", ifMatch(first))
	if item := wantValue(t, s, key, "second"); second == first || item.ETag != second {
		t.Fatalf("tags %q, %q, stored %q", first, second, item.ETag)
	}
}

func stateTagGuardsDelete(t *testing.T, s store) {
	key := named(t, "key")
	stale := putValue(t, s, key, "first", backends.WriteOptions{})
	current := putValue(t, s, key, "second", backends.WriteOptions{})
	wantCode(t, s.Delete(t.Context(), key, ifMatch(stale)), problem.PreconditionFailed)
	wantValue(t, s, key, "second")
	if err := s.Delete(t.Context(), key, ifMatch(current)); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, key)
}

func stateIfMatchAbsent(t *testing.T, s store) {
	key := named(t, "key")
	for _, options := range []backends.WriteOptions{ifMatch("tag"), onlyUpdate()} {
		wantRefused(t, s, key, options)
		wantCode(t, s.Delete(t.Context(), key, options), problem.PreconditionFailed)
		wantAbsent(t, s, key)
	}
}

func stateIfMatchAny(t *testing.T, s store) {
	key := named(t, "key")
	wantRefused(t, s, key, onlyUpdate())
	putValue(t, s, key, "first", backends.WriteOptions{})
	putValue(t, s, key, "second", onlyUpdate())
	wantValue(t, s, key, "second")
	if err := s.Delete(t.Context(), key, onlyUpdate()); err != nil {
		t.Fatal(err)
	}
}

func stateIfMatchList(t *testing.T, s store) {
	key := named(t, "key")
	etag := putValue(t, s, key, "first", backends.WriteOptions{})
	wantRefused(t, s, key, ifMatch("one", "two", etag+"x", ""))
	putValue(t, s, key, "second", ifMatch("one", etag, "two"))
	wantValue(t, s, key, "second")
}

func stateIfNoneMatchAny(t *testing.T, s store) {
	key := named(t, "key")
	putValue(t, s, key, "first", onlyCreate())
	wantRefused(t, s, key, onlyCreate())
	wantValue(t, s, key, "first")
}

func stateIfNoneMatchList(t *testing.T, s store) {
	key := named(t, "key")
	etag := putValue(t, s, key, "first", ifNoneMatch("one", "two"))
	wantRefused(t, s, key, ifNoneMatch("one", etag))
	wantValue(t, s, key, "first")
	putValue(t, s, key, "second", ifNoneMatch("one", "two"))
	wantValue(t, s, key, "second")
}

func stateIfNoneMatchDelete(t *testing.T, s store) {
	key := named(t, "key")
	if err := s.Delete(t.Context(), key, onlyCreate()); err != nil {
		t.Fatalf("absent, as asked: %v", err)
	}
	etag := putValue(t, s, key, "value", backends.WriteOptions{})
	wantCode(t, s.Delete(t.Context(), key, onlyCreate()), problem.PreconditionFailed)
	wantCode(t, s.Delete(t.Context(), key, ifNoneMatch(etag)), problem.PreconditionFailed)
	wantValue(t, s, key, "value")
}

func stateBothConditions(t *testing.T, s store) {
	key := named(t, "key")
	etag := putValue(t, s, key, "first", backends.WriteOptions{})
	both := backends.Condition{IfMatch: []string{etag}, IfNoneMatch: []string{etag}}
	wantRefused(t, s, key, backends.WriteOptions{Condition: both})
	wantRefused(t, s, key, backends.WriteOptions{Condition: backends.Condition{IfMatchAny: true, IfNoneMatchAny: true}})
	wantValue(t, s, key, "first")
	both.IfNoneMatch = []string{"another"}
	putValue(t, s, key, "second", backends.WriteOptions{Condition: both})
	wantValue(t, s, key, "second")
}

func stateTagOfAnotherKey(t *testing.T, s store) {
	other := putValue(t, s, named(t, "other"), "value", backends.WriteOptions{})
	putValue(t, s, named(t, "key"), "value", backends.WriteOptions{})
	wantRefused(t, s, named(t, "key"), ifMatch(other))
}

func stateParallelFirstWrites(t *testing.T, s store) {
	key := named(t, "key")
	winners := atOnce(t, 20, problem.PreconditionFailed, func(i int) error {
		_, err := s.Put(t.Context(), key, backends.Value{Data: fmt.Append(nil, i)}, onlyCreate())
		return err
	})
	if winners != 1 {
		t.Fatalf("%d first writes succeeded", winners)
	}
}

func stateParallelSwaps(t *testing.T, s store) {
	key := named(t, "key")
	etag := putValue(t, s, key, "first", backends.WriteOptions{})
	winners := atOnce(t, 20, problem.PreconditionFailed, func(i int) error {
		_, err := s.Put(t.Context(), key, backends.Value{Data: fmt.Append(nil, i)}, ifMatch(etag))
		return err
	})
	if winners != 1 {
		t.Fatalf("%d swaps succeeded", winners)
	}
}

func stateLastWriteWins(t *testing.T, s store) {
	key := named(t, "key")
	putValue(t, s, key, "first", onlyCreate())
	newest := putValue(t, s, key, "second", backends.WriteOptions{})
	wantValue(t, s, key, "second")
	putValue(t, s, key, "third", ifMatch(newest))
	wantValue(t, s, key, "third")
}

// stateCounter: 8 writers add up by reading and swapping; the sum shows a lost
// update however it came about.
func stateCounter(t *testing.T, s store) {
	key := named(t, "key")
	putValue(t, s, key, "0", backends.WriteOptions{})
	const writers, each = 8, 10
	atOnce(t, writers, "", func(int) error {
		for done := 0; done < each; {
			item, err := s.Get(t.Context(), key, backends.ReadOptions{})
			if err != nil {
				return err
			}
			var n int
			if _, err := fmt.Sscan(string(item.Data), &n); err != nil {
				return err
			}
			_, err = s.Put(t.Context(), key, backends.Value{Data: fmt.Append(nil, n+1)}, ifMatch(item.ETag))
			if err == nil {
				done++
			} else if problem.CodeOf(err) != problem.PreconditionFailed {
				return err
			}
		}
		return nil
	})
	wantValue(t, s, key, fmt.Sprint(writers*each))
}
