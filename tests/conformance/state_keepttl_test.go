package conformance

import (
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// TestStateKeepTTL: a write may leave the expiry as it is.
func TestStateKeepTTL(t *testing.T) {
	conformAbility(t, keepTTLChecks(), keepTTLMutants(), keepsTTL)
}

func keepTTLChecks() []check[twin] {
	return []check[twin]{
		{"KeepTTL keeps the time left", keepTTLKeeps},
		{"KeepTTL leaves a value without expiry without one", keepTTLNever},
		{"KeepTTL on an absent key gives no expiry", keepTTLAbsent},
		{"KeepTTL inherits nothing from an expired value", keepTTLExpired},
		{"KeepTTL wins over TTL", keepTTLWins},
		{"KeepTTL under a condition", keepTTLConditional},
		{"value kept by KeepTTL still expires", keepTTLExpires},
		{"KeepTTL gives a new ETag and content type", keepTTLRewrites},
	}
}

func keeping() backends.WriteOptions { return backends.WriteOptions{KeepTTL: true} }

func keepTTLKeeps(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "first", backends.WriteOptions{TTL: time.Hour})
	putValue(t, s, key, "second", keeping())
	wantValue(t, s, key, "second")
	wantTimeLeft(t, s, key, 59*time.Minute, time.Hour)
}

func keepTTLNever(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "first", backends.WriteOptions{})
	putValue(t, s, key, "second", keeping())
	wantValue(t, s, key, "second")
	wantTimeLeft(t, s, key, 0, 0)
}

func keepTTLAbsent(t *testing.T, s twin) {
	putValue(t, s, named(t, "key"), "first", keeping())
	wantTimeLeft(t, s, named(t, "key"), 0, 0)
}

func keepTTLExpired(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "first", backends.WriteOptions{TTL: 50 * time.Millisecond})
	time.Sleep(200 * time.Millisecond)
	putValue(t, s, key, "second", keeping())
	wantValue(t, s, key, "second")
	wantTimeLeft(t, s, key, 0, 0)
}

func keepTTLWins(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "first", backends.WriteOptions{TTL: time.Hour})
	putValue(t, s, key, "second", backends.WriteOptions{TTL: time.Second, KeepTTL: true})
	wantTimeLeft(t, s, key, 59*time.Minute, time.Hour)
}

func keepTTLConditional(t *testing.T, s twin) {
	key := named(t, "key")
	etag := putValue(t, s, key, "first", backends.WriteOptions{TTL: time.Hour})
	for _, options := range []backends.WriteOptions{ifMatch("stale"), onlyCreate()} {
		options.KeepTTL = true
		wantRefused(t, s, key, options)
	}
	for _, options := range []backends.WriteOptions{ifMatch(etag), ifNoneMatch("other"), onlyUpdate()} {
		options.KeepTTL = true
		putValue(t, s, key, "second", options)
		wantTimeLeft(t, s, key, 59*time.Minute, time.Hour)
	}
}

func keepTTLExpires(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "first", backends.WriteOptions{TTL: 400 * time.Millisecond})
	etag := putValue(t, s, key, "second", keeping())
	wantValue(t, s, key, "second")
	time.Sleep(800 * time.Millisecond)
	wantAbsent(t, s, key)
	_, err := s.Put(t.Context(), key, backends.Value{}, backends.WriteOptions{KeepTTL: true, Condition: ifMatch(etag).Condition})
	wantCode(t, err, problem.PreconditionFailed)
}

func keepTTLRewrites(t *testing.T, s twin) {
	key := named(t, "key")
	first := putValue(t, s, key, "same", backends.WriteOptions{TTL: time.Hour})
	second := must(s.Put(t.Context(), key, backends.Value{Data: []byte("same"), ContentType: "text/html"}, keeping()))(t)
	item := wantValue(t, s, key, "same")
	if second == first || item.ETag != second || item.ContentType != "text/html" {
		t.Fatalf("tags %q, %q, stored %q; type %q", first, second, item.ETag, item.ContentType)
	}
}
