package conformance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// TestStateWatch: changes are told, whoever makes them.
func TestStateWatch(t *testing.T) { conformAbility(t, watchChecks(), watchMutants(), watches) }

func watchChecks() []check[twin] {
	return []check[twin]{
		{"watch begins with the present value", watchPresent},
		{"watch of an absent key begins with its absence", watchAbsent},
		{"watch sees put", watchPut},
		{"watch sees delete", watchDelete},
		{"watch sees creation", watchCreation},
		{"watch sees the same bytes written anew", watchSameBytes},
		{"watch sees expiry within 250 ms", watchExpiry},
		{"watch sees that a renewed value lives", watchRenewed},
		{"watch tells what came between begin and first Next", watchEarly},
		{"watch shows the latest state and may skip others", watchLatest},
		{"watch tells nothing twice", watchNothingTwice},
		{"change through a second connection is seen within 2 s", watchSecondConnection},
		{"refused write is not told", watchRefused},
		{"other keys are not told", watchOtherKeys},
		{"two watchers see the same", watchTwo},
		{"one watcher closes and the other lives", watchOneCloses},
		{"close ends a waiting Next", watchClose},
		{"deadline of Next leaves the watch usable", watchDeadline},
		{"watch outlives the context that began it", watchOutlivesContext},
		{"100 watchers of 100 keys", watchMany},
		{"awkward keys are watched", watchAwkward},
	}
}

// patience is how long a change may take to be seen.
const patience = 2 * time.Second

func watch(t *testing.T, s fullStore, key string) backends.StateWatch {
	t.Helper()
	w := must(s.Watch(t.Context(), key))(t)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func nextChange(t *testing.T, w backends.StateWatch) backends.StateChange {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return must(w.Next(ctx))(t)
}

// wantChange fails unless the next change is of this kind, with this value.
func wantChange(t *testing.T, w backends.StateWatch, kind backends.ChangeKind, value string) backends.StateChange {
	t.Helper()
	change := nextChange(t, w)
	if change.Kind != kind || string(change.Data) != value {
		t.Fatalf("told %s of %q, want %s of %q", change.Kind, change.Data, kind, value)
	}
	return change
}

func wantSilence(t *testing.T, w backends.StateWatch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	change, err := w.Next(ctx)
	if problem.CodeOf(err) != problem.DeadlineExceeded {
		t.Fatalf("told %s of %q, %v; want nothing", change.Kind, change.Data, err)
	}
}

func remove(t *testing.T, s store, key string) {
	t.Helper()
	if err := s.Delete(t.Context(), key, backends.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func watchPresent(t *testing.T, s twin) {
	key := named(t, "key")
	etag := putValue(t, s, key, "value", backends.WriteOptions{})
	change := wantChange(t, watch(t, s, key), backends.ChangePut, "value")
	if change.ETag != etag || change.ContentType != "text/plain" {
		t.Fatalf("told %+v, want tag %q", change, etag)
	}
}

func watchAbsent(t *testing.T, s twin) {
	wantChange(t, watch(t, s, named(t, "key")), backends.ChangeDelete, "")
}

func watchPut(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "first", backends.WriteOptions{})
	w := watch(t, s, key)
	wantChange(t, w, backends.ChangePut, "first")
	for i := range 5 {
		etag := putValue(t, s, key, fmt.Sprint(i), backends.WriteOptions{})
		if change := wantChange(t, w, backends.ChangePut, fmt.Sprint(i)); change.ETag != etag {
			t.Fatalf("told tag %q, want %q", change.ETag, etag)
		}
	}
}

func watchDelete(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "value", backends.WriteOptions{})
	w := watch(t, s, key)
	wantChange(t, w, backends.ChangePut, "value")
	deleted := make(chan error, 1)
	go func() {
		time.Sleep(20 * time.Millisecond) // Next waits by then, as a rule
		deleted <- s.Delete(t.Context(), key, backends.WriteOptions{})
	}()
	if change := wantChange(t, w, backends.ChangeDelete, ""); change.ETag != "" {
		t.Fatalf("a key that is gone has tag %q", change.ETag)
	}
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
}

func watchCreation(t *testing.T, s twin) {
	key := named(t, "key")
	w := watch(t, s, key)
	wantChange(t, w, backends.ChangeDelete, "")
	for range 2 {
		putValue(t, s, key, "value", onlyCreate())
		wantChange(t, w, backends.ChangePut, "value")
		remove(t, s, key)
		wantChange(t, w, backends.ChangeDelete, "")
	}
}

func watchSameBytes(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "same", backends.WriteOptions{})
	w := watch(t, s, key)
	before := wantChange(t, w, backends.ChangePut, "same").ETag
	putValue(t, s, key, "same", backends.WriteOptions{})
	if wantChange(t, w, backends.ChangePut, "same").ETag == before {
		t.Fatal("the old tag was told again")
	}
}

