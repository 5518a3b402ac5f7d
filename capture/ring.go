package capture

import "sync"

// ring is the bounded waiting room between requests and the writer. It drops
// the newest: what has been taken in stays in order. The lock is held for an
// append or for a swap of two slices, never over I/O.
type ring struct {
	maxItems, maxBytes int
	wake               chan struct{} // holds a token when there is something to do

	mu     sync.Mutex
	items  []Exchange
	bytes  int
	closed bool
}

func newRing(maxItems, maxBytes int) *ring {
	return &ring{maxItems: maxItems, maxBytes: maxBytes, wake: make(chan struct{}, 1)}
}

// put takes the exchange in, or says that there is no room.
func (q *ring) put(exchange Exchange) bool {
	size := exchange.size()
	q.mu.Lock()
	if q.closed || len(q.items) >= q.maxItems || q.bytes+size > q.maxBytes {
		q.mu.Unlock()
		return false
	}
	q.items = append(q.items, exchange)
	q.bytes += size
	q.mu.Unlock()
	q.signal()
	return true
}

// take waits for exchanges and hands all of them over; free is a slice whose
// memory may be used again. open is false once the ring is closed and nothing
// can follow.
func (q *ring) take(free []Exchange) (items []Exchange, open bool) {
	<-q.wake
	q.mu.Lock()
	defer q.mu.Unlock()
	items, q.items, q.bytes = q.items, free[:0], 0
	return items, !q.closed
}

// close lets nothing more in.
func (q *ring) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *ring) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
