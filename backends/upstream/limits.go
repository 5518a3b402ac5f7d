package upstream

import (
	"sync"
	"time"
)

// limits are the bounds within which an upstream must stay. They are fields
// and not constants so that tests need not wait or send megabytes.
type limits struct {
	headBytes    int           // of an answer's head, of its trailers, of an interim answer
	fields       int           // of one head
	interim      int           // 1xx answers before the final one
	inline       int64         // a request body up to this size is held and sent with the head
	idlePerHost  int           // unused connections kept per endpoint
	idle         time.Duration // how long an unused connection is kept
	dial         time.Duration // to connect
	continueWait time.Duration // for 100 Continue, before the body is sent unasked
	silence      time.Duration // either way on a stream, once the headers are out
	linger       time.Duration // to drain a body that the upstream did not want
}

func defaultLimits() limits {
	return limits{
		headBytes: 64 << 10, fields: 256, interim: 16, inline: 16 << 10,
		idlePerHost: 512, idle: 30 * time.Second, dial: 2 * time.Second,
		continueWait: time.Second, silence: 5 * time.Minute, linger: time.Second,
	}
}

const (
	blockSize  = 32 << 10 // moves bodies
	windowSize = 4 << 10  // reads heads and small bodies, so that an idle stream holds little
)

// block is a buffer for bodies and for outgoing heads.
type block [blockSize]byte

// buffers lends out what every request needs for a moment.
type buffers struct {
	blocks    sync.Pool // *block
	exchanges sync.Pool // *exchange
}

func (b *buffers) block() *block {
	if lent, ok := b.blocks.Get().(*block); ok {
		return lent
	}
	return new(block)
}

// Get and Put are the form in which httputil.ReverseProxy borrows blocks.
func (b *buffers) Get() []byte { return b.block()[:] }

// Put takes back what Get lent.
func (b *buffers) Put(lent []byte) { b.blocks.Put((*block)(lent)) }
