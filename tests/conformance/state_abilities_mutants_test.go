package conformance

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// TestStateAbilityMutants: each of these broken stores is noticed by its check.
func TestStateAbilityMutants(t *testing.T) {
	expectCaught(t, keepTTLMutants())
	expectCaught(t, incrementMutants())
	expectCaught(t, fenceMutants())
	expectCaught(t, transactionMutants())
}

// broken makes a mutant of both ways to the store.
func broken(name, caughtBy string, wrap func(fullStore) fullStore) mutant[twin] {
	return mutant[twin]{name, caughtBy, func(s twin) twin { return twin{wrap(s.fullStore), wrap(s.other)} }}
}

func keepTTLMutants() []mutant[twin] {
	return []mutant[twin]{
		broken("state-drops-kept-ttl", "TestStateKeepTTL/local/KeepTTL keeps the time left", func(s fullStore) fullStore { return dropsKeptTTL{s} }),
		broken("state-keeps-and-sets-ttl", "TestStateKeepTTL/local/KeepTTL wins over TTL", func(s fullStore) fullStore { return keepsAndSets{s} }),
	}
}

type dropsKeptTTL struct{ fullStore }

func (d dropsKeptTTL) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	options.KeepTTL = false
	return d.fullStore.Put(ctx, key, value, options)
}

type keepsAndSets struct{ fullStore }

func (k keepsAndSets) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	options.KeepTTL = options.KeepTTL && options.TTL == 0
	return k.fullStore.Put(ctx, key, value, options)
}

func incrementMutants() []mutant[twin] {
	return []mutant[twin]{
		broken("state-increments-floats", "TestStateIncrement/local/increment has full 64-bit precision", func(s fullStore) fullStore { return floatCounter{s} }),
		broken("state-increment-forgets-ttl", "TestStateIncrement/local/increment keeps the expiry", func(s fullStore) fullStore { return rewritten{s} }),
		broken("state-increment-in-two-steps", "TestStateIncrement/local/200 parallel increments sum up", func(s fullStore) fullStore { return twoSteps{s} }),
		broken("state-increment-unbounded", "TestStateIncrement/local/increment has bounds", func(s fullStore) fullStore { return unbounded{s} }),
		broken("state-increment-overwrites-text", "TestStateIncrement/local/increment of what is no number is refused", func(s fullStore) fullStore { return overwrites{s} }),
	}
}

// floatCounter counts as Lua and JavaScript do.
type floatCounter struct{ fullStore }

func (f floatCounter) Increment(ctx context.Context, key string, step backends.Increment, options backends.WriteOptions) (int64, string, error) {
	item, _ := f.Get(ctx, key, backends.ReadOptions{})
	before, _ := strconv.ParseInt(string(item.Data), 10, 64)
	sum := int64(float64(before) + float64(step.By))
	etag, err := f.Put(ctx, key, backends.Value{Data: strconv.AppendInt(nil, sum, 10)}, options)
	return sum, etag, err
}

type rewritten struct{ fullStore }

func (r rewritten) Increment(ctx context.Context, key string, step backends.Increment, options backends.WriteOptions) (int64, string, error) {
	sum, _, err := r.fullStore.Increment(ctx, key, step, options)
	if err != nil {
		return 0, "", err
	}
	etag, err := r.Put(ctx, key, backends.Value{Data: strconv.AppendInt(nil, sum, 10)}, backends.WriteOptions{})
	return sum, etag, err
}

type twoSteps struct{ fullStore }

func (c twoSteps) Increment(ctx context.Context, key string, step backends.Increment, _ backends.WriteOptions) (int64, string, error) {
	item, _ := c.Get(ctx, key, backends.ReadOptions{})
	before, _ := strconv.ParseInt(string(item.Data), 10, 64)
	etag, err := c.Put(ctx, key, backends.Value{Data: strconv.AppendInt(nil, before+step.By, 10)}, backends.WriteOptions{KeepTTL: true})
	return before + step.By, etag, err
}

type unbounded struct{ fullStore }

func (u unbounded) Increment(ctx context.Context, key string, step backends.Increment, options backends.WriteOptions) (int64, string, error) {
	return u.fullStore.Increment(ctx, key, backends.Increment{By: step.By}, options)
}

type overwrites struct{ fullStore }

func (o overwrites) Increment(ctx context.Context, key string, step backends.Increment, options backends.WriteOptions) (int64, string, error) {
	sum, etag, err := o.fullStore.Increment(ctx, key, step, options)
	if problem.CodeOf(err) != problem.Unprocessable {
		return sum, etag, err
	}
	etag, err = o.Put(ctx, key, backends.Value{Data: strconv.AppendInt(nil, step.By, 10)}, options)
	return step.By, etag, err
}

