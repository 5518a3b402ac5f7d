package conformance

import (
	"context"
	"sync"
	"testing"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// TestStateHistoryMutants: histories of each of these broken stores have no
// explanation.
func TestStateHistoryMutants(t *testing.T) { expectCaught(t, historyMutants()) }

func historyMutants() []mutant[twin] {
	noticed := "TestStateHistory/local"
	return []mutant[twin]{
		broken("history-swaps-in-two-steps", noticed, func(s fullStore) fullStore { return racySwap{s} }),
		broken("history-counts-in-two-steps", noticed, func(s fullStore) fullStore { return twoSteps{s} }),
		broken("history-retries-blindly", noticed, func(s fullStore) fullStore { return retries{s} }),
		broken("history-hides-unknown-outcomes", noticed, func(s fullStore) fullStore { return certain{s} }),
		broken("history-reads-the-past", noticed, func(s fullStore) fullStore { return readsPast{s, &sync.Map{}} }),
	}
}

// racySwap checks the condition and writes in two steps.
type racySwap struct{ fullStore }

func (r racySwap) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	item, err := r.Get(ctx, key, backends.ReadOptions{})
	if !options.Holds(err == nil, item.ETag) {
		return r.fullStore.Put(ctx, key, value, options)
	}
	options.Condition = backends.Condition{}
	return r.fullStore.Put(ctx, key, value, options)
}

// retries counts again when the answer was lost.
type retries struct{ fullStore }

func (r retries) Increment(ctx context.Context, key string, step backends.Increment, options backends.WriteOptions) (int64, string, error) {
	value, etag, err := r.fullStore.Increment(ctx, key, step, options)
	if failure := problem.From(err); failure != nil && failure.Unknown {
		return r.fullStore.Increment(context.WithoutCancel(ctx), key, step, options)
	}
	return value, etag, err
}

// certain says that nothing happened when it does not know.
type certain struct{ fullStore }

func (c certain) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	etag, err := c.fullStore.Put(ctx, key, value, options)
	if failure := problem.From(err); failure != nil && failure.Unknown {
		return "", problem.New(failure.Code, "nothing happened")
	}
	return etag, err
}

// readsPast answers with what it read the time before.
type readsPast struct {
	fullStore
	held *sync.Map
}

func (r readsPast) Get(ctx context.Context, key string, options backends.ReadOptions) (backends.Item, error) {
	item, err := r.fullStore.Get(ctx, key, options)
	if err != nil {
		return item, err
	}
	if before, ok := r.held.Swap(key, item); ok {
		item, _ = before.(backends.Item)
	}
	return item, nil
}
