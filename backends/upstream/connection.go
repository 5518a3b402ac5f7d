package upstream

import (
	"context"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// connection is one connection to an endpoint, used by one exchange at a time.
type connection struct {
	net.Conn
	raw    syscall.RawConn // nil = cannot be looked at
	look   func(fd uintptr) bool
	quiet  bool // what look found
	peeked [1]byte
	kept   bool      // has carried an exchange before
	since  time.Time // unused since
}

func newConnection(dialled net.Conn) *connection {
	c := &connection{Conn: dialled}
	if able, ok := dialled.(syscall.Conn); ok {
		c.raw, _ = able.SyscallConn() // an error leaves nil: then we do not look
	}
	c.look = c.peek // made once: a method value allocates
	return c
}

// alive tells whether the other side has neither closed an unused connection
// nor sent anything that nobody asked for. It does not block.
func (c *connection) alive() bool {
	if c.raw == nil {
		return true
	}
	c.quiet = false
	err := c.raw.Read(c.look)
	return err == nil && c.quiet
}

// keep holds the connections to one endpoint. It is safe for concurrent use.
type keep struct {
	address string
	limits  *limits
	dialer  net.Dialer
	ctx     context.Context // ends with the keep
	cancel  context.CancelFunc

	mutex  sync.Mutex
	idle   []*connection // the longest unused first
	active map[*connection]struct{}
	closed bool
}

func newKeep(address string, limits *limits) *keep {
	k := &keep{address: address, limits: limits, active: map[*connection]struct{}{}}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return k
}

// get gives a connection whose deadline is until: one that was kept, unless
// fresh is asked for, else a new one.
func (k *keep) get(ctx context.Context, until time.Time, fresh bool) (*connection, error) {
	for !fresh {
		c := k.pop()
		if c == nil {
			break
		}
		if c.SetDeadline(until) == nil && c.alive() {
			return c, nil
		}
		k.drop(c)
	}
	return k.dial(ctx, until)
}

// pop takes the connection that was used last: it is the least likely to be
// closed just now, and the others can grow old.
func (k *keep) pop() *connection {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	last := len(k.idle) - 1
	if last < 0 {
		return nil
	}
	c := k.idle[last]
	k.idle[last] = nil
	k.idle = k.idle[:last]
	k.active[c] = struct{}{}
	return c
}

// dial connects. It takes at most half of the time left, so that another
// endpoint has its chance.
func (k *keep) dial(ctx context.Context, until time.Time) (*connection, error) {
	patience := k.limits.dial
	if !until.IsZero() {
		patience = min(patience, time.Until(until)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(k.ctx, cancel)()
	dialled, err := k.dialer.DialContext(ctx, "tcp", k.address)
	if err != nil {
		return nil, err
	}
	c := newConnection(dialled)
	if !k.adopt(c) {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	return c, c.SetDeadline(until)
}

func (k *keep) adopt(c *connection) bool {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if !k.closed {
		k.active[c] = struct{}{}
	}
	return !k.closed
}

// put takes a connection back that can carry another exchange.
func (k *keep) put(c *connection) {
	c.kept, c.since = true, time.Now()
	k.mutex.Lock()
	delete(k.active, c)
	full := k.closed || len(k.idle) >= k.limits.idlePerHost
	if !full {
		k.idle = append(k.idle, c)
	}
	k.mutex.Unlock()
	if full {
		_ = c.Close()
	}
}

// drop closes a connection that cannot.
func (k *keep) drop(c *connection) {
	k.mutex.Lock()
	delete(k.active, c)
	k.mutex.Unlock()
	_ = c.Close()
}

// tidy closes what has been unused for too long.
func (k *keep) tidy(now time.Time) {
	k.mutex.Lock()
	old := 0
	for old < len(k.idle) && now.Sub(k.idle[old].since) > k.limits.idle {
		old++
	}
	leaving := slices.Clone(k.idle[:old])
	k.idle = slices.Delete(k.idle, 0, old)
	k.mutex.Unlock()
	for _, c := range leaving {
		_ = c.Close()
	}
}

// close closes all connections, those in use too, and refuses new ones; what
// is just connecting gives up.
func (k *keep) close() {
	k.cancel()
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.closed = true
	for _, c := range k.idle {
		_ = c.Close()
	}
	for c := range k.active {
		_ = c.Close()
	}
	k.idle = nil
}
