package conformance

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// TestStateIncrement: counters under keys.
func TestStateIncrement(t *testing.T) {
	conformAbility(t, incrementChecks(), incrementMutants(), increments)
}

func incrementChecks() []check[twin] {
	return []check[twin]{
		{"increment creates at 0", incrementCreates},
		{"increment adds and subtracts", incrementAdds},
		{"increment has full 64-bit precision", incrementPrecision},
		{"increment over the 64-bit range is refused", incrementOverflow},
		{"increment has bounds", incrementBounds},
		{"increment of an absent key has bounds", incrementAbsentBounds},
		{"increment keeps the expiry", incrementKeepsTTL},
		{"increment of an expired counter begins at 0", incrementExpired},
		{"increment ignores a ttl", incrementIgnoresTTL},
		{"increment of what is no number is refused", incrementNoNumber},
		{"increment continues a value that was put", incrementContinues},
		{"increment stores digits that Get reads", incrementReadable},
		{"increment gives a new ETag every time", incrementTags},
		{"increment honours conditions", incrementConditions},
		{"200 parallel increments sum up", incrementParallel},
		{"cancelled increment counts nothing", incrementCancelled},
	}
}

func add(t *testing.T, s fullStore, key string, by int64) (value int64) {
	t.Helper()
	value, _, err := s.Increment(t.Context(), key, backends.Increment{By: by}, backends.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// wantSum fails unless the step ends with value and the key holds its digits.
func wantSum(t *testing.T, s fullStore, key string, by, value int64) {
	t.Helper()
	if got := add(t, s, key, by); got != value {
		t.Fatalf("adding %d gave %d, want %d", by, got, value)
	}
	wantValue(t, s, key, strconv.FormatInt(value, 10))
}

// wantRefusedStep fails unless the step is refused and changes nothing.
func wantRefusedStep(t *testing.T, s fullStore, key string, step backends.Increment) {
	t.Helper()
	before, _ := s.Get(t.Context(), key, backends.ReadOptions{})
	_, _, err := s.Increment(t.Context(), key, step, backends.WriteOptions{})
	wantCode(t, err, problem.Unprocessable)
	after, _ := s.Get(t.Context(), key, backends.ReadOptions{})
	if before.ETag != after.ETag || string(before.Data) != string(after.Data) {
		t.Fatalf("%.80q became %.80q", before.Data, after.Data)
	}
}

func incrementCreates(t *testing.T, s twin) {
	wantSum(t, s, named(t, "up"), 1, 1)
	wantSum(t, s, named(t, "down"), -5, -5)
	wantSum(t, s, named(t, "zero"), 0, 0)
	wantTimeLeft(t, s, named(t, "up"), 0, 0)
}

func incrementAdds(t *testing.T, s twin) {
	key := named(t, "key")
	for _, step := range []struct{ by, sum int64 }{{5, 5}, {0, 5}, {-7, -2}, {2, 0}, {10, 10}, {-1, 9}, {91, 100}} {
		wantSum(t, s, key, step.by, step.sum)
	}
}

func incrementPrecision(t *testing.T, s twin) {
	key := named(t, "key")
	for _, step := range []struct{ by, sum int64 }{
		{1 << 53, 1 << 53},
		{1, 1<<53 + 1},
		{1, 1<<53 + 2},
		{1234567890123456789 - (1<<53 + 2), 1234567890123456789},
		{1, 1234567890123456790},
		{math.MaxInt64 - 1234567890123456790, math.MaxInt64},
		{-math.MaxInt64, 0},
		{math.MinInt64, math.MinInt64},
		{math.MaxInt64, -1},
	} {
		wantSum(t, s, key, step.by, step.sum)
	}
}

func incrementOverflow(t *testing.T, s twin) {
	key := named(t, "key")
	wantSum(t, s, key, math.MaxInt64, math.MaxInt64)
	for _, by := range []int64{1, math.MaxInt64} {
		wantRefusedStep(t, s, key, backends.Increment{By: by})
	}
	wantSum(t, s, key, math.MinInt64, -1)
	wantRefusedStep(t, s, key, backends.Increment{By: math.MinInt64})
	wantSum(t, s, key, math.MinInt64+1, math.MinInt64)
	wantRefusedStep(t, s, key, backends.Increment{By: -1})
}

func incrementBounds(t *testing.T, s twin) {
	key := named(t, "key")
	low, high := int64(-2), int64(3)
	within := func(by int64) backends.Increment { return backends.Increment{By: by, Min: &low, Max: &high} }
	for _, step := range []struct{ by, sum int64 }{{3, 3}, {-5, -2}, {2, 0}} {
		value, _, err := s.Increment(t.Context(), key, within(step.by), backends.WriteOptions{})
		if err != nil || value != step.sum {
			t.Fatalf("adding %d gave %d, %v", step.by, value, err)
		}
	}
	wantRefusedStep(t, s, key, within(4))
	wantRefusedStep(t, s, key, within(-3))
	wantRefusedStep(t, s, key, backends.Increment{By: 4, Max: &high})
	wantRefusedStep(t, s, key, backends.Increment{By: -3, Min: &low})
	wantSum(t, s, key, 10, 10)
	wantRefusedStep(t, s, key, within(-1)) // the result counts, not the direction
	most := int64(1<<53 + 1)
	wantSum(t, s, key, most-10, most)
	wantRefusedStep(t, s, key, backends.Increment{By: 1, Max: &most})
}

func incrementAbsentBounds(t *testing.T, s twin) {
	low := int64(1)
	wantRefusedStep(t, s, named(t, "key"), backends.Increment{By: 0, Min: &low})
	wantAbsent(t, s, named(t, "key"))
	if value, _, err := s.Increment(t.Context(), named(t, "key"), backends.Increment{By: 1, Min: &low}, backends.WriteOptions{}); err != nil || value != 1 {
		t.Fatalf("%d, %v", value, err)
	}
}

func incrementKeepsTTL(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "7", backends.WriteOptions{TTL: time.Hour})
	wantSum(t, s, key, 1, 8)
	wantTimeLeft(t, s, key, 59*time.Minute, time.Hour)
}

func incrementExpired(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "7", backends.WriteOptions{TTL: 400 * time.Millisecond})
	wantSum(t, s, key, 1, 8)
	time.Sleep(800 * time.Millisecond)
	wantAbsent(t, s, key)
	wantSum(t, s, key, 1, 1)
	wantTimeLeft(t, s, key, 0, 0)
}

