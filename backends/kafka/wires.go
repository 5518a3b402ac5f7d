package kafka

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// wires are the sockets of one session. sarama knows no context: cutting its
// sockets is the one way to end whatever it is waiting for, at once. They also
// tell of trouble before sarama does, which first tries again for a while.
type wires struct {
	ctx     context.Context
	stop    context.CancelFunc
	trouble func() // called when a socket fails; must not block

	mu   sync.Mutex
	live map[*wire]struct{}
}

func newWires(trouble func()) *wires {
	ctx, stop := context.WithCancel(context.Background())
	return &wires{ctx: ctx, stop: stop, trouble: trouble, live: make(map[*wire]struct{})}
}

// Dial connects to a broker; after cut it fails at once.
func (w *wires) Dial(network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(w.ctx, network, address)
	if err != nil {
		w.trouble()
		return nil, err
	}
	return w.add(conn)
}

func (w *wires) add(conn net.Conn) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		_ = conn.Close() // nothing was sent on it
		return nil, net.ErrClosed
	}
	added := &wire{Conn: conn, owner: w}
	w.live[added] = struct{}{}
	return added, nil
}

// cut ends every socket and every dial under way.
func (w *wires) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
	for conn := range w.live {
		_ = conn.Conn.Close() // whoever reads from it learns of it
	}
	clear(w.live)
}

// pause is the time between two tries, nothing once the wires are cut.
func (w *wires) pause(int, int) time.Duration {
	if w.ctx.Err() != nil {
		return 0
	}
	return retryPause
}

// wire is one socket.
type wire struct {
	net.Conn
	owner *wires
}

func (c *wire) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tell(err)
	return n, err
}

func (c *wire) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.tell(err)
	return n, err
}

func (c *wire) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.live, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// tell passes trouble on; that we closed the socket ourselves is none.
func (c *wire) tell(err error) {
	if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrClosed) {
		c.owner.trouble()
	}
}
