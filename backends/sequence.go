package backends

import "context"

// Sequencer hands out numbers.
type Sequencer interface {
	// Next takes count consecutive numbers of a key and returns the first.
	// The first is larger than every number that an earlier call returned for
	// the key through any replica, larger than floor, and at least 1. A
	// sequence that would pass the largest int64 is problem.Unprocessable and
	// takes nothing.
	Next(ctx context.Context, key string, count, floor int64) (first int64, err error)
}
