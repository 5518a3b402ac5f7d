package conformance

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

func TestSequence(t *testing.T) {
	conform(t, sequenceDrivers(), sequenceChecks(), sequenceMutants())
}

func sequenceDrivers() []driver[backends.Sequencer] {
	return []driver[backends.Sequencer]{
		{"local", func(t *testing.T) (backends.Sequencer, string) {
			db, version := openLocal(t)
			return db.Sequencer(), version
		}},
		{"redis", func(t *testing.T) (backends.Sequencer, string) {
			conn, version := openRedis(t)
			return conn.Sequencer(), version
		}},
	}
}

func sequenceChecks() []check[backends.Sequencer] {
	return []check[backends.Sequencer]{
		{"first number is 1", sequenceBegins},
		{"each later call is larger", sequenceGrows},
		{"1000 parallel numbers are unique", sequenceParallel},
		{"ranges do not overlap", sequenceRanges},
		{"keys count for themselves", sequenceKeys},
		{"floor lifts the next number above it", sequenceFloor},
		{"numbers above 2^53 are exact", sequenceExact},
		{"overflow is refused and takes nothing", sequenceOverflow},
		{"last number of all can be taken", sequenceLast},
		{"cancelled context takes nothing", sequenceCancelled},
	}
}

func next(t *testing.T, s backends.Sequencer, key string, count, floor int64) int64 {
	t.Helper()
	return must(s.Next(t.Context(), key, count, floor))(t)
}

func wantNext(t *testing.T, s backends.Sequencer, key string, count, floor, want int64) {
	t.Helper()
	if first := next(t, s, key, count, floor); first != want {
		t.Fatalf("%d numbers above %d begin at %d, want %d", count, floor, first, want)
	}
}

func sequenceBegins(t *testing.T, s backends.Sequencer) {
	for floor, key := range map[int64]string{0: "zero", -5: "negative", math.MinInt64: "least"} {
		wantNext(t, s, named(t, key), 1, floor, 1)
	}
}

func sequenceGrows(t *testing.T, s backends.Sequencer) {
	last := int64(0)
	for range 100 {
		first := next(t, s, named(t, "ids"), 1, 0)
		if first <= last {
			t.Fatalf("%d after %d", first, last)
		}
		last = first
	}
}

// sequenceParallel: 20 callers take 50 numbers each; every one of them sees
// its own numbers rise, and no number comes twice.
func sequenceParallel(t *testing.T, s backends.Sequencer) {
	var mutex sync.Mutex
	var all []int64
	atOnce(t, 20, "", func(int) error {
		last := int64(0)
		for range 50 {
			first, err := s.Next(t.Context(), named(t, "ids"), 1, 0)
			if err != nil {
				return err
			}
			if first <= last {
				return fmt.Errorf("%d after %d", first, last)
			}
			last = first
			mutex.Lock()
			all = append(all, first)
			mutex.Unlock()
		}
		return nil
	})
	slices.Sort(all)
	if unique := len(slices.Compact(all)); unique != 1000 {
		t.Fatalf("%d unique numbers of 1000", unique)
	}
}

func sequenceRanges(t *testing.T, s backends.Sequencer) {
	var mutex sync.Mutex
	taken := map[int64]bool{}
	atOnce(t, 20, "", func(i int) error {
		count := int64(i + 1)
		first, err := s.Next(t.Context(), named(t, "ids"), count, 0)
		if err != nil {
			return err
		}
		mutex.Lock()
		defer mutex.Unlock()
		for n := first; n < first+count; n++ {
			if taken[n] {
				return fmt.Errorf("%d was taken twice", n)
			}
			taken[n] = true
		}
		return nil
	})
	if len(taken) != 210 {
		t.Fatalf("%d numbers were taken, want 210", len(taken))
	}
}

func sequenceKeys(t *testing.T, s backends.Sequencer) {
	for i, key := range awkwardKeys() {
		wantNext(t, s, named(t, key), int64(i+1), 0, 1)
	}
	for i, key := range awkwardKeys() {
		wantNext(t, s, named(t, key), 1, 0, int64(i+2))
	}
}

func sequenceFloor(t *testing.T, s backends.Sequencer) {
	key := named(t, "ids")
	wantNext(t, s, key, 1, 5000, 5001)
	wantNext(t, s, key, 1, 5000, 5002)
	wantNext(t, s, key, 3, 10, 5003)
	wantNext(t, s, key, 1, 5005, 5006)
	wantNext(t, s, key, 1, 5006, 5007)
}

func sequenceExact(t *testing.T, s backends.Sequencer) {
	const above = int64(1)<<53 + 1
	key := named(t, "ids")
	for i := range int64(5) {
		wantNext(t, s, key, 1, above-1, above+i)
	}
	wantNext(t, s, key, 1, 9007199254740993123, 9007199254740993124)
	wantNext(t, s, key, 1, 0, 9007199254740993125)
}

func sequenceOverflow(t *testing.T, s backends.Sequencer) {
	key := named(t, "ids")
	for _, floor := range []int64{math.MaxInt64, math.MaxInt64 - 2} { // before the key exists
		_, err := s.Next(t.Context(), key, 3, floor)
		wantCode(t, err, problem.Unprocessable)
	}
	wantNext(t, s, key, 1, 0, 1)
	for _, count := range []int64{math.MaxInt64, math.MaxInt64 - 1} {
		_, err := s.Next(t.Context(), key, count, 5)
		wantCode(t, err, problem.Unprocessable)
	}
	wantNext(t, s, key, 1, 0, 2)
}

func sequenceLast(t *testing.T, s backends.Sequencer) {
	key := named(t, "ids")
	wantNext(t, s, key, 1, math.MaxInt64-1, math.MaxInt64)
	for _, floor := range []int64{0, math.MaxInt64} {
		_, err := s.Next(t.Context(), key, 1, floor)
		wantCode(t, err, problem.Unprocessable)
	}
}

func sequenceCancelled(t *testing.T, s backends.Sequencer) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Next(ctx, named(t, "ids"), 1, 0)
	wantCode(t, err, problem.ClientClosed)
	if problem.From(err).Unknown {
		t.Fatal("a call that went nowhere is said to be of unknown outcome")
	}
	wantNext(t, s, named(t, "ids"), 1, 0, 1)
}
