package apollo

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/devstack"
	"github.com/ottogate/ottogate/problem"
)

func release(t *testing.T, apollo *devstack.Apollo, app, group, value string) backends.GroupRef {
	t.Helper()
	if _, err := apollo.Release(app, "default", group, map[string]string{"k": value}); err != nil {
		t.Fatal(err)
	}
	return backends.GroupRef{App: app, Group: group}
}

// flood reads every ref from 50 readers and counts what they were answered.
func flood(store *Store, t *testing.T, refs []backends.GroupRef) map[problem.Code]int {
	t.Helper()
	answers := map[problem.Code]int{}
	work := make(chan backends.GroupRef)
	var mu sync.Mutex
	var readers sync.WaitGroup
	for range 50 {
		readers.Go(func() {
			for ref := range work {
				_, err := store.Group(t.Context(), ref)
				mu.Lock()
				answers[problem.CodeOf(err)]++
				mu.Unlock()
			}
		})
	}
	for _, ref := range refs {
		work <- ref
	}
	close(work)
	readers.Wait()
	return answers
}

// TestMadeUpPlacesOfOneAppLeaveTheOthersAlone: Apollo answers for a cluster
// that it does not have with the default one, and for any label.
func TestMadeUpPlacesOfOneAppLeaveTheOthersAlone(t *testing.T) {
	for name, made := range map[string]func(ref *backends.GroupRef, n string){
		"clusters": func(ref *backends.GroupRef, n string) { ref.Cluster = "x" + n },
		"labels":   func(ref *backends.GroupRef, n string) { ref.Label = "x" + n },
	} {
		t.Run(name, func(t *testing.T) {
			apollo, folder := startApollo(t, devstack.ApolloConfig{}), t.TempDir()
			store := openStore(t, quick, Config{ConfigService: apollo.URL(), Snapshots: folder})
			read(t, store, application)
			before := runtime.NumGoroutine()
			refs := make([]backends.GroupRef, 2_000)
			for i := range refs {
				refs[i] = application
				made(&refs[i], strconv.Itoa(i))
			}
			answers := flood(store, t, refs)
			if answers[""] != maxVariants || answers[problem.Overloaded] != len(refs)-maxVariants {
				t.Errorf("answers by code: %v, want %d successes and the others refused", answers, maxVariants)
			}
			if more := runtime.NumGoroutine() - before; more > 15*maxVariants { // client and server are in this process
				t.Errorf("%d goroutines more", more)
			}
			eventually(t, "no more snapshots than groups", func() bool { return len(files(t, folder)) == 1+maxVariants })
			for i := range 50 {
				read(t, store, release(t, apollo, "other", "g"+strconv.Itoa(i), "1"))
			}
			read(t, store, release(t, apollo, "demo", "another", "1"))
		})
	}
}

func TestGroupsOfAnAppAreBounded(t *testing.T) {
	apollo := startApollo(t, devstack.ApolloConfig{})
	store := openStore(t, quick, Config{ConfigService: apollo.URL()})
	refs := make([]backends.GroupRef, maxPlain+20)
	for i := range refs {
		refs[i] = release(t, apollo, "demo", "g"+strconv.Itoa(i), "1")
	}
	if answers := flood(store, t, refs); answers[""] != maxPlain || answers[problem.Overloaded] != 20 {
		t.Errorf("answers by code: %v", answers)
	}
	varied := make([]backends.GroupRef, 0, maxVaried+20)
	for i := range cap(varied) {
		varied = append(varied, backends.GroupRef{App: "demo", Group: "g" + strconv.Itoa(i%50), Label: strconv.Itoa(i / 50)})
	}
	if answers := flood(store, t, varied); answers[""] != maxVaried || answers[problem.Overloaded] != 20 {
		t.Errorf("answers by code, with labels: %v", answers)
	}
	read(t, store, release(t, apollo, "other", "application", "1"))
}

