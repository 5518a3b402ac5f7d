package local

import (
	"context"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// watch follows one key. It has no goroutine: Next itself waits for a signal,
// and for the expiry of the value that it told last.
type watch struct {
	db     *DB
	key    string
	signal chan struct{}
	closed chan struct{}
	once   sync.Once

	begun  bool
	exists bool // of the state that was told last, as the two below
	etag   string
	until  micros
}

// Watch implements backends.Watcher. A watch sees what this process does;
// another one cannot have the file open. Expiry is told when it comes, not
// when the value is swept.
func (s *State) Watch(ctx context.Context, key string) (backends.StateWatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, problem.From(err)
	}
	w := &watch{db: s.db, key: key, signal: make(chan struct{}, 1), closed: make(chan struct{})}
	s.db.watches.add(w)
	return w, nil
}

// Next implements backends.StateWatch.
func (w *watch) Next(ctx context.Context) (backends.StateChange, error) {
	for {
		if err := w.ended(ctx); err != nil {
			return backends.StateChange{}, err
		}
		change, changed, err := w.look(ctx)
		if err != nil || changed {
			return change, err
		}
		w.wait(ctx)
	}
}

// Close implements backends.StateWatch.
func (w *watch) Close() error {
	w.once.Do(func() {
		close(w.closed)
		w.db.watches.remove(w)
	})
	return nil
}

// ended says why Next cannot go on, if so.
func (w *watch) ended(ctx context.Context) error {
	select {
	case <-w.closed:
		return problem.New(problem.ClientClosed, "the watch was closed")
	case <-w.db.watches.ended:
		return errClosed()
	default:
	}
	if err := ctx.Err(); err != nil {
		return problem.From(err)
	}
	return nil
}

// wait returns when there may be something new.
func (w *watch) wait(ctx context.Context) {
	var expiry <-chan time.Time
	if w.exists && w.until != never {
		timer := time.NewTimer(now().until(w.until))
		defer timer.Stop()
		expiry = timer.C
	}
	select {
	case <-w.signal:
	case <-expiry:
	case <-ctx.Done():
	case <-w.closed:
	case <-w.db.watches.ended:
	}
}

// look compares the key with what was told last, and takes note of it. The
// value is copied only if it is news.
func (w *watch) look(ctx context.Context) (change backends.StateChange, changed bool, err error) {
	err = w.db.view(ctx, func(tx *bolt.Tx) error {
		present := now()
		r, exists, err := current(tx, w.key, present)
		if err != nil {
			return err
		}
		changed = !w.begun || exists != w.exists || exists && r.etag() != w.etag
		if !changed {
			return nil
		}
		if exists {
			change = backends.StateChange{Kind: backends.ChangePut, Item: r.item(present, false)}
		} else {
			change.Kind = w.end(r, present)
		}
		w.begun, w.exists, w.etag, w.until = true, exists, change.ETag, r.expires
		return nil
	})
	return change, changed, err
}

// end tells expiry from deletion: what expired lies about until it is swept, or
// was known to end by now.
func (w *watch) end(left record, present micros) backends.ChangeKind {
	swept := w.exists && w.until != never && w.until <= present
	if w.begun && (left.expired(present) || swept) {
		return backends.ChangeExpire
	}
	return backends.ChangeDelete
}
