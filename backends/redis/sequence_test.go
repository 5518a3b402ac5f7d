package redis

import (
	"math"
	"testing"

	"github.com/ottogate/ottogate/problem"
)

func TestSequenceCounts(t *testing.T) {
	s, key := open(t, shared.Addr).Sequencer(), fresh(t)
	for _, step := range []struct{ count, floor, first int64 }{
		{1, 0, 1},
		{1, 0, 2},
		{10, 0, 3},
		{1, 0, 13},
		{1, 5000, 5001},
		{1, 10, 5002},
		{1, -7, 5003},
		{1, math.MaxInt32, math.MaxInt32 + 1},
		{3, 9007199254740992, 9007199254740993},
		{1, 0, 9007199254740996},
	} {
		if first := must(s.Next(t.Context(), key, step.count, step.floor))(t); first != step.first {
			t.Fatalf("%+v: first is %d", step, first)
		}
	}
}

func TestSequenceEndsAtTheLargestInt64AndTakesNothing(t *testing.T) {
	conn := open(t, shared.Addr)
	s, key := conn.Sequencer(), fresh(t)
	next := func(count, floor int64) error { _, err := s.Next(t.Context(), key, count, floor); return err }
	wantCode(t, next(1, math.MaxInt64), problem.Unprocessable)
	if n := conn.Client().Exists(t.Context(), sequenceKey(key)).Val(); n != 0 {
		t.Fatal("a refused number made the key")
	}
	if first := must(s.Next(t.Context(), key, 1, math.MaxInt64-2))(t); first != math.MaxInt64-1 {
		t.Fatalf("first is %d", first)
	}
	wantCode(t, next(2, 0), problem.Unprocessable)
	wantCode(t, next(math.MaxInt64, 0), problem.Unprocessable)
	if first := must(s.Next(t.Context(), key, 1, 0))(t); first != math.MaxInt64 {
		t.Fatalf("first is %d", first)
	}
	wantCode(t, next(1, 0), problem.Unprocessable)
}

func TestSequenceOverForeignContent(t *testing.T) {
	conn := open(t, shared.Addr)
	for _, foreign := range []string{"abc", "", "-5", "007", "99999999999999999999", "1.5"} {
		key := fresh(t)
		if err := conn.Client().Set(t.Context(), sequenceKey(key), foreign, 0).Err(); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Sequencer().Next(t.Context(), key, 1, math.MaxInt32)
		wantCode(t, err, problem.ForeignValue)
		if left := conn.Client().Get(t.Context(), sequenceKey(key)).Val(); left != foreign {
			t.Fatalf("%q became %q", foreign, left)
		}
	}
}

func TestSequenceRefusesSenselessCounts(t *testing.T) {
	s := open(t, shared.Addr).Sequencer()
	for _, count := range []int64{0, -1} {
		_, err := s.Next(t.Context(), fresh(t), count, 0)
		wantCode(t, err, problem.InvalidParameter)
	}
}

func TestNumbersAreUniqueOverConnections(t *testing.T) {
	a, b, key := open(t, shared.Addr).Sequencer(), open(t, shared.Addr).Sequencer(), fresh(t)
	const callers, each = 16, 50
	numbers := make(chan int64, 2*callers*each)
	fan(callers, func(int) {
		for range each {
			numbers <- must(a.Next(t.Context(), key, 1, 0))(t)
			numbers <- must(b.Next(t.Context(), key, 1, 0))(t)
		}
	})
	close(numbers)
	seen := map[int64]bool{}
	for n := range numbers {
		if seen[n] || n < 1 || n > 2*callers*each {
			t.Fatalf("number %d again or out of range", n)
		}
		seen[n] = true
	}
}
