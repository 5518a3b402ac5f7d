package local

import (
	"bytes"
	"context"
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// State keeps values. There is one copy only, on this machine's disk, so both
// consistencies are the strong one. Keys are listed in the order of their
// bytes.
type State struct{ db *DB }

var (
	_ backends.StateStore  = (*State)(nil)
	_ backends.Lister      = (*State)(nil)
	_ backends.Incrementer = (*State)(nil)
	_ backends.Transactor  = (*State)(nil)
	_ backends.Watcher     = (*State)(nil)
)

// Get implements backends.StateStore.
func (s *State) Get(ctx context.Context, key string, options backends.ReadOptions) (backends.Item, error) {
	var item backends.Item
	err := s.db.view(ctx, func(tx *bolt.Tx) error {
		present := now()
		r, exists, err := current(tx, key, present)
		if err != nil {
			return err
		}
		if !exists {
			return errNoKey()
		}
		item = r.item(present, options.WithTTL)
		return nil
	})
	return item, err
}

// Put implements backends.StateStore. The expiry counts from the call, not
// from the commit.
func (s *State) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	result, err := s.run(ctx, backends.Operation{Kind: backends.OperationPut, Key: key, Value: value, Options: options})
	return result.ETag, err
}

// Delete implements backends.StateStore.
func (s *State) Delete(ctx context.Context, key string, options backends.WriteOptions) error {
	_, err := s.run(ctx, backends.Operation{Kind: backends.OperationDelete, Key: key, Options: options})
	return err
}

// Increment implements backends.Incrementer.
func (s *State) Increment(ctx context.Context, key string, step backends.Increment, options backends.WriteOptions) (int64, string, error) {
	result, err := s.run(ctx, backends.Operation{Kind: backends.OperationIncrement, Key: key, Increment: step, Options: options})
	if err != nil {
		return 0, "", err
	}
	value, err := wholeNumber(result.Data)
	return value, result.ETag, err
}

// run makes a change of one operation.
func (s *State) run(ctx context.Context, o backends.Operation) (backends.Result, error) {
	prepared, err := prepare(o) // here and not in the committer: the caller may reuse its bytes
	if err != nil {
		return backends.Result{}, err
	}
	result, err := commit(ctx, s.db, len(prepared.encoded), func(tx *bolt.Tx) (backends.Result, error) {
		d := newDraft(s.db, tx)
		result, err := prepared.apply(d)
		if err != nil {
			return backends.Result{}, err
		}
		return result, d.write()
	})
	return result, withTag(err, prepared.tagged().ETag)
}

// current reads a key as it stands: an expired value is an absent one, swept or
// not. The record's data is the transaction's.
func current(tx *bolt.Tx, key string, present micros) (r record, exists bool, err error) {
	stored := bucket(tx, stateBucket).Get([]byte(key))
	if stored == nil {
		return record{}, false, nil
	}
	if r, err = decode(key, stored); err != nil {
		return record{}, false, err
	}
	return r, !r.expired(present), nil
}

// replace writes an encoded record and keeps the expiry index true.
func replace(tx *bolt.Tx, key string, expires micros, encoded []byte) error {
	if err := unschedule(tx, key); err != nil {
		return err
	}
	if expires != never {
		if err := bucket(tx, expiryBucket).Put(expiryKey(expires, key), nil); err != nil {
			return err
		}
	}
	return bucket(tx, stateBucket).Put([]byte(key), encoded)
}

// remove deletes a record and its place in the expiry index.
func remove(tx *bolt.Tx, key string) error {
	if err := unschedule(tx, key); err != nil {
		return err
	}
	return bucket(tx, stateBucket).Delete([]byte(key))
}

// storable refuses keys that bbolt cannot hold. Callers' keys are far shorter.
func storable(key string) error {
	if key == "" {
		return problem.New(problem.EmptyKey, "the key is empty")
	}
	if len(key) > bolt.MaxKeySize-len(expiryKey(0, "")) {
		return problem.New(problem.InvalidKey, "the key is too long")
	}
	return nil
}

// withTag adds to an unknown outcome the tag that tells how it came out.
func withTag(err error, etag string) error {
	var failure *problem.Error
	if errors.As(err, &failure) && failure.Unknown {
		failure.ETag = etag
	}
	return err
}

func hasPrefix(key []byte, prefix string) bool { return bytes.HasPrefix(key, []byte(prefix)) }
