package apollo

import (
	"context"
	"slices"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// pollKey is whom a long poll is for. Labels share one: Apollo announces
// changes of a namespace whatever the label.
type pollKey struct{ app, cluster string }

func keyOf(ref backends.GroupRef) pollKey { return pollKey{ref.App, ref.Cluster} }

// enlist puts a group into a poll with room for it, or into a new one. The
// caller holds the store's lock.
func (s *Store) enlist(g *group) error {
	key := keyOf(g.ref)
	for _, p := range s.polls[key] {
		if p.size() < groupsPerAsk {
			p.add(g)
			return nil
		}
	}
	if s.pollCount >= maxPolls {
		return problem.New(problem.Overloaded, "the gateway watches %d apps and clusters already", maxPolls)
	}
	s.pollCount++
	p := &poll{
		store: s, key: key,
		members: map[*group]struct{}{}, ids: map[string]int64{}, resync: s.nextResync(),
	}
	p.ctx, p.end = context.WithCancel(s.lifetime)
	p.add(g)
	s.polls[key] = append(s.polls[key], p)
	s.running.Go(p.run)
	return nil
}

// endPoll ends a poll without members. The caller holds the store's lock.
func (s *Store) endPoll(p *poll) {
	p.end()
	s.pollCount--
	others := slices.DeleteFunc(s.polls[p.key], func(other *poll) bool { return other == p })
	if s.polls[p.key] = others; len(others) == 0 {
		delete(s.polls, p.key)
	}
}

func (p *poll) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.members)
}

// add lets a group in. It is asked about anew, so that a change between its
// load and now is seen.
func (p *poll) add(g *group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members[g] = struct{}{}
	p.ids[g.ref.Group] = unknownID
	p.unasked = true
	if p.stop != nil {
		time.AfterFunc(p.store.timing.settle, p.interrupt)
	}
}

// interrupt ends a question that leaves a group out.
func (p *poll) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unasked && p.stop != nil {
		p.stop(errJoined)
	}
}

// remove lets a group go and says whether it was the last one.
func (p *poll) remove(g *group) (last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ours := p.members[g]; !ours {
		return false
	}
	delete(p.members, g)
	for other := range p.members {
		if other.ref.Group == g.ref.Group { // under another label
			return false
		}
	}
	delete(p.ids, g.ref.Group)
	return len(p.members) == 0
}
