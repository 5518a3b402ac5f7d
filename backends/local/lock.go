package local

import (
	"context"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Locker grants leases by the wall clock of this machine. A grant stands on
// disk before it is told, so a restart forgets neither holders nor fences.
type Locker struct{ db *DB }

var _ backends.Locker = (*Locker)(nil)

// Acquire implements backends.Locker.
func (l *Locker) Acquire(ctx context.Context, resource string, holder backends.Holder, ttl time.Duration) (backends.Lease, error) {
	if err := grantable(resource, holder); err != nil {
		return backends.Lease{}, err
	}
	return commit(ctx, l.db, len(resource), func(tx *bolt.Tx) (backends.Lease, error) {
		present := now()
		last, err := readGrant(tx, resource)
		if err != nil {
			return backends.Lease{}, err
		}
		switch {
		case !last.live(present):
			last.fence = nextFence(tx, last.fence, present)
		case last.holder != holder:
			return backends.Lease{}, errHeld(present.until(last.until))
		}
		last.holder, last.until = holder, present.after(ttl)
		return last.lease(present), writeGrant(tx, resource, last)
	})
}

// Renew implements backends.Locker.
func (l *Locker) Renew(ctx context.Context, resource string, holder backends.Holder, ttl time.Duration) (backends.Lease, error) {
	return commit(ctx, l.db, len(resource), func(tx *bolt.Tx) (backends.Lease, error) {
		present := now()
		own, err := ownGrant(tx, resource, holder, present)
		if err != nil {
			return backends.Lease{}, err
		}
		own.until = present.after(ttl)
		return own.lease(present), writeGrant(tx, resource, own)
	})
}

// Release implements backends.Locker. The holder and its fence stay known.
func (l *Locker) Release(ctx context.Context, resource string, holder backends.Holder) error {
	_, err := commit(ctx, l.db, len(resource), func(tx *bolt.Tx) (struct{}, error) {
		present := now()
		own, err := ownGrant(tx, resource, holder, present)
		if problem.CodeOf(err) == problem.LeaseExpired {
			err = errNoLock()
		}
		if err != nil {
			return struct{}{}, err
		}
		own.until = present
		return struct{}{}, writeGrant(tx, resource, own)
	})
	return err
}

// Inspect implements backends.Locker.
func (l *Locker) Inspect(ctx context.Context, resource string) (backends.Lease, error) {
	var lease backends.Lease
	err := l.db.view(ctx, func(tx *bolt.Tx) error {
		present := now()
		last, err := readGrant(tx, resource)
		if err != nil {
			return err
		}
		if !last.live(present) {
			return errNoLock()
		}
		lease = last.lease(present)
		return nil
	})
	return lease, err
}

// ownGrant reads the lease that holder has now, or says why it has none.
func ownGrant(tx *bolt.Tx, resource string, holder backends.Holder, present micros) (grant, error) {
	last, err := readGrant(tx, resource)
	switch {
	case err != nil:
		return grant{}, err
	case last.live(present) && last.holder == holder:
		return last, nil
	case last.live(present):
		return grant{}, problem.New(problem.NotOwner, "another owner holds the lock")
	case last.holder == holder && last.remembered(present):
		return grant{}, problem.New(problem.LeaseExpired, "the lease has ended")
	default:
		return grant{}, errNoLock()
	}
}

// grantable refuses what a stored grant cannot hold.
func grantable(resource string, holder backends.Holder) error {
	if err := storable(resource); err != nil {
		return err
	}
	if len(holder.App) > maxName || len(holder.Owner) > maxName {
		return problem.New(problem.InvalidName, "the owner's name is too long")
	}
	return nil
}

func errHeld(left time.Duration) error {
	return &problem.Error{Code: problem.LockHeld, Detail: "another owner holds the lock", RetryAfter: left}
}

func errNoLock() error {
	return problem.New(problem.NoSuchLock, "nobody holds this lock")
}
