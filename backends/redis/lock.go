package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Locker grants leases, each step one script in one round trip. On Redis this
// is mutual exclusion while Redis and its clock behave; what guards data is
// the fence.
type Locker struct{ conn *Conn }

var (
	_ backends.Locker = (*Locker)(nil)
	_ backends.Prober = (*Locker)(nil)
)

// lastKept is how long the last holder and fence outlive a lease: a day, and
// what a clock may be off.
const lastKept = 25 * time.Hour

// Acquire grants the lease; the holder itself gets it again.
func (l *Locker) Acquire(ctx context.Context, resource string, holder backends.Holder, ttl time.Duration) (backends.Lease, error) {
	return l.lease(ctx, acquireScript, resource, holder, ttl)
}

// Renew sets the time left of the holder's own lease.
func (l *Locker) Renew(ctx context.Context, resource string, holder backends.Holder, ttl time.Duration) (backends.Lease, error) {
	return l.lease(ctx, renewScript, resource, holder, ttl)
}

// Release gives the holder's own lease up.
func (l *Locker) Release(ctx context.Context, resource string, holder backends.Holder) error {
	_, err := l.run(ctx, releaseScript, writing, resource, holder.App, holder.Owner)
	return err
}

// Inspect tells the present lease.
func (l *Locker) Inspect(ctx context.Context, resource string) (backends.Lease, error) {
	return l.run(ctx, inspectScript, reading, resource)
}

// Probe fails where Redis may evict keys: a lock could be lost, or its fence.
func (l *Locker) Probe(ctx context.Context) error { return l.conn.probeKeeping(ctx) }

func (l *Locker) lease(ctx context.Context, s script, resource string, holder backends.Holder, ttl time.Duration) (backends.Lease, error) {
	return l.run(ctx, s, writing, resource,
		holder.App, holder.Owner, wholeMilliseconds(ttl), wholeMilliseconds(ttl+lastKept))
}

func (l *Locker) run(ctx context.Context, s script, kind effect, resource string, args ...any) (backends.Lease, error) {
	answer, err := s.run(ctx, l.conn, kind, lockKeys(resource), args...)
	if err != nil {
		return backends.Lease{}, err
	}
	verdict, lease, err := parseLease(answer)
	if err != nil {
		return backends.Lease{}, err
	}
	return lease, refusal(verdict, lease)
}

// refusal is the problem that a script's verdict stands for.
func refusal(verdict string, lease backends.Lease) error {
	switch verdict {
	case "ok":
		return nil
	case "held":
		held := problem.New(problem.LockHeld, "another owner holds the lock")
		held.RetryAfter = lease.TTL
		return held
	case "other":
		return problem.New(problem.NotOwner, "another owner holds the lock")
	case "expired":
		return problem.New(problem.LeaseExpired, "the lease has ended and nobody has taken the lock since")
	case "none":
		return problem.New(problem.NoSuchLock, "nobody holds the lock")
	}
	return badAnswer(verdict)
}

// parseLease reads {verdict, app, owner, fence, ms left}; a verdict about no
// lease stands alone.
func parseLease(answer any) (verdict string, lease backends.Lease, err error) {
	parts, ok := answer.([]any)
	if !ok || len(parts) == 0 {
		return "", lease, badAnswer(answer)
	}
	verdict, _ = parts[0].(string)
	if len(parts) == 1 {
		return verdict, lease, nil
	}
	if len(parts) != 5 {
		return "", lease, badAnswer(answer)
	}
	app, _ := parts[1].(string)
	owner, _ := parts[2].(string)
	digits, _ := parts[3].(string)
	left, _ := parts[4].(int64)
	fence, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return "", lease, badAnswer(answer)
	}
	lease = backends.Lease{Holder: backends.Holder{App: app, Owner: owner}, Fence: fence, TTL: milliseconds(left)}
	return verdict, lease, nil
}

// lockKeys are the keys of a resource: the lease, which expires by itself,
// and what is remembered of the last one. The braces put both into one slot
// of a Cluster, so the resource must not close them.
func lockKeys(resource string) []string {
	inner := strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D").Replace(resource)
	return []string{fmt.Sprintf("ottogate:lock:{%s}:lease", inner), fmt.Sprintf("ottogate:lock:{%s}:last", inner)}
}
