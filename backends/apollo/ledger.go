package apollo

import (
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// What one app may hold. Cluster and label are whatever a caller says, and
// Apollo answers for a cluster that it does not have with the default one:
// without these bounds one caller could make up enough of them to take every
// other app's room. Made-up ones take no room of the plain groups either.
const (
	maxPlain    = 200 // groups on the default cluster without a label
	maxVaried   = 200 // all other groups
	maxVariants = 16  // clusters and labels of those
)

// ledger counts the groups that every app holds or loads. It belongs to
// whoever holds the store's lock.
type ledger struct {
	cluster string // the default one
	apps    map[string]*holding
}

// holding is what one app has.
type holding struct {
	plain, varied int
	variants      map[variant]int // groups of each
}

// variant is where a group is looked for other than at the default place.
type variant struct{ cluster, label string }

func newLedger(cluster string) *ledger {
	return &ledger{cluster: cluster, apps: map[string]*holding{}}
}

// plain says whether ref names no cluster and label of its own.
func (l *ledger) plain(ref backends.GroupRef) bool {
	return ref.Cluster == l.cluster && ref.Label == ""
}

// take counts ref in, or refuses it.
func (l *ledger) take(ref backends.GroupRef) error {
	held := l.apps[ref.App]
	if held == nil {
		held = &holding{variants: map[variant]int{}}
	}
	v := variant{ref.Cluster, ref.Label}
	switch {
	case l.plain(ref) && held.plain >= maxPlain:
		return full("%d groups of this Apollo app are being read already", maxPlain)
	case l.plain(ref):
		held.plain++
	case held.varied >= maxVaried:
		return full("%d groups of this Apollo app are being read with a cluster or label already", maxVaried)
	case held.variants[v] == 0 && len(held.variants) >= maxVariants:
		return full("this Apollo app is being read with %d clusters and labels already", maxVariants)
	default:
		held.varied++
		held.variants[v]++
	}
	l.apps[ref.App] = held
	return nil
}

// give counts ref out.
func (l *ledger) give(ref backends.GroupRef) {
	held := l.apps[ref.App]
	if l.plain(ref) {
		held.plain--
	} else {
		v := variant{ref.Cluster, ref.Label}
		held.varied--
		if held.variants[v]--; held.variants[v] == 0 {
			delete(held.variants, v)
		}
	}
	if held.plain+held.varied == 0 {
		delete(l.apps, ref.App)
	}
}

// roomAgain is what callers are told to wait: what nobody reads is let go of
// after some minutes.
const roomAgain = 30 * time.Second

func full(format string, limit int) error {
	err := problem.New(problem.Overloaded, format, limit)
	err.RetryAfter = roomAgain
	return err
}
