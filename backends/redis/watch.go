package redis

import (
	"context"
	"sync"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

const (
	pollGap        = time.Second      // between looks while Redis does not tell of changes
	outagePatience = 30 * time.Second // how long a watch that has begun sits out an outage
)

// watch follows one key. It has no goroutine: Next itself has Redis tell of
// the next change, then looks, then waits to be told. So no change is missed,
// and nothing is read for a watch that nobody asks.
type watch struct {
	state  *State
	key    string
	signal chan struct{}
	life   context.Context // ends with the watch or the Conn
	end    context.CancelCauseFunc
	close  sync.Once

	begun  bool
	exists bool // of the state that was told last, as the two below
	etag   string
	until  time.Time // when it expires, or a little before; zero = never
	failed time.Time // since when Redis cannot be read; zero = it can
}

var _ backends.StateWatch = (*watch)(nil)

// Watch follows a key by client tracking: one connection per Conn hears of all
// changes, and is renewed by itself. On a Cluster, and where tracking is not
// to be had, a watch looks every second. A watch that has begun sits out an
// outage of half a minute.
func (s *State) Watch(ctx context.Context, key string) (backends.StateWatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, problem.From(err)
	}
	w := &watch{state: s, key: key, signal: make(chan struct{}, 1)}
	w.life, w.end = context.WithCancelCause(s.conn.tracker.life)
	if err := s.conn.tracker.add(w); err != nil {
		w.end(err)
		return nil, err
	}
	return w, nil
}

// Next implements backends.StateWatch.
func (w *watch) Next(ctx context.Context) (backends.StateChange, error) {
	joined, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.life, cancel)()
	for {
		if err := w.ended(ctx); err != nil {
			return backends.StateChange{}, err
		}
		armed := w.state.conn.tracker.arm(joined, w)
		change, news, err := w.look(joined)
		switch {
		case news:
			return change, nil
		case w.ended(ctx) != nil:
			continue
		case err != nil && !w.forgives(err):
			return backends.StateChange{}, err
		}
		w.wait(joined, armed && err == nil)
	}
}

// Close implements backends.StateWatch.
func (w *watch) Close() error {
	w.close.Do(func() {
		w.end(problem.New(problem.ClientClosed, "the watch was closed"))
		w.state.conn.tracker.remove(w)
	})
	return nil
}

// ended says why Next cannot go on, if so.
func (w *watch) ended(ctx context.Context) error {
	if w.life.Err() != nil {
		return context.Cause(w.life)
	}
	if err := endOf(ctx); err != nil {
		return problem.From(err)
	}
	return nil
}

// look compares the key with what was told last, and takes note of it.
func (w *watch) look(ctx context.Context) (change backends.StateChange, news bool, err error) {
	asked := time.Now()
	item, err := w.state.Get(ctx, w.key, backends.ReadOptions{WithTTL: true})
	exists := err == nil
	if !exists && problem.CodeOf(err) != problem.NoSuchKey {
		return change, false, err
	}
	w.failed = time.Time{}
	news = !w.begun || exists != w.exists || exists && item.ETag != w.etag
	change = backends.StateChange{Kind: w.kind(exists), Item: item}
	w.begun, w.exists, w.etag, w.until = true, exists, item.ETag, time.Time{}
	if item.TTL > 0 {
		w.until = asked.Add(item.TTL)
	}
	change.TTL = 0
	return change, news, nil
}

// kind tells expiry from deletion by whether the end was due.
func (w *watch) kind(exists bool) backends.ChangeKind {
	switch {
	case exists:
		return backends.ChangePut
	case w.exists && !w.until.IsZero() && time.Until(w.until) <= 0:
		return backends.ChangeExpire
	}
	return backends.ChangeDelete
}

// forgives says whether to look again after a failure.
func (w *watch) forgives(err error) bool {
	if !w.begun || problem.CodeOf(err) != problem.Unavailable {
		return false
	}
	if w.failed.IsZero() {
		w.failed = time.Now()
	}
	return time.Since(w.failed) < outagePatience
}

// wait returns when there may be something new.
func (w *watch) wait(ctx context.Context, armed bool) {
	var late <-chan time.Time
	if gap, bounded := w.gap(armed); bounded {
		timer := time.NewTimer(gap)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-w.signal:
	case <-late:
	case <-ctx.Done():
	}
}

// gap is the longest time to wait for a signal: Redis may be late to notice
// that a value has expired.
func (w *watch) gap(armed bool) (gap time.Duration, bounded bool) {
	if !w.until.IsZero() {
		gap, bounded = max(time.Until(w.until), 0)+time.Millisecond, true
	}
	if !armed && (!bounded || gap > pollGap) {
		return pollGap, true
	}
	return gap, bounded
}
