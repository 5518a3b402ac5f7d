package conformance

import (
	"context"
	"testing"

	"github.com/ottogate/ottogate/backends"
)

// TestSequenceMutants: each of these broken sequencers is noticed by its check.
func TestSequenceMutants(t *testing.T) { expectCaught(t, sequenceMutants()) }

func sequenceMutants() []mutant[backends.Sequencer] {
	type sequencer = backends.Sequencer
	return []mutant[sequencer]{
		{"sequence-repeats", "TestSequence/local/1000 parallel numbers are unique", func(s sequencer) sequencer { return repeats{s} }},
		{"sequence-ignores-count", "TestSequence/local/ranges do not overlap", func(s sequencer) sequencer { return single{s} }},
		{"sequence-ignores-floor", "TestSequence/local/floor lifts the next number above it", func(s sequencer) sequencer { return floorless{s} }},
		{"sequence-floats", "TestSequence/local/numbers above 2^53 are exact", func(s sequencer) sequencer { return rounded{s} }},
	}
}

// repeats gives every seventh number in place of the next.
type repeats struct{ backends.Sequencer }

func (r repeats) Next(ctx context.Context, key string, count, floor int64) (int64, error) {
	first, err := r.Sequencer.Next(ctx, key, count, floor)
	if first%7 == 1 && first > 1 {
		first--
	}
	return first, err
}

type single struct{ backends.Sequencer }

func (s single) Next(ctx context.Context, key string, _, floor int64) (int64, error) {
	return s.Sequencer.Next(ctx, key, 1, floor)
}

type floorless struct{ backends.Sequencer }

func (f floorless) Next(ctx context.Context, key string, count, _ int64) (int64, error) {
	return f.Sequencer.Next(ctx, key, count, 0)
}

// rounded counts in float64, as Lua does.
type rounded struct{ backends.Sequencer }

func (r rounded) Next(ctx context.Context, key string, count, floor int64) (int64, error) {
	first, err := r.Sequencer.Next(ctx, key, count, floor)
	return int64(float64(first)), err
}