func TestWhatIsNotThereTakesNoRoom(t *testing.T) {
	store := openStore(t, quick, Config{ConfigService: startApollo(t, devstack.ApolloConfig{}).URL()})
	for i := range maxPlain + maxVariants {
		n := strconv.Itoa(i)
		for _, ref := range []backends.GroupRef{{App: "demo", Group: "no" + n}, {App: "no" + n, Group: "application"}, {App: "demo", Group: "no", Cluster: "c" + n}} {
			if _, err := store.Group(t.Context(), ref); problem.CodeOf(err) != problem.NoSuchGroup {
				t.Fatalf("%+v: %v", ref, err)
			}
		}
	}
	if len(store.groups)+store.pollCount+len(store.ledger.apps) != 0 {
		t.Errorf("%d groups, %d polls, %d apps counted", len(store.groups), store.pollCount, len(store.ledger.apps))
	}
}

func TestIdleGroupsAreLetGoOf(t *testing.T) {
	apollo, folder := startApollo(t, devstack.ApolloConfig{}), t.TempDir()
	store := openStore(t, quick, Config{ConfigService: apollo.URL(), Snapshots: folder})
	before := runtime.NumGoroutine()
	refs := []backends.GroupRef{application}
	for i := range groupsPerAsk + 10 {
		refs = append(refs, release(t, apollo, "demo", "g"+strconv.Itoa(i), "1"))
	}
	plain := len(refs)
	for i := range maxVariants / 2 {
		n := strconv.Itoa(i)
		refs = append(refs, backends.GroupRef{App: "demo", Group: "application", Cluster: "c" + n}, backends.GroupRef{App: "demo", Group: "application", Label: "l" + n})
	}
	for _, ref := range refs {
		read(t, store, ref)
	}
	eventually(t, "all are on disk", func() bool { return len(files(t, folder)) == len(refs) })
	store.evict()
	if len(store.held()) != len(refs) {
		t.Fatalf("%d groups left, although all have just been read", len(store.held()))
	}
	read(t, store, application)
	eventually(t, "only what was read is there", func() bool { store.evict(); read(t, store, application); return len(store.held()) == 1 })
	eventually(t, "the polls have ended", func() bool {
		store.client.close() // its idle connections have goroutines too
		return runtime.NumGoroutine() < before+10
	})
	if store.pollCount != 1 || len(store.polls) != 1 {
		t.Errorf("%d polls of %d keys left", store.pollCount, len(store.polls))
	}
	for _, p := range store.polls[keyOf(store.complete(application))] {
		if p.mu.Lock(); len(p.ids) != 1 {
			t.Errorf("the poll remembers %v", p.ids)
		}
		p.mu.Unlock()
	}
	if kept := len(files(t, folder)); kept != plain {
		t.Errorf("%d snapshots on disk, want the %d of the default place", kept, plain)
	}
	read(t, store, backends.GroupRef{App: "demo", Group: "application", Cluster: "one-more"})
	_, err := apollo.Release("demo", "default", "g1", map[string]string{"k": "2"})
	if got := read(t, store, refs[2]).Items["k"]; err != nil || got != "2" {
		t.Errorf("read again: %q, want what was released meanwhile (%v)", got, err)
	}
	release(t, apollo, "demo", "g1", "3")
	eventually(t, "its changes are followed again", func() bool { return read(t, store, refs[2]).Items["k"] == "3" })
}

func TestTheSweepRunsByItself(t *testing.T) {
	timing := quick
	timing.idle = 20 * time.Millisecond
	store := openStore(t, timing, Config{ConfigService: startApollo(t, devstack.ApolloConfig{}).URL()})
	read(t, store, application)
	eventually(t, "the group is let go of", func() bool { return len(store.held()) == 0 })
}

