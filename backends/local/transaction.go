package local

import (
	"context"
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Transact implements backends.Transactor. Any keys can change together.
func (s *State) Transact(ctx context.Context, operations []backends.Operation) ([]backends.Result, error) {
	prepared, err := prepareAll(operations)
	if err != nil {
		return failures(err)
	}
	results, err := commit(ctx, s.db, sizeOf(prepared), func(tx *bolt.Tx) ([]backends.Result, error) {
		d := newDraft(s.db, tx)
		results, err := applyAll(d, prepared)
		if err != nil {
			return nil, err
		}
		return results, d.write()
	})
	if err != nil && problem.From(err).Unknown {
		return attempted(prepared), err
	}
	if err != nil {
		return failures(err)
	}
	return results, nil
}

// refused is how a transaction fails as a whole: the first operation's error,
// with those of all that failed.
type refused struct {
	error
	results []backends.Result
}

func (r *refused) Unwrap() error { return r.error }

// failures takes a transaction's error apart again.
func failures(err error) ([]backends.Result, error) {
	if each, ok := errors.AsType[*refused](err); ok {
		return each.results, each.error
	}
	return nil, err
}

// refuse is nil when no operation failed.
func refuse(errs []error) error {
	var first error
	results := make([]backends.Result, len(errs))
	for i, err := range errs {
		results[i].Err = err
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return nil
	}
	return &refused{first, results}
}

func prepareAll(operations []backends.Operation) ([]operation, error) {
	prepared, errs := make([]operation, len(operations)), make([]error, len(operations))
	for i, o := range operations {
		prepared[i], errs[i] = prepare(o)
	}
	return prepared, refuse(errs)
}

// applyAll goes on after a failure, as if the operation were not there, to tell
// what else would fail.
func applyAll(d *draft, operations []operation) ([]backends.Result, error) {
	results, errs := make([]backends.Result, len(operations)), make([]error, len(operations))
	for i, o := range operations {
		results[i], errs[i] = o.apply(d)
	}
	return results, refuse(errs)
}

// attempted tells the tags that tell how an unknown outcome came out.
func attempted(operations []operation) []backends.Result {
	results := make([]backends.Result, len(operations))
	for i, o := range operations {
		results[i] = o.tagged()
	}
	return results
}

func sizeOf(operations []operation) (size int) {
	for _, o := range operations {
		size += len(o.encoded)
	}
	return size
}
