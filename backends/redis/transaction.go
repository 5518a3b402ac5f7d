package redis

import (
	"context"
	"slices"
	"strconv"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Transact runs all operations in one script in one round trip.
func (s *State) Transact(ctx context.Context, operations []backends.Operation) ([]backends.Result, error) {
	if len(operations) == 0 {
		return nil, nil
	}
	steps, failures := s.steps(operations)
	if err := firstOf(failures); err != nil {
		return failures, err
	}
	if err := s.oneSlot(operations); err != nil {
		return nil, err
	}
	t, to := newTransaction(s, steps), s.sender(strictest(operations))
	answer, err := transactScript.run(ctx, to, writing, t.keys, t.args...)
	if err != nil {
		return attempted(steps, err), err
	}
	results, err := s.results(steps, answer)
	if err == nil {
		err = to.settled()
	}
	return results, err
}

// strictest is strong if any write asks for that.
func strictest(operations []backends.Operation) backends.Consistency {
	for _, operation := range operations {
		if operation.Options.Consistency == backends.StrongConsistency {
			return backends.StrongConsistency
		}
	}
	return backends.DefaultConsistency
}

// Increment counts by the same script.
func (s *State) Increment(ctx context.Context, key string, by backends.Increment, options backends.WriteOptions) (int64, string, error) {
	result, err := s.one(ctx, backends.Operation{Kind: backends.OperationIncrement, Key: key, Increment: by, Options: options})
	if err != nil {
		return 0, "", err
	}
	value, err := strconv.ParseInt(string(result.Data), 10, 64)
	if err != nil {
		return 0, "", badAnswer(string(result.Data))
	}
	return value, result.ETag, nil
}

// one is a transaction of one operation.
func (s *State) one(ctx context.Context, operation backends.Operation) (backends.Result, error) {
	results, err := s.Transact(ctx, []backends.Operation{operation})
	if err != nil {
		if len(results) == 1 {
			err = withETag(err, results[0].ETag)
		}
		return backends.Result{}, err
	}
	return results[0], nil
}

// step is an operation with the bytes and the tag that it writes. The tag of a
// counter is empty where it is known from the digits only.
type step struct {
	backends.Operation
	stored []byte
	etag   string
}

func (s *State) steps(operations []backends.Operation) ([]step, []backends.Result) {
	steps, failures := make([]step, len(operations)), make([]backends.Result, len(operations))
	for i, operation := range operations {
		steps[i], failures[i].Err = s.step(operation)
	}
	return steps, failures
}

func (s *State) step(operation backends.Operation) (step, error) {
	switch operation.Kind {
	case backends.OperationGet, backends.OperationDelete:
		return step{Operation: operation}, nil
	case backends.OperationPut:
		stored, etag, err := s.codec.encode(operation.Value)
		return step{operation, stored, etag}, err
	case backends.OperationIncrement:
		stored, etag := s.encoding.mint()
		return step{operation, stored, etag}, nil
	default:
		return step{}, problem.New(problem.InvalidParameter, "there is no such operation")
	}
}

// oneSlot refuses keys that a Cluster keeps apart.
func (s *State) oneSlot(operations []backends.Operation) error {
	if !s.conn.isCluster() {
		return nil
	}
	elsewhere := func(o backends.Operation) bool { return slot(o.Key) != slot(operations[0].Key) }
	if slices.ContainsFunc(operations, elsewhere) {
		return problem.New(problem.CrossSlot, "%s", details[problem.CrossSlot])
	}
	return nil
}

// transaction is transactScript's input.
type transaction struct {
	keys []string
	args []any
}

func newTransaction(s *State, steps []step) transaction {
	t := transaction{args: make([]any, 0, 2+stepFields*len(steps))}
	t.args = append(t.args, string(s.encoding), fenceKept.Milliseconds())
	places := map[string]int{}
	for _, o := range steps {
		fence, token := 0, ""
		if o.Options.Fence != nil {
			fence, token = t.place(places, s.fenceKey(o.Options.Fence, o.Key)), strconv.FormatUint(o.Options.Fence.Token, 10)
		}
		match, none := s.packed(o.Options.Condition)
		t.args = append(t.args, string(o.Kind), t.place(places, o.Key), fence, token, match, none, o.stored, lifeOf(o.Options),
			o.Increment.By, bound(o.Increment.Min), bound(o.Increment.Max))
	}
	return t
}

// place is the index of a key, which it adds unless it is there.
func (t *transaction) place(places map[string]int, key string) int {
	if places[key] == 0 {
		t.keys = append(t.keys, key)
		places[key] = len(t.keys)
	}
	return places[key]
}

func bound(limit *int64) string {
	if limit == nil {
		return ""
	}
	return strconv.FormatInt(*limit, 10)
}

// attempted tells, of an unknown outcome, the tags that settle it.
func attempted(steps []step, err error) []backends.Result {
	if !problem.From(err).Unknown {
		return nil
	}
	results := make([]backends.Result, len(steps))
	for i, o := range steps {
		results[i].ETag = o.etag
	}
	return results
}

func firstOf(results []backends.Result) error {
	for _, result := range results {
		if result.Err != nil {
			return result.Err
		}
	}
	return nil
}
