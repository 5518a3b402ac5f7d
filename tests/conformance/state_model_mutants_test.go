package conformance

import (
	"context"
	"slices"
	"testing"

	"github.com/ottogate/ottogate/backends"
)

// TestStateModelMutants: the map notices each of these broken stores.
func TestStateModelMutants(t *testing.T) { expectCaught(t, modelMutants()) }

func modelMutants() []mutant[fullStore] {
	noticed := "TestStateModel/local"
	return []mutant[fullStore]{
		{"model-deletes-nothing", noticed, func(s fullStore) fullStore { return deletesNothing{s} }},
		{"model-counts-without-bounds", noticed, func(s fullStore) fullStore { return unbounded{s} }},
		{"model-applies-what-passed", noticed, func(s fullStore) fullStore { return appliesPart{s} }},
		{"model-forgets-fences-in-transactions", noticed, func(s fullStore) fullStore { return transactsUnfenced{s} }},
	}
}

type deletesNothing struct{ fullStore }

func (d deletesNothing) Delete(context.Context, string, backends.WriteOptions) error { return nil }

// appliesPart makes the operations before the first failure.
type appliesPart struct{ fullStore }

func (a appliesPart) Transact(ctx context.Context, operations []backends.Operation) ([]backends.Result, error) {
	results, err := a.fullStore.Transact(ctx, operations)
	failed := slices.IndexFunc(results, func(r backends.Result) bool { return r.Err != nil })
	if err == nil || failed < 1 {
		return results, err
	}
	_, _ = a.fullStore.Transact(ctx, operations[:failed])
	return results, err
}

type transactsUnfenced struct{ fullStore }

func (u transactsUnfenced) Transact(ctx context.Context, operations []backends.Operation) ([]backends.Result, error) {
	free := slices.Clone(operations)
	for i := range free {
		free[i].Options.Fence = nil
	}
	return u.fullStore.Transact(ctx, free)
}
