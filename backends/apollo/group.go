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

	used     atomic.Bool  // read since the last look for idle groups
	watchers atomic.Int64 // readers who wait for a change
	retired  atomic.Bool  // let go of: another value may stand for ref by now

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
	g.used.Store(true)
	return g
}

// use notes a reader. Most find it noted and write nothing, so that readers on
// several cores do not take the group's memory from one another.
func (g *group) use() {
	if !g.used.Load() {
		g.used.Store(true)
	}
}

// leave ends a watch.
func (g *group) leave() {
	g.use()
	g.watchers.Add(-1)
}

// retire says whether a group is idle, and marks one that is. One whose file
// is being written is not, so that a retired group has no file under way that
// would replace its successor's. The caller holds the store's lock.
func (g *group) retire() bool {
	if g.used.Swap(false) || g.watchers.Load() > 0 || !g.disk.TryLock() {
		return false
	}
	defer g.disk.Unlock()
	g.retired.Store(true)
	return true
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
