package apollo

import (
	"time"

	"github.com/ottogate/ottogate/backends"
)

// sweep lets go, again and again, of what nobody reads or watches any more.
func (s *Store) sweep() {
	tick := time.NewTicker(s.timing.idle)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.evict()
		case <-s.lifetime.Done():
			return
		}
	}
}

// evict lets go of the groups that nobody has read since the last time. The
// next reader of one loads it anew. Its file stays for a start without Apollo,
// unless it is of a cluster or label: those may be made up. While Apollo is
// away nothing could be loaded anew, and every file stays.
func (s *Store) evict() {
	for _, g := range s.takeIdle() {
		if !s.ledger.plain(g.ref) && !g.stale.Load() {
			s.disk.remove(g.ref, s.log)
		}
	}
	s.disk.prune(maxFiles, s.held, s.log)
}

// takeIdle takes the idle groups out of the store and ends polls that are left
// without any.
func (s *Store) takeIdle() (idle []*group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		if g.retire() {
			idle = append(idle, g)
		}
	}
	for _, g := range idle {
		s.release(g)
	}
	return idle
}

// release takes a group out of memory and of its poll. The caller holds the
// store's lock.
func (s *Store) release(g *group) {
	if s.groups[g.ref] != g {
		return
	}
	delete(s.groups, g.ref)
	s.ledger.give(g.ref)
	for _, p := range s.polls[keyOf(g.ref)] {
		if p.remove(g) {
			s.endPoll(p)
			return // which has changed the list
		}
	}
}

// held lists the groups in memory.
func (s *Store) held() []backends.GroupRef {
	s.mu.RLock()
	defer s.mu.RUnlock()
	refs := make([]backends.GroupRef, 0, len(s.groups))
	for ref := range s.groups {
		refs = append(refs, ref)
	}
	return refs
}
