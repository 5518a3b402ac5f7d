package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
)

// TestStateWatchMutants: each of these broken watches is noticed by its check.
func TestStateWatchMutants(t *testing.T) { expectCaught(t, watchMutants()) }

func watchMutants() []mutant[twin] {
	watching := func(wrap func(backends.StateWatch) backends.StateWatch) func(fullStore) fullStore {
		return func(s fullStore) fullStore { return brokenWatch{s, wrap} }
	}
	return []mutant[twin]{
		broken("state-watch-is-slow", "TestStateWatch/local/change through a second connection is seen within 2 s", watching(func(w backends.StateWatch) backends.StateWatch { return slowWatch{w} })),
		broken("state-watch-misses-expiry", "TestStateWatch/local/watch sees expiry within 250 ms", watching(func(w backends.StateWatch) backends.StateWatch { return blindWatch{w, backends.ChangeExpire} })),
		broken("state-watch-misses-delete", "TestStateWatch/local/watch sees delete", watching(func(w backends.StateWatch) backends.StateWatch { return blindWatch{w, backends.ChangeDelete} })),
		broken("state-watch-repeats", "TestStateWatch/local/watch tells nothing twice", watching(func(w backends.StateWatch) backends.StateWatch { return &repeatingWatch{StateWatch: w} })),
		broken("state-watch-begins-with-a-change", "TestStateWatch/local/watch begins with the present value", watching(func(w backends.StateWatch) backends.StateWatch { return &lateWatch{StateWatch: w} })),
		broken("state-watch-close-is-forgotten", "TestStateWatch/local/close ends a waiting Next", watching(func(w backends.StateWatch) backends.StateWatch { return unclosedWatch{w} })),
		broken("state-watch-ends-with-its-context", "TestStateWatch/local/watch outlives the context that began it", func(s fullStore) fullStore { return boundWatch{s} }),
	}
}

type brokenWatch struct {
	fullStore
	wrap func(backends.StateWatch) backends.StateWatch
}

func (b brokenWatch) Watch(ctx context.Context, key string) (backends.StateWatch, error) {
	w, err := b.fullStore.Watch(ctx, key)
	if err != nil {
		return nil, err
	}
	return b.wrap(w), nil
}

// slowWatch looks every three seconds.
type slowWatch struct{ backends.StateWatch }

func (s slowWatch) Next(ctx context.Context) (backends.StateChange, error) {
	select {
	case <-ctx.Done():
		return backends.StateChange{}, ctx.Err()
	case <-time.After(3 * time.Second):
		return s.StateWatch.Next(ctx)
	}
}

type blindWatch struct {
	backends.StateWatch
	kind backends.ChangeKind
}

func (b blindWatch) Next(ctx context.Context) (backends.StateChange, error) {
	for {
		if change, err := b.StateWatch.Next(ctx); err != nil || change.Kind != b.kind {
			return change, err
		}
	}
}

type repeatingWatch struct {
	backends.StateWatch
	last  backends.StateChange
	again bool
}

func (r *repeatingWatch) Next(ctx context.Context) (backends.StateChange, error) {
	if r.again = !r.again; !r.again {
		return r.last, nil
	}
	var err error
	r.last, err = r.StateWatch.Next(ctx)
	return r.last, err
}

// lateWatch takes the present state for granted.
type lateWatch struct {
	backends.StateWatch
	begun bool
}

func (l *lateWatch) Next(ctx context.Context) (backends.StateChange, error) {
	if !l.begun {
		l.begun = true
		if change, err := l.StateWatch.Next(ctx); err != nil {
			return change, err
		}
	}
	return l.StateWatch.Next(ctx)
}

type unclosedWatch struct{ backends.StateWatch }

func (unclosedWatch) Close() error { return nil }

// boundWatch ends with the context of Watch.
type boundWatch struct{ fullStore }

func (b boundWatch) Watch(ctx context.Context, key string) (backends.StateWatch, error) {
	w, err := b.fullStore.Watch(ctx, key)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = w.Close() })
	return w, nil
}
