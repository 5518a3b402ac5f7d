package redis

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// The gap between probes grows from the first to the last, give or take half,
// so that a healed Redis is noticed well within a second.
const firstGap, lastGap = 50 * time.Millisecond, 400 * time.Millisecond

// lostInARow is how many connections may break one after the other, without a
// success between them, until Redis counts as dead. One broken connection is
// no sign: servers and proxies drop idle ones.
const lostInARow = 3

// errOpen answers in place of a Redis that lately did not.
var errOpen = errors.New("redis did not answer lately: circuit open")

// breaker stands in front of the client as a go-redis hook. It opens when
// Redis cannot be reached or stays silent; then one goroutine probes, and
// everybody else is refused at once until a probe succeeds.
type breaker struct {
	probe func(context.Context) error
	eager bool // open on a failure itself; else only if a probe fails too
	log   *slog.Logger

	open atomic.Bool
	lost atomic.Int32  // connections broken in a row
	kick chan struct{} // asks the prober to look
	stop func()        // ends the prober and waits for it
}

var _ redis.Hook = (*breaker)(nil)

func newBreaker(ctx context.Context, probe func(context.Context) error, eager bool, log *slog.Logger) *breaker {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &breaker{probe: probe, eager: eager, log: log, kick: make(chan struct{}, 1)}
	var prober sync.WaitGroup
	prober.Go(func() { b.watch(ctx) })
	b.stop = func() { cancel(); prober.Wait() }
	return b
}

func (b *breaker) isOpen() bool { return b.open.Load() }

// watch sleeps until something failed, then probes until Redis answers.
func (b *breaker) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.kick:
			b.heal(ctx)
		}
	}
}

func (b *breaker) heal(ctx context.Context) {
	for gap := firstGap; b.check(ctx) != nil; gap = min(2*gap, lastGap) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(gap/2 + rand.N(gap)):
		}
	}
}

// check probes once and sets the breaker by the result.
func (b *breaker) check(ctx context.Context) error {
	err := b.probe(ctx)
	switch {
	case err == nil:
		b.lost.Store(0)
		if b.open.CompareAndSwap(true, false) {
			b.log.Info("redis answers again")
		}
	case ctx.Err() == nil:
		b.trip(err)
	}
	return err
}

func (b *breaker) trip(err error) {
	if b.open.CompareAndSwap(false, true) {
		b.log.Warn("redis does not answer; refusing calls until it does", "error", err)
	}
}

// observe learns from the outcome of a call that was let through.
func (b *breaker) observe(ctx context.Context, err error) {
	switch {
	case err == nil || isReply(err):
		if b.lost.Load() != 0 {
			b.lost.Store(0)
		}
		return
	case !b.blames(ctx, err):
		return
	}
	if b.eager {
		b.trip(err)
	}
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// blames decides whether an error speaks against Redis rather than against
// the caller's patience or one connection.
func (b *breaker) blames(ctx context.Context, err error) bool {
	var timeout net.Error
	switch {
	case endOf(ctx) != nil:
		return false
	case errors.Is(err, redis.ErrClosed), errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, errOpen):
		return false
	case isDialError(err), errors.As(err, &timeout) && timeout.Timeout():
		return true
	default:
		return b.lost.Add(1) >= lostInARow
	}
}

// DialHook leaves dialling as it is.
func (b *breaker) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook lets a single command through while the breaker is closed.
func (b *breaker) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if b.isOpen() {
			cmd.SetErr(errOpen)
			return errOpen
		}
		err := next(ctx, cmd)
		b.observe(ctx, err)
		return err
	}
}

// ProcessPipelineHook lets a pipeline through while the breaker is closed.
func (b *breaker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if b.isOpen() {
			for _, cmd := range cmds {
				cmd.SetErr(errOpen)
			}
			return errOpen
		}
		err := next(ctx, cmds)
		b.observe(ctx, err)
		return err
	}
}
