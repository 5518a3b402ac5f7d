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
	_ backends.StateStore = (*State)(nil)
	_ backends.Lister     = (*State)(nil)
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
			return problem.New(problem.NoSuchKey, "nothing is stored under this key")
		}
		item = r.item(present, options.WithTTL)
		return nil
	})
	return item, err
}

// Put implements backends.StateStore. The expiry counts from the call, not
// from the commit.
func (s *State) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	r, err := newRecord(value, options.TTL)
	if err != nil {
		return "", err
	}
	if err := storable(key); err != nil {
		return "", err
	}
	encoded := r.encode(key) // here and not in the committer: the caller may reuse its bytes
	_, err = commit(ctx, s.db, len(encoded), func(tx *bolt.Tx) (struct{}, error) {
		if err := allowed(tx, key, options.Condition); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, replace(tx, key, r.expires, encoded)
	})
	if err != nil {
		return "", withTag(err, r.etag())
	}
	return r.etag(), nil
}

// Delete implements backends.StateStore.
func (s *State) Delete(ctx context.Context, key string, options backends.WriteOptions) error {
	_, err := commit(ctx, s.db, 0, func(tx *bolt.Tx) (struct{}, error) {
		if err := allowed(tx, key, options.Condition); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, remove(tx, key)
	})
	return err
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

// allowed refuses a write whose condition does not hold. A damaged value exists
// but has no tag: only a condition that names one cannot be judged.
func allowed(tx *bolt.Tx, key string, condition backends.Condition) error {
	if condition.Unconditional() {
		return nil
	}
	r, exists, err := current(tx, key, now())
	if problem.CodeOf(err) == problem.ForeignValue && len(condition.IfMatch)+len(condition.IfNoneMatch) == 0 {
		exists, err = true, nil
	}
	if err != nil {
		return err
	}
	if !condition.Holds(exists, r.etag()) {
		return problem.New(problem.PreconditionFailed, "the key is not in the state that the condition asks for")
	}
	return nil
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
