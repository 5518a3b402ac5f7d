package apollo

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ottogate/ottogate/backends"
)

// group is what is known about one group.
type group struct {
	ref     backends.GroupRef
	current atomic.Pointer[version]

	confirmed atomic.Int64 // when Apollo last said what is current, Unix nanoseconds
	stale     atomic.Bool  // the last contact about this group failed

	disk sync.Mutex // held while the group's file is written or removed

	mu         sync.Mutex
	refreshing bool     // a goroutine of refresh.go owns this group
	again      bool     // it shall fetch once more when it is done
	news       messages // what the polls said, for the next fetch
}

// version is the content of a group from one moment to the next. It never
// changes; when another has taken its place, replaced is closed, which wakes
// everybody who waits for a change.
type version struct {
	snapshot *backends.Snapshot // nil = the group is gone
	replaced chan struct{}
}

func newGroup(ref backends.GroupRef, snapshot *backends.Snapshot, confirmed time.Time, stale bool) *group {
	g := &group{ref: ref, news: messages{}}
	g.current.Store(&version{snapshot: snapshot, replaced: make(chan struct{})})
	g.confirmed.Store(confirmed.UnixNano())
	g.stale.Store(stale)
	return g
}

// read is v as of now.
func (g *group) read(v *version) (backends.ConfigReading, error) {
	if v.snapshot == nil {
		return backends.ConfigReading{}, noSuchGroup(g.ref)
	}
	age := max(0, time.Since(time.Unix(0, g.confirmed.Load())))
	return backends.ConfigReading{Snapshot: v.snapshot, Age: age, Stale: g.stale.Load()}, nil
}

// confirm notes that Apollo has just said that the group is as it is here.
func (g *group) confirm(now time.Time) {
	g.confirmed.Store(now.UnixNano())
	g.stale.Store(false)
}

// replace makes snapshot the content and wakes the waiting; nil = gone.
func (g *group) replace(snapshot *backends.Snapshot) {
	old := g.current.Swap(&version{snapshot: snapshot, replaced: make(chan struct{})})
	close(old.replaced)
}
