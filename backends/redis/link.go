package redis

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	pingGap   = 2 * time.Second // between signs of life on a link
	linkQuiet = 5 * time.Second // silence after which a link is dead
	linkBatch = 16 << 10        // bytes that are written together
)

// arming is the wish to be told of a key's next change; with no key it is a
// question for a sign of life.
type arming struct {
	key  *string
	done chan struct{} // closed when Redis has answered
	ok   bool          // valid then: Redis will tell
}

// link is a connection on which Redis tells of changed keys. A key is armed by
// a tracked read, which begins the watching and is answered before any change
// after it is told; a change disarms it. What is read is a mere EXISTS: values
// travel on the connections that everybody shares.
type link struct {
	conn net.Conn
	in   *bufio.Reader
	dead chan struct{} // closed when the link has ended

	mu     sync.Mutex
	queue  []*arming // to be sent: no more than there are watched keys
	sent   []*arming // in the order in which Redis will answer
	wakeUp chan struct{}
}

// newLink greets Redis on conn and closes conn if it is not welcome.
func newLink(conn net.Conn, hello []string) (*link, error) {
	l := &link{conn: conn, in: bufio.NewReader(conn), dead: make(chan struct{}), wakeUp: make(chan struct{}, 1)}
	for _, command := range [][]string{hello, {"CLIENT", "TRACKING", "ON", "OPTIN"}} {
		if err := l.ask(command); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return l, nil
}

func (l *link) ask(command []string) error {
	if err := l.conn.SetDeadline(time.Now().Add(ioTimeout)); err != nil {
		return err
	}
	if _, err := l.conn.Write(appendCommand(nil, command...)); err != nil {
		return err
	}
	r, err := readReply(l.in)
	if err == nil && r.isError() {
		err = errors.New(r.text)
	}
	return err
}

// arm asks for the key; the answer closes the arming's done.
func (l *link) arm(key string) *arming {
	a := &arming{key: &key, done: make(chan struct{})}
	l.mu.Lock()
	l.queue = append(l.queue, a)
	l.mu.Unlock()
	select {
	case l.wakeUp <- struct{}{}:
	default:
	}
	return a
}

// serve works until the connection breaks or ctx ends. told is called with the
// keys that have changed; with none, all may have.
func (l *link) serve(ctx context.Context, told func(keys []string)) error {
	stop := context.AfterFunc(ctx, func() { _ = l.conn.Close() })
	defer stop()
	var writer sync.WaitGroup
	writer.Go(l.write)
	err := l.read(told)
	close(l.dead)
	_ = l.conn.Close()
	writer.Wait()
	return err
}

// write sends what is asked for, and pings. When it fails it closes the
// connection, and so ends read.
func (l *link) write() {
	ping := time.NewTicker(pingGap)
	defer ping.Stop()
	for {
		beat := false
		select {
		case <-l.wakeUp:
		case <-ping.C:
			beat = true
		case <-l.dead:
			return
		}
		for out := l.batch(beat); len(out) > 0; out = l.batch(false) {
			_ = l.conn.SetWriteDeadline(time.Now().Add(ioTimeout)) // a closed one fails at Write
			if _, err := l.conn.Write(out); err != nil {
				_ = l.conn.Close()
				return
			}
		}
	}
}

// batch takes commands off the queue.
func (l *link) batch(beat bool) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []byte
	if beat {
		out = appendCommand(out, "PING")
		l.sent = append(l.sent, &arming{})
	}
	for len(l.queue) > 0 && len(out) < linkBatch {
		a := l.queue[0]
		l.queue = l.queue[1:]
		out = appendCommand(out, "CLIENT", "CACHING", "YES")
		out = appendCommand(out, "EXISTS", *a.key)
		l.sent = append(l.sent, a)
	}
	return out
}

// read takes answers and news until the connection breaks.
func (l *link) read(told func(keys []string)) error {
	for {
		answer, err := l.answer(told)
		if err != nil {
			return err
		}
		a := l.answered()
		switch {
		case a == nil:
			return errProtocol
		case a.key == nil:
			continue
		}
		exists, err := l.answer(told)
		if err != nil {
			return err
		}
		a.ok = !answer.isError() && !exists.isError()
		close(a.done)
	}
}

// answer is the next reply that is no news.
func (l *link) answer(told func(keys []string)) (reply, error) {
	for {
		if err := l.conn.SetReadDeadline(time.Now().Add(linkQuiet)); err != nil {
			return reply{}, err
		}
		r, err := readReply(l.in)
		if err != nil || r.kind != '>' {
			return r, err
		}
		if len(r.parts) == 2 && r.parts[0].text == "invalidate" {
			var keys []string
			for _, key := range r.parts[1].parts { // null, which has none, when all are gone
				keys = append(keys, key.text)
			}
			told(keys)
		}
	}
}

func (l *link) answered() *arming {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sent) == 0 {
		return nil
	}
	a := l.sent[0]
	l.sent = l.sent[1:]
	return a
}
