package redis

import (
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// call is the commands of one caller on their way through a collector.
type call struct {
	commands []redis.Cmder
	size     int
	stage    atomic.Int32
	done     chan struct{} // holds one token when the call is settled
	err      error         // valid then
}

// The stages of a call. From queued it is either taken into a batch or left
// by its caller; who comes first decides.
const (
	queued int32 = iota
	taken
	left
)

// callPool gives calls back to use. One that its caller left stays out, since
// a batch may still hold it.
type callPool struct{ free sync.Pool }

func (p *callPool) get(commands []redis.Cmder) *call {
	c, ok := p.free.Get().(*call)
	if !ok {
		c = &call{done: make(chan struct{}, 1)}
	}
	c.commands, c.size, c.err = commands, sizeOf(commands), nil
	c.stage.Store(queued)
	return c
}

// take claims the call for a batch; false means that its caller has left.
func (c *call) take() bool { return c.stage.CompareAndSwap(queued, taken) }

// settle ends a taken call.
func (c *call) settle(err error) {
	c.err = err
	c.done <- struct{}{}
}

// finish reads the result after done; the call is no longer the caller's.
func (p *callPool) finish(c *call) error {
	err := c.err
	c.commands = nil
	p.free.Put(c)
	return err
}

// abandon leaves the call. When a batch has it already, its commands may have
// been sent or may still be.
func (p *callPool) abandon(c *call, cause error) error {
	if c.stage.CompareAndSwap(queued, left) {
		return &lostError{cause: cause}
	}
	select {
	case <-c.done:
		return p.finish(c)
	default:
		return &lostError{cause: cause, sent: true}
	}
}