func watchExpiry(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "value", backends.WriteOptions{TTL: 500 * time.Millisecond})
	end := time.Now().Add(500 * time.Millisecond)
	w := watch(t, s, key)
	wantChange(t, w, backends.ChangePut, "value")
	wantChange(t, w, backends.ChangeExpire, "")
	if late := time.Since(end); late > 250*time.Millisecond || late < -100*time.Millisecond {
		t.Fatalf("expiry was told %v after it", late)
	}
	wantAbsent(t, s, key)
	putValue(t, s, key, "again", backends.WriteOptions{})
	wantChange(t, w, backends.ChangePut, "again")
}

func watchRenewed(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "first", backends.WriteOptions{TTL: 300 * time.Millisecond})
	w := watch(t, s, key)
	wantChange(t, w, backends.ChangePut, "first")
	putValue(t, s, key, "second", backends.WriteOptions{TTL: 700 * time.Millisecond})
	wantChange(t, w, backends.ChangePut, "second")
	renewed := time.Now()
	wantChange(t, w, backends.ChangeExpire, "")
	if after := time.Since(renewed); after < 500*time.Millisecond {
		t.Fatalf("it was told to have expired after %v", after)
	}
}

func watchEarly(t *testing.T, s twin) {
	key := named(t, "key")
	w := watch(t, s, key)
	putValue(t, s, key, "value", backends.WriteOptions{})
	change := nextChange(t, w)
	if change.Kind == backends.ChangeDelete { // the state at the beginning is as good
		change = nextChange(t, w)
	}
	if change.Kind != backends.ChangePut || string(change.Data) != "value" {
		t.Fatalf("told %+v", change)
	}
}

func watchLatest(t *testing.T, s twin) {
	key := named(t, "key")
	w := watch(t, s, key)
	wantChange(t, w, backends.ChangeDelete, "")
	const last = 200
	for i := range last + 1 {
		putValue(t, s, key, fmt.Sprint(i), backends.WriteOptions{})
	}
	told := 0
	for {
		told++
		if change := nextChange(t, w); string(change.Data) == fmt.Sprint(last) {
			break
		}
	}
	if told > last/2 {
		t.Fatalf("%d of %d states were kept for a reader that did not read", told, last)
	}
	wantSilence(t, w)
}

func watchNothingTwice(t *testing.T, s twin) {
	key := named(t, "key")
	w := watch(t, s, key)
	wantChange(t, w, backends.ChangeDelete, "")
	remove(t, s, key)
	wantSilence(t, w)
	putValue(t, s, key, "value", backends.WriteOptions{})
	wantChange(t, w, backends.ChangePut, "value")
	wantSilence(t, w)
}

func watchSecondConnection(t *testing.T, s twin) {
	key := named(t, "key")
	w := watch(t, s, key)
	wantChange(t, w, backends.ChangeDelete, "")
	putValue(t, s.other, key, "value", backends.WriteOptions{})
	wantChange(t, w, backends.ChangePut, "value")
	remove(t, s.other, key)
	wantChange(t, w, backends.ChangeDelete, "")
}

