package apollo

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/devstack"
)

func files(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func newDisk(t *testing.T, folder string) *disk {
	t.Helper()
	d, err := openDisk(folder, "http://apollo")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var keptRef = backends.GroupRef{App: "demo", Group: "application", Cluster: "default"}

func TestSnapshotsAreForTheOwnerOnly(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "snapshots")
	store := openStore(t, quick, Config{ConfigService: startApollo(t, devstack.ApolloConfig{}).URL(), Snapshots: folder})
	read(t, store, application)
	eventually(t, "the file is written", func() bool { return len(files(t, folder)) == 1 })
	for path, want := range map[string]os.FileMode{folder: 0o700, files(t, folder)[0]: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, want %v (%v)", path, info.Mode().Perm(), want, err)
		}
	}
}

func TestAKeptGroupIsNotSentAgain(t *testing.T) {
	folder := t.TempDir()
	gate := startGate(t, startApollo(t, devstack.ApolloConfig{}).URL())
	first := openStore(t, quick, Config{ConfigService: gate.URL, Snapshots: folder})
	want := read(t, first, application)
	_ = first.Close()
	second := openStore(t, quick, Config{ConfigService: gate.URL, Snapshots: folder})
	got := read(t, second, application)
	if got.Stale || got.Version != want.Version || !maps.Equal(got.Items, want.Items) {
		t.Errorf("after a restart %+v, want %+v", got, want)
	}
	if sent := gate.count("/configs 200"); sent != 1 {
		t.Errorf("the content was sent %d times, want once", sent)
	}
}

func TestTheAgeOfAKeptGroupIsKept(t *testing.T) {
	folder := t.TempDir()
	d := newDisk(t, folder)
	d.write(&backends.Snapshot{Ref: keptRef, Version: "1", Items: map[string]string{"k": "v"}}, silent)
	d.touch(keptRef, time.Now().Add(-time.Hour))
	store := openStore(t, quick, Config{ConfigService: "http://127.0.0.1:1", Snapshots: folder})
	store.disk = d // of an Apollo with another name, which is down
	if got := read(t, store, application); !got.Stale || got.Age < time.Hour || got.Age > time.Hour+time.Minute {
		t.Errorf("stale %v, age %v, want an hour", got.Stale, got.Age)
	}
}

func TestFilesOfNoUseAreIgnored(t *testing.T) {
	d := newDisk(t, t.TempDir())
	d.write(&backends.Snapshot{Ref: keptRef, Version: "1", Items: map[string]string{"k": "v"}}, silent)
	whole, err := os.ReadFile(d.path(keptRef))
	if err != nil {
		t.Fatal(err)
	}
	other := keptRef
	other.App = "other"
	for name, content := range map[string][]byte{
		"truncated": whole[:len(whole)/2], "empty": nil, "an object": []byte("{}"), "garbage": []byte("\x00\x01"),
	} {
		if err := os.WriteFile(d.path(keptRef), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if d.read(keptRef, silent) != nil {
			t.Errorf("a file that is %s was read", name)
		}
	}
	if err := os.WriteFile(d.path(other), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if d.read(other, silent) != nil {
		t.Error("the file of another app was read")
	}
}

func TestGroupsDoNotShareAFile(t *testing.T) {
	here, there := newDisk(t, t.TempDir()), &disk{origin: "http://elsewhere"}
	there.folder = here.folder
	paths := map[string]bool{there.path(keptRef): true}
	for _, ref := range []backends.GroupRef{
		keptRef,
		{App: "demo", Group: "application", Cluster: "b"},
		{App: "demo", Group: "b", Cluster: "default"},
		{App: "b", Group: "application", Cluster: "default"},
		{App: "demo", Group: "application", Cluster: "default", Label: "b"},
	} {
		paths[here.path(ref)] = true
	}
	if len(paths) != 6 {
		t.Errorf("6 groups have %d files", len(paths))
	}
}

func TestAFullDiskStopsNoReader(t *testing.T) {
	folder := t.TempDir()
	apollo := startApollo(t, devstack.ApolloConfig{})
	store := openStore(t, quick, Config{ConfigService: apollo.URL(), Snapshots: folder})
	if err := os.RemoveAll(folder); err != nil { // no write can succeed, whoever runs the test
		t.Fatal(err)
	}
	read(t, store, application)
	eventually(t, "the failure is noted", store.disk.failing.Load)
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := apollo.Release("demo", "default", "application", map[string]string{"k": "2"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "files are kept again", func() bool { return len(files(t, folder)) == 1 && !store.disk.failing.Load() })
}

const writerEnv = "OTTOGATE_TEST_SNAPSHOT_WRITER"

// TestSnapshotWriter is the process that TestAKillLeavesNoTornFile kills.
func TestSnapshotWriter(t *testing.T) {
	if os.Getenv(writerEnv) == "" {
		return // a part of the test below
	}
	d := newDisk(t, ".")
	end := time.Now().Add(10 * time.Second) // should nobody be left to kill it
	for n := 0; time.Now().Before(end); n++ {
		items := map[string]string{}
		for i := range 500 {
			items["key-"+strconv.Itoa(i)] = strconv.Itoa(n)
		}
		d.write(&backends.Snapshot{Ref: keptRef, Version: strconv.Itoa(n), Items: items}, silent)
	}
}

func TestAKillLeavesNoTornFile(t *testing.T) {
	folder := t.TempDir()
	d := newDisk(t, folder)
	for round := range 20 {
		writer := exec.Command(os.Args[0], "-test.run=^TestSnapshotWriter$")
		writer.Dir, writer.Env = folder, append(os.Environ(), writerEnv+"=1")
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50*time.Millisecond + time.Duration(round)*3*time.Millisecond)
		_ = writer.Process.Kill()
		_ = writer.Wait()
		if _, err := os.Stat(d.path(keptRef)); err != nil {
			continue // killed before its first file
		}
		if err := whole(d.read(keptRef, silent)); err != nil {
			t.Fatalf("after kill %d: %v", round, err)
		}
	}
	if d.read(keptRef, silent) == nil {
		t.Fatal("no writer lived long enough to write")
	}
}

// whole checks that all items are of one version.
func whole(found *kept) error {
	if found == nil {
		return fmt.Errorf("the file is of no use")
	}
	if len(found.snapshot.Items) != 500 {
		return fmt.Errorf("%d items", len(found.snapshot.Items))
	}
	for key, value := range found.snapshot.Items {
		if value != found.snapshot.Version {
			return fmt.Errorf("%s is %s in version %s", key, value, found.snapshot.Version)
		}
	}
	return nil
}