func TestAWatchedGroupStays(t *testing.T) {
	apollo := startApollo(t, devstack.ApolloConfig{})
	store := openStore(t, quick, Config{ConfigService: apollo.URL()})
	version := read(t, store, application).Version
	seen := make(chan backends.ConfigReading, 1)
	go func() {
		if reading, err := store.Changed(t.Context(), application, version); err == nil {
			seen <- reading
		}
	}()
	g := store.groups[store.complete(application)]
	eventually(t, "the watch has begun", func() bool { return g.watchers.Load() == 1 })
	for range 3 {
		store.evict()
	}
	release(t, apollo, "demo", "application", "2")
	select {
	case reading := <-seen:
		if reading.Items["k"] != "2" {
			t.Errorf("the watcher got %v", reading.Items)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the watcher saw nothing")
	}
	eventually(t, "the group goes when its watcher has gone", func() bool { store.evict(); return len(store.held()) == 0 })
}

// TestAWatchOfAGroupThatJustWentLoadsItAnew: nobody would follow the old one.
func TestAWatchOfAGroupThatJustWentLoadsItAnew(t *testing.T) {
	store := openStore(t, quick, Config{ConfigService: startApollo(t, devstack.ApolloConfig{}).URL()})
	read(t, store, application)
	old := store.groups[store.complete(application)]
	eventually(t, "the group is let go of", func() bool { store.evict(); return len(store.held()) == 0 })
	if store.hold(old) {
		t.Error("a group that is not followed any more can be watched")
	}
	g, err := store.watch(t.Context(), application)
	if err != nil || g == old {
		t.Fatalf("watching %p after %p (%v)", g, old, err)
	}
	g.leave()
}

// TestAGroupThatIsLetGoOfIsNotRenewed: a failing one would be tried for ever.
func TestAGroupThatIsLetGoOfIsNotRenewed(t *testing.T) {
	apollo := startApollo(t, devstack.ApolloConfig{})
	store := openStore(t, quick, Config{ConfigService: apollo.URL()})
	read(t, store, application)
	g := store.groups[store.complete(application)]
	eventually(t, "the first poll is over", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.news) > 0 && !g.refreshing })
	_ = apollo.Stop()
	ended := make(chan struct{})
	store.running.Go(func() { store.renew(g); close(ended) })
	eventually(t, "it fails", g.stale.Load)
	eventually(t, "the group is let go of", func() bool { store.evict(); return len(store.held()) == 0 })
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("it is still being fetched")
	}
}

func TestNoSnapshotGoesWhileApolloIsAway(t *testing.T) {
	apollo, folder := startApollo(t, devstack.ApolloConfig{}), t.TempDir()
	store := openStore(t, quick, Config{ConfigService: apollo.URL(), Snapshots: folder})
	gray := application
	gray.Label = "gray"
	read(t, store, gray)
	eventually(t, "the file is written", func() bool { return len(files(t, folder)) == 1 })
	_ = apollo.Stop()
	eventually(t, "the mark", func() bool { return read(t, store, gray).Stale })
	eventually(t, "the group is let go of", func() bool { store.evict(); return len(store.held()) == 0 })
	if got := read(t, store, gray); !got.Stale || got.Items["greeting"] != "hello" {
		t.Errorf("from disk: %v, stale %v", got.Items, got.Stale)
	}
}

func TestTheOldestSnapshotsThatNobodyReadsArePruned(t *testing.T) {
	d := newDisk(t, t.TempDir())
	ref := func(i int) backends.GroupRef {
		return backends.GroupRef{App: "demo", Cluster: "default", Group: "g" + strconv.Itoa(i)}
	}
	for i := range 10 {
		d.write(&backends.Snapshot{Ref: ref(i), Version: "1", Items: map[string]string{}}, silent)
		d.touch(ref(i), time.Now().Add(time.Duration(i-10)*time.Hour))
	}
	held := func() []backends.GroupRef { return []backends.GroupRef{ref(0)} }
	d.prune(10, held, silent)
	if kept := len(files(t, d.folder)); kept != 10 {
		t.Fatalf("%d files left of 10 allowed", kept)
	}
	d.prune(6, held, silent)
	for i := range 10 {
		_, err := os.Stat(d.path(ref(i)))
		if kept, want := err == nil, i == 0 || i > 4; kept != want {
			t.Errorf("file %d, the oldest but %d: kept %v", i, i, kept)
		}
	}
}
