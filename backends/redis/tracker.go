package redis

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/ottogate/ottogate/problem"
)

const (
	maxWatches            = 1 << 16 // per Conn
	firstRetry, lastRetry = 50 * time.Millisecond, 5 * time.Second
)

// tracker knows who watches what on a Conn, and has one link to the master for
// all, made when somebody watches first. A change is told by a signal, which
// says no more than "look again". While there is no link, be it that Redis is
// down, is too old or does not allow it, watches look by themselves.
type tracker struct {
	dial  func(context.Context) (net.Conn, error) // nil = there is never a link
	hello []string
	log   *slog.Logger

	life context.Context // ends with the Conn
	end  context.CancelCauseFunc
	work sync.WaitGroup

	mu    sync.Mutex
	begun bool
	count int
	keys  map[string]*watched
	link  *link // nil while there is none
}

// watched is a key with its watches.
type watched struct {
	arming  *arming // nil = Redis has to be asked again
	watches map[*watch]struct{}
}

func newTracker(ctx context.Context, dial func(context.Context) (net.Conn, error), hello []string, log *slog.Logger) *tracker {
	t := &tracker{dial: dial, hello: hello, log: log, keys: map[string]*watched{}}
	t.life, t.end = context.WithCancelCause(context.WithoutCancel(ctx))
	return t
}

// close ends all watches and waits for the link's end.
func (t *tracker) close() {
	t.mu.Lock()
	t.begun = true // nothing begins from now on
	t.end(problem.New(problem.Unavailable, "the connection to the store was closed"))
	t.mu.Unlock()
	t.work.Wait()
}

func (t *tracker) add(w *watch) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count >= maxWatches {
		return problem.New(problem.Overloaded, "too many keys are being watched")
	}
	if !t.begun && t.dial != nil {
		t.begun = true
		t.work.Go(t.run)
	}
	if t.keys[w.key] == nil {
		t.keys[w.key] = &watched{watches: map[*watch]struct{}{}}
	}
	t.keys[w.key].watches[w] = struct{}{}
	t.count++
	return nil
}

func (t *tracker) remove(w *watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.keys[w.key].watches, w)
	if len(t.keys[w.key].watches) == 0 {
		delete(t.keys, w.key)
	}
	t.count--
}

// arm makes sure that the next change of the watch's key is signalled. False
// says that it may not be.
func (t *tracker) arm(ctx context.Context, w *watch) bool {
	t.mu.Lock()
	l, key := t.link, t.keys[w.key]
	if l == nil || key == nil {
		t.mu.Unlock()
		return false
	}
	if key.arming == nil {
		key.arming = l.arm(w.key)
	}
	a := key.arming
	t.mu.Unlock()
	select {
	case <-a.done:
		return a.ok
	case <-l.dead:
	case <-ctx.Done():
	}
	return false
}

// run keeps a link up.
func (t *tracker) run() {
	gap, complained := firstRetry, false
	for t.life.Err() == nil {
		l, err := t.connect()
		if err == nil {
			gap, complained = firstRetry, false
			t.connected(l)
			err = l.serve(t.life, t.told)
			t.connected(nil)
		}
		if !complained && t.life.Err() == nil {
			t.log.Warn("redis does not tell of changes; watches look for them", "error", err)
			complained = true
		}
		select {
		case <-t.life.Done():
		case <-time.After(gap/2 + rand.N(gap)):
			gap = min(2*gap, lastRetry)
		}
	}
}

func (t *tracker) connect() (*link, error) {
	ctx, cancel := context.WithTimeout(t.life, dialTimeout+ioTimeout)
	defer cancel()
	conn, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	return newLink(conn, t.hello)
}

// connected notes the link, or that there is none. What happened meanwhile
// nobody told.
func (t *tracker) connected(l *link) {
	t.mu.Lock()
	t.link = l
	t.mu.Unlock()
	t.told(nil)
}

// told signals the watches of these keys; without keys, all.
func (t *tracker) told(keys []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(keys) == 0 {
		for _, key := range t.keys {
			key.changed()
		}
		return
	}
	for _, name := range keys {
		if key := t.keys[name]; key != nil {
			key.changed()
		}
	}
}

func (k *watched) changed() {
	k.arming = nil
	for w := range k.watches {
		select {
		case w.signal <- struct{}{}:
		default: // one that waits is enough
		}
	}
}
