package apollo

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// refresh makes a group be fetched, by one goroutine at a time however often
// it is called. news are what the poll said.
func (s *Store) refresh(g *group, news messages) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.news.merge(news)
	if g.again = g.refreshing; g.refreshing {
		return
	}
	g.refreshing = true
	s.running.Go(func() { s.renew(g) }) // called by goroutines that running counts
}

// renew fetches a group until it has what Apollo has. A failure of one group
// holds up no other.
func (s *Store) renew(g *group) {
	retry := pause{min: s.timing.retryMin, max: s.timing.retryMax}
	for {
		err := s.fetch(g)
		switch {
		case s.lifetime.Err() != nil || g.retired.Load():
			return
		case errors.Is(err, errAbsent):
			s.log.Info("apollo: a group is gone", "app", g.ref.App, "group", g.ref.Group)
			s.drop(g)
			return
		case err != nil:
			if !g.stale.Swap(true) {
				s.log.Warn("apollo: a group cannot be renewed", "app", g.ref.App, "group", g.ref.Group, "error", err)
			}
			retry.wait(s.lifetime)
		case g.settled():
			return
		}
	}
}

// settled ends the refreshing, unless the poll has had news meanwhile.
func (g *group) settled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refreshing, g.again = g.again, false
	return !g.refreshing
}

// fetch asks once and takes the answer over.
func (s *Store) fetch(g *group) error {
	ctx, cancel := context.WithTimeout(s.lifetime, s.timing.load)
	defer cancel()
	base := g.current.Load().snapshot
	snapshot, err := s.client.fetch(ctx, g.ref, base, g.told())
	switch {
	case errors.Is(err, errUnmodified) || err == nil && snapshot.Version == base.Version:
		s.confirm(g, time.Now())
		return nil
	case err != nil:
		return err
	}
	g.confirm(time.Now())
	g.replace(snapshot)
	s.keep(g)
	return nil
}

// told is a copy of what the polls said about the group.
func (g *group) told() messages {
	g.mu.Lock()
	defer g.mu.Unlock()
	news := messages{}
	news.merge(g.news)
	return news
}

// confirm notes on the group and on disk that Apollo has nothing newer.
func (s *Store) confirm(g *group, now time.Time) {
	g.confirm(now)
	if !s.disk.touch(g.ref, now) {
		s.keep(g)
	}
}

// keep makes the disk hold what the group is now.
func (s *Store) keep(g *group) {
	g.disk.Lock()
	defer g.disk.Unlock()
	if g.retired.Load() {
		return
	}
	if snapshot := g.current.Load().snapshot; snapshot != nil {
		s.disk.write(snapshot, s.log)
	} else {
		s.disk.remove(g.ref, s.log)
	}
}

// pause is a wait that doubles, with jitter so that many do not come at once.
type pause struct{ min, max, next time.Duration }

func (p *pause) reset() { p.next = 0 }

// wait sleeps for half to the whole of the next pause, or until ctx ends.
func (p *pause) wait(ctx context.Context) {
	p.next = min(max(2*p.next, p.min), p.max)
	timer := time.NewTimer(p.next/2 + rand.N(p.next/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
