package local

import (
	"sync"
	"sync/atomic"
)

// watches knows who watches what. A change is told by a signal, which says no
// more than "look again": nothing is queued for a watcher that does not read,
// and a writer never waits for one.
type watches struct {
	count atomic.Int64 // of all, so that a write costs nothing while there are none
	ended chan struct{}
	once  sync.Once

	mu    sync.Mutex
	byKey map[string]map[*watch]struct{}
}

func newWatches() *watches {
	return &watches{ended: make(chan struct{}), byKey: map[string]map[*watch]struct{}{}}
}

// end makes every Next fail, now and later.
func (ws *watches) end() { ws.once.Do(func() { close(ws.ended) }) }

func (ws *watches) add(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.byKey[w.key] == nil {
		ws.byKey[w.key] = map[*watch]struct{}{}
	}
	ws.byKey[w.key][w] = struct{}{}
	ws.count.Add(1)
}

func (ws *watches) remove(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.byKey[w.key], w)
	if len(ws.byKey[w.key]) == 0 {
		delete(ws.byKey, w.key)
	}
	ws.count.Add(-1)
}

// tell signals that key may have changed. It is called after the commit: a
// watch that is added later looks at what was committed by itself.
func (ws *watches) tell(key string) {
	if ws.count.Load() == 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.byKey[key] {
		select {
		case w.signal <- struct{}{}:
		default: // one that waits is enough
		}
	}
}
