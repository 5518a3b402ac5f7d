package backends

import (
	"context"
	"time"
)

// Locker grants leases. A resource is held by at most one Holder at a time as
// long as the backend and its clock behave; what guards data beyond that is
// the fence, which is strictly larger with every new grant of a resource, also
// after expiry, restart and loss of the store's content.
type Locker interface {
	// Acquire grants the lease or fails at once with problem.LockHeld, whose
	// RetryAfter is the time left of the present lease. The holder itself
	// gets the same fence again and a renewed ttl, so that a lost reply can
	// be retried.
	Acquire(ctx context.Context, resource string, holder Holder, ttl time.Duration) (Lease, error)

	// Renew sets the time left of holder's own lease: problem.NotOwner when
	// another holds it; problem.LeaseExpired when holder was the last to hold
	// it and nobody does now (remembered for 24 h); problem.NoSuchLock else.
	Renew(ctx context.Context, resource string, holder Holder, ttl time.Duration) (Lease, error)

	// Release gives holder's own lease up: problem.NotOwner when another
	// holds it, problem.NoSuchLock when nobody does.
	Release(ctx context.Context, resource string, holder Holder) error

	// Inspect tells the present lease, or problem.NoSuchLock.
	Inspect(ctx context.Context, resource string) (Lease, error)
}

// Holder is who holds a lock: an owner's name within an app.
type Holder struct{ App, Owner string }

// Lease is a granted lock.
type Lease struct {
	Holder Holder
	Fence  uint64
	TTL    time.Duration // time left, by the store's clock
}
