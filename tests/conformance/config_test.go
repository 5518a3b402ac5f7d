package conformance

import (
	"context"
	"maps"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// TestConfig runs on the dev stack's Apollo, without and with an access key,
// and on a real one when APOLLO_CONFIG, APOLLO_PORTAL and APOLLO_TOKEN name it
// (further: APOLLO_APP, APOLLO_ENV, APOLLO_SECRET).
func TestConfig(t *testing.T) {
	conform(t, configDrivers(), configChecks, configMutants)
}

func configDrivers() []driver[*configBed] {
	drivers := []driver[*configBed]{
		{name: "apollo stand-in", open: standIn("")},
		{name: "apollo stand-in with access key", open: standIn("an-access-key-secret")},
	}
	if os.Getenv("APOLLO_CONFIG") != "" {
		drivers = append(drivers, driver[*configBed]{name: "apollo", open: realApollo})
	}
	return drivers
}

func TestConfigSuiteNotices(t *testing.T) { expectCaught(t, configMutants) }

var configChecks = []check[*configBed]{
	{"read a group", func(t *testing.T, bed *configBed) {
		items := map[string]string{"greeting": "hello", "Key.Case": "kept", "empty": "", "big": "9007199254740993", "text": "ü = \n\"x\": \\ <&>"}
		ref := bed.released(t, items)
		reading := readGroup(t, bed.store(t), ref)
		if !maps.Equal(reading.Items, items) || reading.Version == "" || reading.Stale {
			t.Errorf("read %s at %q", describe(reading), reading.Version)
		}
		if reading.Ref.App != ref.App || reading.Ref.Group != ref.Group {
			t.Errorf("it is %+v", reading.Ref)
		}
	}},
	{"a text group is verbatim", func(t *testing.T, bed *configBed) {
		for format, text := range map[string]string{
			"json": "{\"B\":1,\r\n \"a\": 1.50}", "yaml": "n: no\nKey: [1, 2]\n", "xml": "<a B='1'/>", "txt": "two\nlines ",
		} {
			ref := bed.group(t, format)
			bed.release(t, ref, map[string]string{"content": text})
			if reading := readGroup(t, bed.store(t), ref); !maps.Equal(reading.Items, map[string]string{"content": text}) {
				t.Errorf("%s: %q", format, reading.Items)
			}
		}
	}},
	{"a group that is not there", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		for _, ref := range []backends.GroupRef{
			{App: bed.app, Group: "never.made"}, {App: "no-such-app", Group: "application"}, bed.group(t, "properties"),
		} {
			if _, err := store.Group(t.Context(), ref); problem.CodeOf(err) != problem.NoSuchGroup {
				t.Errorf("read %+v: %v", ref, err)
			}
			if _, err := store.Changed(t.Context(), ref, ""); problem.CodeOf(err) != problem.NoSuchGroup {
				t.Errorf("watch %+v: %v", ref, err)
			}
		}
	}},
	{"a missing group hides no other", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"k": "1"})
		for i := range 20 {
			_, _ = store.Group(t.Context(), backends.GroupRef{App: bed.app, Group: "missing." + strconv.Itoa(i)})
		}
		readGroup(t, store, ref)
		bed.release(t, ref, map[string]string{"k": "2"})
		within(t, bed.freshness, "the change", func() bool { return readGroup(t, store, ref).Items["k"] == "2" })
	}},
	{"a label that no rule knows reads the same", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"k": "1"})
		gray := ref
		gray.Label = "gray one"
		if got := readGroup(t, store, gray); got.Items["k"] != "1" || got.Ref.Label != gray.Label {
			t.Errorf("with a label %s of %+v", describe(got), got.Ref)
		}
		bed.release(t, ref, map[string]string{"k": "2"})
		within(t, bed.freshness, "the change under the label", func() bool { return readGroup(t, store, gray).Items["k"] == "2" })
	}},
	{"a change is seen", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"k": "1"})
		before := readGroup(t, store, ref)
		bed.release(t, ref, map[string]string{"k": "2"})
		ctx, cancel := context.WithTimeout(t.Context(), bed.freshness)
		defer cancel()
		after, err := store.Changed(ctx, ref, before.Version)
		if err != nil {
			t.Fatalf("no change within %v: %v", bed.freshness, err)
		}
		if after.Items["k"] != "2" || after.Version == before.Version {
			t.Errorf("changed to %s at %s", describe(after), after.Version)
		}
		if before.Items["k"] != "1" {
			t.Error("the snapshot from before has changed")
		}
		if now := readGroup(t, store, ref); now.Version != after.Version {
			t.Errorf("a read after the change gives version %s, want %s", now.Version, after.Version)
		}
	}},
	{"a deleted key is gone", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"keep": "1", "drop": "1"})
		before := readGroup(t, store, ref)
		bed.call(t, "DELETE", bed.path(ref)+"/items/drop?operator=apollo", nil)
		bed.release(t, ref, nil)
		after, err := store.Changed(t.Context(), ref, before.Version)
		if err != nil || !maps.Equal(after.Items, map[string]string{"keep": "1"}) {
			t.Errorf("after the deletion %s (%v)", describe(after), err)
		}
	}},
	{"a group may lose its last key", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"only": "1"})
		before := readGroup(t, store, ref)
		bed.call(t, "DELETE", bed.path(ref)+"/items/only?operator=apollo", nil)
		bed.release(t, ref, nil)
		after, err := store.Changed(t.Context(), ref, before.Version)
		if err != nil || len(after.Items) != 0 {
			t.Errorf("after the deletion %s (%v)", describe(after), err)
		}
	}},
	{"an edit without a release is not seen", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"k": "1"})
		bed.call(t, "PUT", bed.path(ref)+"/items/k", map[string]any{"key": "k", "value": "pending", "dataChangeLastModifiedBy": "apollo"})
		if reading := readGroup(t, store, ref); reading.Items["k"] != "1" {
			t.Errorf("read %s", describe(reading))
		}
	}},
	{"a rollback gives the old version back", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"k": "1"})
		old := readGroup(t, store, ref)
		id := bed.release(t, ref, map[string]string{"k": "2"})
		newer, err := store.Changed(t.Context(), ref, old.Version)
		if err != nil {
			t.Fatal(err)
		}
		bed.call(t, "PUT", "/openapi/v1/envs/"+bed.env+"/releases/"+strconv.FormatInt(id, 10)+"/rollback?operator=apollo", nil)
		back, err := store.Changed(t.Context(), ref, newer.Version)
		if err != nil || back.Version != old.Version || back.Items["k"] != "1" {
			t.Errorf("after the rollback %s (%v)", describe(back), err)
		}
	}},
	{"another version is answered at once", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"k": "1"})
		if reading, err := store.Changed(t.Context(), ref, "of long ago"); err != nil || reading.Items["k"] != "1" {
			t.Errorf("%s (%v)", describe(reading), err)
		}
	}},
	{"versions in between are folded", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"k": "0"})
		first := readGroup(t, store, ref)
		for i := range 5 {
			bed.release(t, ref, map[string]string{"k": strconv.Itoa(i + 1)})
		}
		within(t, bed.freshness, "the last release", func() bool { return readGroup(t, store, ref).Items["k"] == "5" })
		if reading, err := store.Changed(t.Context(), ref, first.Version); err != nil || reading.Items["k"] != "5" {
			t.Errorf("a late watcher gets %s (%v)", describe(reading), err)
		}
	}},
	{"keys changed together are never apart", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"a": "0", "b": "0"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for ctx.Err() == nil {
					if r, err := store.Group(ctx, ref); err == nil && r.Items["a"] != r.Items["b"] {
						t.Errorf("torn: %v", r.Items)
						return
					}
					time.Sleep(50 * time.Microsecond) // the other checks want to run too
				}
			})
		}
		for i := range 20 {
			n := strconv.Itoa(i + 1)
			bed.release(t, ref, map[string]string{"a": n, "b": n})
		}
		within(t, bed.freshness, "the last release", func() bool { return readGroup(t, store, ref).Items["a"] == "20" })
		cancel()
		readers.Wait()
	}},
	{"a wait ends with its context", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"k": "1"})
		version := readGroup(t, store, ref).Version
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begun := time.Now()
		if _, err := store.Changed(ctx, ref, version); problem.CodeOf(err) != problem.DeadlineExceeded {
			t.Errorf("it ended with %v", err)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it ended after %v", took)
		}
	}},
	{"one watcher leaves and the other stays", func(t *testing.T, bed *configBed) {
		store := bed.store(t)
		ref := bed.released(t, map[string]string{"k": "1"})
		version := readGroup(t, store, ref).Version
		leaving, leave := context.WithCancel(t.Context())
		left, seen := make(chan error, 1), make(chan string, 1)
		go func() { _, err := store.Changed(leaving, ref, version); left <- err }()
		go func() {
			if reading, err := store.Changed(t.Context(), ref, version); err == nil {
				seen <- reading.Items["k"]
			}
		}()
		leave()
		if err := <-left; problem.CodeOf(err) != problem.ClientClosed {
			t.Errorf("the one that left got %v", err)
		}
		bed.release(t, ref, map[string]string{"k": "2"})
		select {
		case value := <-seen:
			if value != "2" {
				t.Errorf("the other one got %q", value)
			}
		case <-time.After(bed.freshness):
			t.Error("the other one saw nothing")
		}
	}},
}
