package local

import (
	"context"
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/problem"
)

// errStore classifies a failure that has changed nothing for certain. What
// bbolt and the file system report is for the log only.
func errStore(err error) error {
	switch {
	case err == nil:
		return nil
	case refusal(err):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problem.From(err)
	}
	return problem.Wrap(problem.Unavailable, err, "the embedded store failed")
}

// errUnknown classifies a failure after which the change may be on disk.
func errUnknown(cause error) error {
	failure := problem.From(errStore(cause))
	return &problem.Error{Code: failure.Code, Detail: failure.Detail, Err: cause, Unknown: true}
}

// refusal says whether err is an answer of ours and not a failure.
func refusal(err error) bool {
	var answer *problem.Error
	return errors.As(err, &answer)
}

func errClosed() error {
	return problem.New(problem.Unavailable, "the embedded store is closed")
}

func errNoKey() error {
	return problem.New(problem.NoSuchKey, "nothing is stored under this key")
}

func errForeign() error {
	return problem.New(problem.ForeignValue, "the stored record is damaged or was not written by this gateway")
}

// view runs a read transaction. What it reads must be copied before it ends.
func (db *DB) view(ctx context.Context, read func(*bolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return problem.From(err)
	}
	return errStore(db.bolt.View(read))
}
