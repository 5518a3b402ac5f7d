package apollo

import (
	"context"
	"errors"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// load is the first load of a group, which all its readers wait for.
type load struct {
	done  chan struct{}
	group *group
	err   error
}

// find gives a group from memory. The first reader of a group makes it be
// loaded; it and all who come meanwhile wait for that one load, each no longer
// than its own ctx. The load goes on when they leave.
func (s *Store) find(ctx context.Context, ref backends.GroupRef) (*group, error) {
	ref = s.complete(ref)
	s.mu.RLock()
	known := s.groups[ref]
	s.mu.RUnlock()
	if known != nil {
		known.use()
		return known, nil
	}
	if err := check(ref); err != nil {
		return nil, err
	}
	pending, err := s.join(ref) //nolint:contextcheck // the load is everybody's: it outlives its first reader
	if err != nil {
		return nil, err
	}
	select {
	case <-pending.done:
		return pending.group, pending.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// watch is find for a reader who stays: the group is not let go of until leave.
func (s *Store) watch(ctx context.Context, ref backends.GroupRef) (*group, error) {
	for {
		g, err := s.find(ctx, ref)
		if err != nil || s.hold(g) {
			return g, err
		}
	}
}

// hold counts a watcher, unless the group was let go of since it was found.
func (s *Store) hold(g *group) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if g.retired.Load() {
		return false
	}
	g.watchers.Add(1)
	return true
}

// join finds the load that brings ref, or begins one.
func (s *Store) join(ref backends.GroupRef) (*load, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pending := s.loads[ref]; pending != nil {
		return pending, nil
	}
	if known := s.groups[ref]; known != nil { // loaded since find looked
		return loaded(known), nil
	}
	if err := s.admit(ref); err != nil {
		return nil, err
	}
	pending := &load{done: make(chan struct{})}
	s.loads[ref] = pending
	s.running.Go(func() { s.run(pending, ref) })
	return pending, nil
}

func loaded(known *group) *load {
	done := make(chan struct{})
	close(done)
	return &load{done: done, group: known}
}

// admit refuses loads that are known to lead to nothing or to too much, and
// counts in the others.
func (s *Store) admit(ref backends.GroupRef) error {
	switch {
	case s.closed:
		return errClosed()
	case time.Now().Before(s.absent[ref]):
		return noSuchGroup(ref)
	case len(s.groups)+len(s.loads) >= maxGroups:
		return problem.New(problem.Overloaded, "the gateway holds %d configuration groups already", maxGroups)
	}
	return s.ledger.take(ref)
}

// run carries out a load: from Apollo, else from disk.
func (s *Store) run(pending *load, ref backends.GroupRef) {
	kept := s.disk.read(ref, s.log)
	limit := s.timing.load
	if kept != nil {
		limit = s.timing.patience
	}
	ctx, cancel := context.WithTimeout(s.lifetime, limit)
	defer cancel()
	snapshot, err := s.client.fetch(ctx, ref, kept.base(), nil)
	found, err := s.judge(ctx, ref, kept, snapshot, err)
	if err == nil {
		err = s.adopt(found)
	}
	s.mu.Lock()
	delete(s.loads, ref)
	if err != nil {
		s.ledger.give(ref)
	}
	s.mu.Unlock()
	if pending.err = err; err == nil {
		pending.group = found
	}
	close(pending.done)
	if err == nil && !found.stale.Load() {
		s.keep(found)
	}
}

// judge makes a group of what Apollo answered and what the disk held.
func (s *Store) judge(ctx context.Context, ref backends.GroupRef, kept *kept, snapshot *backends.Snapshot, err error) (*group, error) {
	switch {
	case err == nil:
		return newGroup(ref, snapshot, time.Now(), false), nil
	case kept != nil && errors.Is(err, errUnmodified):
		return newGroup(ref, kept.snapshot, time.Now(), false), nil
	case errors.Is(err, errAbsent) || kept == nil && errors.Is(err, errForeignAbsent):
		s.disk.remove(ref, s.log)
		s.remember(ref)
		return nil, noSuchGroup(ref)
	case kept != nil && s.lifetime.Err() == nil:
		s.log.Warn("apollo: reading the last known good content from disk", "app", ref.App, "group", ref.Group, "error", err)
		return newGroup(ref, kept.snapshot, kept.confirmed, true), nil
	case s.lifetime.Err() != nil:
		return nil, errClosed()
	default:
		s.log.Debug("apollo: a group cannot be loaded", "app", ref.App, "group", ref.Group, "error", err)
		return nil, classify(ctx, err)
	}
}

// adopt lets a group in: from here on it is read from memory and kept up to
// date by a poll.
func (s *Store) adopt(found *group) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	if err := s.enlist(found); err != nil {
		return err
	}
	s.groups[found.ref] = found
	return nil
}

// remember notes for a moment that Apollo does not have ref.
func (s *Store) remember(ref backends.GroupRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.absent) >= maxAbsent {
		clear(s.absent) // most have expired; the others cost Apollo one question each
	}
	s.absent[ref] = time.Now().Add(s.timing.absent)
}

// drop forgets a group that is gone. The next reader asks Apollo again.
func (s *Store) drop(g *group) {
	s.remember(g.ref)
	s.mu.Lock()
	s.release(g)
	s.mu.Unlock()
	g.replace(nil)
	s.keep(g)
}
