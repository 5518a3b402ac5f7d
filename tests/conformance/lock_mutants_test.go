package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
)

// TestLockMutants: each of these broken lockers is noticed by its check.
func TestLockMutants(t *testing.T) { expectCaught(t, lockMutants()) }

func lockMutants() []mutant[backends.Locker] {
	type locker = backends.Locker
	return []mutant[locker]{
		{"lock-constant-fence", "TestLock/local/fence grows over 50 grants", func(l locker) locker { return constantFence{l} }},
		{"lock-restarting-fence", "TestLock/local/fence is about microseconds of the clock", func(l locker) locker { return restartingFence{l} }},
		{"lock-no-owner-check", "TestLock/local/release by owner, other and for nobody differ", func(l locker) locker { return anyOwner{l} }},
		{"lock-everyone-wins", "TestLock/local/20 parallel tries, one success", func(l locker) locker { return everyoneWins{l} }},
		{"lock-never-expires", "TestLock/local/lease of 1 s is free for another by 2 s", func(l locker) locker { return neverExpires{l} }},
		{"lock-renew-takes", "TestLock/local/expired holder's renew and release are refused", func(l locker) locker { return renewTakes{l} }},
	}
}

type constantFence struct{ backends.Locker }

func (c constantFence) Acquire(ctx context.Context, resource string, holder backends.Holder, ttl time.Duration) (backends.Lease, error) {
	lease, err := c.Locker.Acquire(ctx, resource, holder, ttl)
	lease.Fence = 7
	return lease, err
}

// restartingFence counts from one, as a store does that lost its content.
type restartingFence struct{ backends.Locker }

func (r restartingFence) Acquire(ctx context.Context, resource string, holder backends.Holder, ttl time.Duration) (backends.Lease, error) {
	lease, err := r.Locker.Acquire(ctx, resource, holder, ttl)
	lease.Fence %= 1_000_000
	return lease, err
}

// anyOwner releases whoever holds it.
type anyOwner struct{ backends.Locker }

func (a anyOwner) Release(ctx context.Context, resource string, holder backends.Holder) error {
	if lease, err := a.Inspect(ctx, resource); err == nil {
		holder = lease.Holder
	}
	return a.Locker.Release(ctx, resource, holder)
}

type everyoneWins struct{ backends.Locker }

func (e everyoneWins) Acquire(ctx context.Context, resource string, holder backends.Holder, ttl time.Duration) (backends.Lease, error) {
	return e.Locker.Acquire(ctx, resource+holder.Owner, holder, ttl)
}

type neverExpires struct{ backends.Locker }

func (n neverExpires) Acquire(ctx context.Context, resource string, holder backends.Holder, _ time.Duration) (backends.Lease, error) {
	return n.Locker.Acquire(ctx, resource, holder, time.Hour)
}

// renewTakes grants a free lock to whoever renews it.
type renewTakes struct{ backends.Locker }

func (r renewTakes) Renew(ctx context.Context, resource string, holder backends.Holder, ttl time.Duration) (backends.Lease, error) {
	return r.Acquire(ctx, resource, holder, ttl)
}
