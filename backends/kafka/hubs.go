package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// hubs are the hubs of the topics that somebody follows. One without users
// lingers a while, so that a client that asks for page after page finds it.
type hubs struct {
	uplink *uplink
	log    *slog.Logger

	mu     sync.Mutex
	open   map[hubKey]*hub
	closed bool
	tasks  sync.WaitGroup
}

// hubKey tells a topic from an earlier one of its name.
type hubKey struct {
	name string
	id   sarama.Uuid
}

func newHubs(uplink *uplink, log *slog.Logger) *hubs {
	return &hubs{uplink: uplink, log: log, open: make(map[hubKey]*hub)}
}

// join gives the hub of a topic; the first one to join says where it begins.
func (h *hubs) join(t *topic, positions []int64) (*hub, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errShuttingDown()
	}
	key := hubKey{t.name, t.id}
	joined := h.open[key]
	if joined == nil || joined.ctx.Err() != nil || joined.isOver() {
		joined = h.start(key, positions)
		h.open[key] = joined
	}
	joined.users++
	if joined.idle != nil {
		joined.idle.Stop()
	}
	return joined, nil
}

func (h *hubs) start(key hubKey, positions []int64) *hub {
	ctx, cancel := context.WithCancel(context.Background())
	started := &hub{name: key.name, id: key.id, uplink: h.uplink, ctx: ctx, cancel: cancel, changed: make(chan struct{})}
	for _, position := range positions {
		started.windows = append(started.windows, &window{first: position, next: position})
	}
	h.tasks.Go(func() {
		started.run()
		cancel()
	})
	return started
}

func (h *hub) isOver() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err != nil
}

// leave gives a joined hub back.
func (h *hubs) leave(left *hub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if left.users--; left.users == 0 {
		left.idle = time.AfterFunc(hubLingers, func() { h.endIdle(left) })
	}
}

func (h *hubs) endIdle(left *hub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if left.users > 0 {
		return
	}
	left.cancel()
	if key := (hubKey{left.name, left.id}); h.open[key] == left {
		delete(h.open, key)
	}
}

// close ends all hubs and waits for them.
func (h *hubs) close() {
	h.mu.Lock()
	h.closed = true
	for _, open := range h.open {
		open.cancel()
		if open.idle != nil {
			open.idle.Stop()
		}
	}
	h.mu.Unlock()
	h.tasks.Wait()
}
