package redis

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	batchCommands = 256                  // the most commands of a batch, but for a call that has more itself
	batchBytes    = 128 << 10            // the same for bytes sent
	queuedCalls   = 1024                 // calls that wait for a batch
	patience      = 2 * time.Millisecond // after which a second batch may be under way
)

// collector writes the commands of concurrent callers together. One worker at
// a time has the turn to form batches: it takes the first call, yields once so
// that callers that are ready can queue up, drains the queue, and executes.
// While it waits for Redis the next batch gathers by itself, so batches grow
// with load and a lone caller waits for nobody. When a batch takes longer
// than patience, or more is queued than fits one, the turn passes to another
// worker on another connection, so that one slow command holds nobody up.
type collector struct {
	client  redis.UniversalClient
	breaker *breaker
	counts  *counts
	calls   callPool
	queue   chan *call
	turn    chan struct{} // holds one token while no worker has it
	holder  atomic.Pointer[worker]
	relief  *time.Timer // looks after callers that wait while a batch is under way
	armed   atomic.Bool // relief is set
	stopped chan struct{}
	workers sync.WaitGroup
}

var _ runner = (*collector)(nil)

func newCollector(client redis.UniversalClient, breaker *breaker, counts *counts, workers int) *collector {
	c := &collector{
		client: client, breaker: breaker, counts: counts, queue: make(chan *call, queuedCalls),
		turn: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	c.relief = time.AfterFunc(time.Hour, c.relieve)
	c.relief.Stop()
	c.turn <- struct{}{}
	for range workers {
		c.workers.Go(c.work)
	}
	return c
}

func (c *collector) stop() { close(c.stopped) }

func (c *collector) wait() {
	c.workers.Wait()
	c.relief.Stop()
}

// run queues a call and waits for it, each for no longer than ctx and the
// collector's life allow.
func (c *collector) run(ctx context.Context, commands []redis.Cmder) error {
	if err := ctx.Err(); err != nil {
		return &lostError{cause: err}
	}
	call := c.calls.get(commands)
	select {
	case c.queue <- call:
		if holder := c.holder.Load(); holder != nil && holder.began.Load() != 0 {
			c.arm()
		}
	case <-ctx.Done():
		return &lostError{cause: ctx.Err()}
	case <-c.stopped:
		return &lostError{cause: redis.ErrClosed}
	}
	select {
	case <-call.done:
		return c.calls.finish(call)
	case <-ctx.Done():
		return c.calls.abandon(call, ctx.Err())
	case <-c.stopped:
		return c.calls.abandon(call, redis.ErrClosed)
	}
}

// arm sets the relief, unless it is set. Nothing is set for a lone caller,
// since a timer costs as much as his command.
func (c *collector) arm() {
	if c.armed.CompareAndSwap(false, true) {
		c.relief.Reset(patience)
	}
}

// relieve passes the turn on when callers wait behind a slow batch, and looks
// again as long as there are callers that wait.
func (c *collector) relieve() {
	c.armed.Store(false)
	if len(c.queue) == 0 {
		return
	}
	holder := c.holder.Load()
	if began := holder.began.Load(); began != 0 && time.Now().UnixNano()-began >= int64(patience) {
		holder.pass()
	}
	c.arm()
}

// work is one worker's life.
func (c *collector) work() {
	w := worker{collector: c}
	for w.takeTurn() {
		first, ok := c.next()
		if !ok {
			return
		}
		w.began.Store(time.Now().UnixNano())
		w.gather(first)
		w.execute()
		w.began.Store(0)
	}
}

// next waits for a call.
func (c *collector) next() (*call, bool) {
	select {
	case call := <-c.queue:
		return call, true
	case <-c.stopped:
		return nil, false
	}
}

// worker forms and executes batches, one at a time.
type worker struct {
	*collector
	turnIsMine atomic.Bool
	began      atomic.Int64 // the present batch, in ns of the epoch; 0 = none
	calls      []*call
	commands   []redis.Cmder
}

// takeTurn waits for the turn, unless the worker still has it.
func (w *worker) takeTurn() bool {
	if w.turnIsMine.Load() {
		return true
	}
	select {
	case <-w.turn:
		w.turnIsMine.Store(true)
		w.holder.Store(w)
		return true
	case <-w.stopped:
		return false
	}
}

// pass gives the turn up, once.
func (w *worker) pass() {
	if w.turnIsMine.CompareAndSwap(true, false) {
		w.turn <- struct{}{}
	}
}

// gather fills the batch with what is queued. The one yield lets callers that
// are about to queue do so: without it batches hold two or three commands.
func (w *worker) gather(first *call) {
	crowded := len(w.calls) > 1
	w.calls, w.commands = w.calls[:0], w.commands[:0]
	if crowded {
		runtime.Gosched()
	}
	size := w.add(first)
	for len(w.commands) < batchCommands && size < batchBytes {
		select {
		case call := <-w.queue:
			size += w.add(call)
		default:
			return
		}
	}
	w.pass() // more may be waiting than fits
}

// add puts a call into the batch, unless its caller has left.
func (w *worker) add(call *call) int {
	if !call.take() {
		return 0
	}
	w.calls = append(w.calls, call)
	w.commands = append(w.commands, call.commands...)
	return call.size
}

// execute sends the batch and wakes the callers. The batch has no context of
// a caller: one's deadline must not end the others' commands.
func (w *worker) execute() {
	if len(w.commands) == 0 {
		return
	}
	pipeline := w.client.Pipeline()
	_ = pipeline.BatchProcess(context.Background(), w.commands...) // queues; it cannot fail
	_, err := pipeline.Exec(context.Background())
	w.counts.add(len(w.commands))
	failure := setUpFailure(w.commands, err)
	for _, call := range w.calls {
		call.settle(outcome(call.commands, failure))
	}
	clear(w.calls)
	clear(w.commands)
}
