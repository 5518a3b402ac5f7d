package local

import (
	"context"
	"encoding/binary"
	"math"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Sequencer hands out numbers without gaps but for those that were taken and
// whose answer was lost. A number is on disk before it is told.
type Sequencer struct{ db *DB }

var _ backends.Sequencer = (*Sequencer)(nil)

// Next implements backends.Sequencer.
func (s *Sequencer) Next(ctx context.Context, key string, count, floor int64) (int64, error) {
	if err := storable(key); err != nil {
		return 0, err
	}
	if count < 1 {
		return 0, problem.New(problem.InvalidParameter, "count must be at least 1")
	}
	return commit(ctx, s.db, len(key), func(tx *bolt.Tx) (int64, error) {
		last, err := readNumber(tx, key)
		if err != nil {
			return 0, err
		}
		last = max(last, floor, 0)
		if last > math.MaxInt64-count {
			return 0, problem.New(problem.Unprocessable, "the sequence would pass the largest 64-bit integer")
		}
		return last + 1, writeNumber(tx, key, last+count)
	})
}

func readNumber(tx *bolt.Tx, key string) (int64, error) {
	stored := bucket(tx, sequenceBucket).Get([]byte(key))
	if stored == nil {
		return 0, nil
	}
	body, err := unseal(key, stored)
	if err != nil {
		return 0, err
	}
	if len(body) != 8 {
		return 0, errForeign()
	}
	return int64(binary.BigEndian.Uint64(body)), nil
}

func writeNumber(tx *bolt.Tx, key string, last int64) error {
	stored := binary.BigEndian.AppendUint64(make([]byte, sealSize), uint64(last))
	return bucket(tx, sequenceBucket).Put([]byte(key), seal(key, stored))
}