func watchRefused(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "value", backends.WriteOptions{})
	w := watch(t, s, key)
	wantChange(t, w, backends.ChangePut, "value")
	wantRefused(t, s, key, onlyCreate())
	wantCode(t, s.Delete(t.Context(), key, ifMatch("stale")), problem.PreconditionFailed)
	wantSilence(t, w)
}

func watchOtherKeys(t *testing.T, s twin) {
	w := watch(t, s, named(t, "key"))
	wantChange(t, w, backends.ChangeDelete, "")
	for _, other := range []string{"ke", "key/", "key2", "Key"} {
		putValue(t, s, named(t, other), "value", backends.WriteOptions{})
	}
	wantSilence(t, w)
}

func watchTwo(t *testing.T, s twin) {
	key := named(t, "key")
	all := []backends.StateWatch{watch(t, s, key), watch(t, s, key), watch(t, s.other, key)}
	for _, w := range all {
		wantChange(t, w, backends.ChangeDelete, "")
	}
	putValue(t, s, key, "value", backends.WriteOptions{})
	for _, w := range all {
		wantChange(t, w, backends.ChangePut, "value")
	}
}

func watchOneCloses(t *testing.T, s twin) {
	key := named(t, "key")
	closed, lives := watch(t, s, key), watch(t, s, key)
	wantChange(t, closed, backends.ChangeDelete, "")
	wantChange(t, lives, backends.ChangeDelete, "")
	for range 2 {
		if err := closed.Close(); err != nil {
			t.Fatal(err)
		}
	}
	putValue(t, s, key, "value", backends.WriteOptions{})
	wantChange(t, lives, backends.ChangePut, "value")
	again := watch(t, s, key)
	wantChange(t, again, backends.ChangePut, "value")
	_, err := closed.Next(t.Context())
	wantCode(t, err, problem.ClientClosed)
}

func watchClose(t *testing.T, s twin) {
	w := watch(t, s, named(t, "key"))
	wantChange(t, w, backends.ChangeDelete, "")
	ended := make(chan error, 1)
	go func() {
		_, err := w.Next(t.Context())
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		wantCode(t, err, problem.ClientClosed)
	case <-time.After(patience):
		t.Fatal("Next still waits")
	}
}

func watchDeadline(t *testing.T, s twin) {
	key := named(t, "key")
	w := watch(t, s, key)
	wantChange(t, w, backends.ChangeDelete, "")
	wantSilence(t, w)
	putValue(t, s, key, "value", backends.WriteOptions{})
	wantChange(t, w, backends.ChangePut, "value")
}

func watchOutlivesContext(t *testing.T, s twin) {
	key := named(t, "key")
	ctx, cancel := context.WithCancel(t.Context())
	w := must(s.Watch(ctx, key))(t)
	defer w.Close()
	cancel()
	wantChange(t, w, backends.ChangeDelete, "")
	putValue(t, s, key, "value", backends.WriteOptions{})
	wantChange(t, w, backends.ChangePut, "value")
}

func watchMany(t *testing.T, s twin) {
	watches := map[string]backends.StateWatch{}
	for i := range 100 {
		key := named(t, fmt.Sprint(i))
		watches[key] = watch(t, s, key)
		wantChange(t, watches[key], backends.ChangeDelete, "")
	}
	for key := range watches {
		putValue(t, s, key, key, backends.WriteOptions{})
	}
	for key, w := range watches {
		wantChange(t, w, backends.ChangePut, key)
	}
}

func watchAwkward(t *testing.T, s twin) {
	for _, key := range awkwardKeys() {
		w := watch(t, s, named(t, key))
		wantChange(t, w, backends.ChangeDelete, "")
		putValue(t, s, named(t, key), key, backends.WriteOptions{})
		wantChange(t, w, backends.ChangePut, key)
	}
}
