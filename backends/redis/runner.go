package redis

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// runner carries commands to Redis, those of one call in their order and on
// one connection. run returns nil when every command has a reply, else a
// lostError; it returns promptly when ctx ends.
type runner interface {
	run(ctx context.Context, commands []redis.Cmder) error
	stop() // ends what is under way together with the client's Close
	wait() // until the runner's goroutines are gone
}

// counts measures how many commands share a write.
type counts struct{ commands, flushes atomic.Uint64 }

func (c *counts) add(commands int) {
	c.commands.Add(uint64(commands))
	c.flushes.Add(1)
}

// direct runs each call by itself over go-redis' own routing: the way for
// Cluster, where a batch over nodes would wait for the slowest of them.
type direct struct {
	pipeline func(ctx context.Context, first redis.Cmder) (redis.Pipeliner, error)
	counts   *counts
	calls    sync.WaitGroup
	turns    chan struct{} // bounds the calls under way
	stopped  chan struct{}
}

// directCalls is the most calls under way, waiters of abandoned ones included.
const directCalls = 4096

var _ runner = (*direct)(nil)

func newDirect(client redis.UniversalClient, counts *counts) *direct {
	routed := func(context.Context, redis.Cmder) (redis.Pipeliner, error) { return client.Pipeline(), nil }
	return &direct{pipeline: routed, counts: counts, turns: make(chan struct{}, directCalls), stopped: make(chan struct{})}
}

// run works in a goroutine of its own, because go-redis honours deadlines but
// not cancellation.
func (d *direct) run(ctx context.Context, commands []redis.Cmder) error {
	select {
	case <-d.stopped:
		return &lostError{cause: redis.ErrClosed}
	case <-ctx.Done():
		return &lostError{cause: ctx.Err()}
	case d.turns <- struct{}{}:
	}
	done := make(chan error, 1)
	d.calls.Go(func() {
		done <- d.execute(ctx, commands)
		<-d.turns
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return &lostError{cause: ctx.Err(), sent: true}
	}
}

func (d *direct) execute(ctx context.Context, commands []redis.Cmder) error {
	pipeline, err := d.pipeline(ctx, commands[0])
	if err != nil {
		return &lostError{cause: err}
	}
	_ = pipeline.BatchProcess(ctx, commands...) // queues; it cannot fail
	_, err = pipeline.Exec(ctx)
	d.counts.add(len(commands))
	return outcome(commands, setUpFailure(commands, err))
}

func (d *direct) stop() { close(d.stopped) }

func (d *direct) wait() { d.calls.Wait() }