func fenceMutants() []mutant[twin] {
	return []mutant[twin]{
		broken("state-ignores-fences", "TestStateFence/local/older fence writes nothing", func(s fullStore) fullStore { return fenceless{s} }),
		broken("state-fence-refuses-equal", "TestStateFence/local/equal and newer fences pass", func(s fullStore) fullStore { return strictFence{s, &sync.Map{}} }),
		broken("state-fence-skips-deletes", "TestStateFence/local/older fence deletes nothing", func(s fullStore) fullStore { return deletesUnfenced{s} }),
		broken("state-fence-by-key", "TestStateFence/local/fence guards a resource, whatever the key", func(s fullStore) fullStore { return fenceByKey{s} }),
		broken("state-fence-of-refused-write", "TestStateFence/local/refused write leaves no fence behind", func(s fullStore) fullStore { return eagerFence{s} }),
		broken("state-fence-as-float", "TestStateFence/local/fence has full 64-bit precision", func(s fullStore) fullStore { return floatFence{s} }),
		broken("state-fence-skips-increments", "TestStateFence/local/older fence increments nothing", func(s fullStore) fullStore { return incrementsUnfenced{s} }),
	}
}

type fenceless struct{ fullStore }

func (f fenceless) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	options.Fence = nil
	return f.fullStore.Put(ctx, key, value, options)
}

type strictFence struct {
	fullStore
	seen *sync.Map
}

func (f strictFence) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	if _, again := f.seen.LoadOrStore(*options.Fence, true); again {
		return "", problem.New(problem.StaleFence, "seen")
	}
	return f.fullStore.Put(ctx, key, value, options)
}

type deletesUnfenced struct{ fullStore }

func (d deletesUnfenced) Delete(ctx context.Context, key string, options backends.WriteOptions) error {
	options.Fence = nil
	return d.fullStore.Delete(ctx, key, options)
}

type fenceByKey struct{ fullStore }

func (f fenceByKey) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	options.Fence = &backends.Fence{Resource: options.Fence.Resource + key, Token: options.Fence.Token}
	return f.fullStore.Put(ctx, key, value, options)
}

// eagerFence remembers the token first and looks at the condition then.
type eagerFence struct{ fullStore }

func (e eagerFence) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	if _, err := e.fullStore.Put(ctx, key+"/fence", value, backends.WriteOptions{Fence: options.Fence}); err != nil {
		return "", err
	}
	return e.fullStore.Put(ctx, key, value, options)
}

type floatFence struct{ fullStore }

func (f floatFence) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	options.Fence = &backends.Fence{Resource: options.Fence.Resource, Token: uint64(float64(options.Fence.Token/2)) * 2}
	return f.fullStore.Put(ctx, key, value, options)
}

type incrementsUnfenced struct{ fullStore }

func (i incrementsUnfenced) Increment(ctx context.Context, key string, step backends.Increment, options backends.WriteOptions) (int64, string, error) {
	options.Fence = nil
	return i.fullStore.Increment(ctx, key, step, options)
}

func transactionMutants() []mutant[twin] {
	return []mutant[twin]{
		broken("state-transacts-one-by-one", "TestStateTransaction/local/two upserts and a delete with one stale etag apply nothing", func(s fullStore) fullStore { return oneByOne{s} }),
		broken("state-transacts-unisolated", "TestStateTransaction/local/parallel transfers keep the sum", func(s fullStore) fullStore { return oneByOne{s} }),
		broken("state-tells-first-failure-only", "TestStateTransaction/local/each failed operation tells its own failure", func(s fullStore) fullStore { return firstFailure{s} }),
		broken("state-transaction-reads-before", "TestStateTransaction/local/get inside a transaction reads its writes", func(s fullStore) fullStore { return readsBefore{s} }),
	}
}

type oneByOne struct{ fullStore }

func (o oneByOne) Transact(ctx context.Context, operations []backends.Operation) ([]backends.Result, error) {
	results := make([]backends.Result, len(operations))
	var first error
	for i, operation := range operations {
		one, err := o.fullStore.Transact(ctx, []backends.Operation{operation})
		if len(one) == 1 {
			results[i] = one[0]
		}
		if first == nil {
			first = err
		}
	}
	return results, first
}

type firstFailure struct{ fullStore }

func (f firstFailure) Transact(ctx context.Context, operations []backends.Operation) ([]backends.Result, error) {
	results, err := f.fullStore.Transact(ctx, operations)
	for i, result := range results {
		if err != nil && result.Err != nil {
			clear(results[i+1:])
			break
		}
	}
	return results, err
}

type readsBefore struct{ fullStore }

func (r readsBefore) Transact(ctx context.Context, operations []backends.Operation) ([]backends.Result, error) {
	before := make([]backends.Item, len(operations))
	failures := make([]error, len(operations))
	for i, operation := range operations {
		before[i], failures[i] = r.Get(ctx, operation.Key, backends.ReadOptions{})
	}
	results, err := r.fullStore.Transact(ctx, operations)
	for i, operation := range operations {
		if operation.Kind == backends.OperationGet {
			results[i] = backends.Result{Item: before[i], Err: failures[i]}
		}
	}
	return results, err
}
