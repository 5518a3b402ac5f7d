package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/problem"
)

// Bounds of one group and of the queue before it. The bytes bound how long one
// group keeps the next waiting.
const (
	queueLength = 1024
	groupLength = 1024
	groupBytes  = 16 << 20
)

// committer writes to the file: one goroutine that takes all changes that wait,
// runs them in one transaction and answers their callers after one fsync (group
// commit). bbolt's own Batch waits 10 ms for company; here the company gathers
// during the fsync before.
type committer struct {
	store   *bolt.DB
	log     *slog.Logger
	queue   chan *change
	closing chan struct{} // closed by stop
	stopped chan struct{} // closed when the goroutine has ended
	once    sync.Once
}

// change is one caller's write.
type change struct {
	apply func(*bolt.Tx) error
	size  int
	fate  atomic.Int32
	err   error // of apply, in the latest attempt; the committer's own
	done  chan error
}

// Fates of a change. A waiting one can be given up without a trace; one that
// was taken may end up on disk whatever its caller does.
const (
	waiting int32 = iota
	taken
	abandoned
)

func startCommitter(store *bolt.DB, log *slog.Logger) *committer {
	c := &committer{
		store: store, log: log,
		queue:   make(chan *change, queueLength),
		closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	go c.run()
	return c
}

// stop commits what is queued and waits for the end of the goroutine.
func (c *committer) stop() {
	c.once.Do(func() { close(c.closing) })
	<-c.stopped
}

// commit runs apply in a transaction together with other callers' changes and
// returns when it is on disk. size is about how many bytes it writes.
//
// apply may run more than once, and in the committer's goroutine, so it must
// depend on the transaction alone and hold no memory that the caller reuses. It
// refuses with a problem.Error, before its first write; any other error, and a
// panic, rolls the whole group back, which then runs again without it.
//
// When ctx ends before the change was taken up, nothing is applied; after that
// the error says that the outcome is unknown.
func commit[T any](ctx context.Context, db *DB, size int, apply func(*bolt.Tx) (T, error)) (T, error) {
	var result, none T
	err := db.committer.do(ctx, size, func(tx *bolt.Tx) (err error) {
		result, err = apply(tx)
		return err
	})
	if err != nil {
		return none, err // result may still be written to
	}
	return result, nil
}

func (c *committer) do(ctx context.Context, size int, apply func(*bolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return problem.From(err)
	}
	ch := &change{apply: apply, size: size, done: make(chan error, 1)}
	select {
	case <-c.closing:
		return errClosed()
	default:
	}
	select {
	case c.queue <- ch:
		return c.await(ctx, ch)
	case <-ctx.Done():
		return problem.From(ctx.Err())
	case <-c.closing:
		return errClosed()
	}
}

func (c *committer) await(ctx context.Context, ch *change) error {
	select {
	case err := <-ch.done:
		return err
	case <-ctx.Done():
		if ch.fate.CompareAndSwap(waiting, abandoned) {
			return problem.From(ctx.Err())
		}
		return ch.answerOr(errUnknown(ctx.Err()))
	case <-c.stopped: // the change came while the last group was being taken
		return ch.answerOr(errClosed())
	}
}

// answerOr prefers an answer that is already there.
func (ch *change) answerOr(otherwise error) error {
	select {
	case err := <-ch.done:
		return err
	default:
		return otherwise
	}
}

func (c *committer) run() {
	defer close(c.stopped)
	for {
		select {
		case first := <-c.queue:
			c.commit(c.gather(first))
			continue
		case <-c.closing:
		}
		select {
		case first := <-c.queue:
			c.commit(c.gather(first))
		default:
			return
		}
	}
}

// gather takes what else is waiting. The callers that the group before has
// just answered are about to come back: it lets them run first, as a group
// costs an fsync however small it is.
func (c *committer) gather(first *change) []*change {
	var group []*change
	size := 0
	for next := first; next != nil; next = c.next() {
		if next.fate.CompareAndSwap(waiting, taken) {
			group = append(group, next)
			size += next.size
		}
		if len(group) >= groupLength || size >= groupBytes {
			break
		}
	}
	return group
}

func (c *committer) next() *change {
	for range 2 {
		select {
		case ch := <-c.queue:
			return ch
		default:
			runtime.Gosched()
		}
	}
	return nil
}

// commit brings a group to disk and answers everyone in it.
func (c *committer) commit(group []*change) {
	for len(group) > 0 {
		spoiler, err := c.attempt(group)
		if spoiler < 0 {
			c.answer(group, err)
			return
		}
		group[spoiler].done <- errStore(err)
		group = append(group[:spoiler], group[spoiler+1:]...)
	}
}

// errNothing ends a transaction in which every change was refused: there is
// nothing to wait for the disk for.
var errNothing = errors.New("nothing to commit")

// attempt runs the group in one transaction. spoiler is the index of a change
// that failed halfway, for which all was rolled back; it is -1 when the group
// ran through, and then err is the commit's.
func (c *committer) attempt(group []*change) (spoiler int, err error) {
	spoiler = -1
	err = c.store.Update(func(tx *bolt.Tx) error {
		applied := false
		for i, ch := range group {
			if ch.err = ch.run(tx); ch.err == nil {
				applied = true
			} else if !refusal(ch.err) {
				spoiler = i
				return ch.err
			}
		}
		if !applied {
			return errNothing
		}
		return nil
	})
	if errors.Is(err, errNothing) {
		return -1, nil
	}
	return spoiler, err
}

// run keeps a panic, such as bbolt's over a damaged page, from ending the
// process.
func (ch *change) run(tx *bolt.Tx) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic in a transaction: %v", fault)
		}
	}()
	return ch.apply(tx)
}

// answer tells everyone what became of them. When the commit failed, a refusal
// rests on changes that may not have come true, so it does not count either;
// but it has certainly changed nothing.
func (c *committer) answer(group []*change, failure error) {
	if failure != nil {
		c.log.Error("commit failed", "error", failure, "changes", len(group))
	}
	for _, ch := range group {
		switch {
		case failure == nil:
			ch.done <- ch.err
		case ch.err != nil:
			ch.done <- errStore(failure)
		default:
			ch.done <- errUnknown(failure)
		}
	}
}