func incrementIgnoresTTL(t *testing.T, s twin) {
	key := named(t, "key")
	for range 2 {
		_, _, err := s.Increment(t.Context(), key, backends.Increment{By: 1}, backends.WriteOptions{TTL: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		wantTimeLeft(t, s, key, 0, 0)
	}
}

func incrementNoNumber(t *testing.T, s twin) {
	for i, text := range []string{
		"", "text", "1.0", "1e3", "+1", "01", "-0", "-", " 1", "1 ", "1\n", `"1"`, "{}", "null", "true", "0x10", "1_000", "١",
		"9223372036854775808", "-9223372036854775809", "1\x00",
	} {
		key := named(t, fmt.Sprint(i))
		putValue(t, s, key, text, backends.WriteOptions{TTL: time.Hour})
		wantRefusedStep(t, s, key, backends.Increment{By: 1})
		wantTimeLeft(t, s, key, 59*time.Minute, time.Hour)
	}
}

func incrementContinues(t *testing.T, s twin) {
	for text, sum := range map[string]int64{"0": 1, "-1": 0, "41": 42, "9223372036854775806": math.MaxInt64, "-9223372036854775808": math.MinInt64 + 1} {
		putValue(t, s, named(t, text), text, backends.WriteOptions{})
		wantSum(t, s, named(t, text), 1, sum)
	}
	key := named(t, "then put")
	add(t, s, key, 3)
	putValue(t, s, key, "text", backends.WriteOptions{})
	wantValue(t, s, key, "text")
}

func incrementReadable(t *testing.T, s twin) {
	add(t, s, named(t, "new"), 12)
	if item := wantValue(t, s, named(t, "new"), "12"); item.ContentType != "application/json" {
		t.Fatalf("a new counter has content type %q", item.ContentType)
	}
	putValue(t, s, named(t, "text"), "12", backends.WriteOptions{})
	add(t, s, named(t, "text"), 1)
	if item := wantValue(t, s, named(t, "text"), "13"); item.ContentType != "text/plain" {
		t.Fatalf("the content type became %q", item.ContentType)
	}
}

func incrementTags(t *testing.T, s twin) {
	key, seen := named(t, "key"), map[string]bool{}
	for _, by := range []int64{1, 0, -1, 0, 1} {
		_, etag, err := s.Increment(t.Context(), key, backends.Increment{By: by}, backends.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if item := must(s.Get(t.Context(), key, backends.ReadOptions{}))(t); seen[etag] || etag == "" || item.ETag != etag {
			t.Fatalf("tag %q, stored %q", etag, item.ETag)
		}
		seen[etag] = true
	}
}

func incrementConditions(t *testing.T, s twin) {
	key := named(t, "key")
	step := func(options backends.WriteOptions) (etag string, err error) {
		_, etag, err = s.Increment(t.Context(), key, backends.Increment{By: 1}, options)
		return etag, err
	}
	for _, options := range []backends.WriteOptions{onlyUpdate(), ifMatch("stale")} {
		_, err := step(options)
		wantCode(t, err, problem.PreconditionFailed)
		wantAbsent(t, s, key)
	}
	stale := must(step(onlyCreate()))(t)
	etag := must(step(ifMatch(stale)))(t)
	for _, options := range []backends.WriteOptions{onlyCreate(), ifMatch(stale), ifNoneMatch(etag)} {
		_, err := step(options)
		wantCode(t, err, problem.PreconditionFailed)
	}
	wantValue(t, s, key, "2")
}

func incrementParallel(t *testing.T, s twin) {
	key := named(t, "key")
	atOnce(t, 200, "", func(i int) error {
		subject := []fullStore{s, s.other}[i%2]
		_, _, err := subject.Increment(t.Context(), key, backends.Increment{By: 3}, backends.WriteOptions{})
		return err
	})
	wantValue(t, s, key, "600")
}

func incrementCancelled(t *testing.T, s twin) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.Increment(ctx, named(t, "key"), backends.Increment{By: 1}, backends.WriteOptions{})
	wantCode(t, err, problem.ClientClosed)
	if problem.From(err).Unknown {
		t.Fatal("a call that went nowhere is said to be of unknown outcome")
	}
	wantAbsent(t, s, named(t, "key"))
}
