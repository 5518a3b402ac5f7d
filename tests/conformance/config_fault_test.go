package conformance

import (
	"context"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/backends/apollo"
	"github.com/ottogate/ottogate/problem"
)

// recovery is how soon after its return Apollo has to be in use again.
const recovery = 5 * time.Second

func TestConfigFaults(t *testing.T) {
	conform(t, configDrivers(), configFaultChecks, configMutants)
}

var configFaultChecks = []check[*configBed]{
	{"Apollo away: the last known good, marked", func(t *testing.T, bed *configBed) {
		line := bed.line(t)
		store := bed.open(t, line.URL, "")
		ref := bed.released(t, map[string]string{"k": "1"})
		if reading := readGroup(t, store, ref); reading.Stale {
			t.Error("stale from the start")
		}
		line.breakWith(cut)
		within(t, time.Second, "the mark", func() bool { return readGroup(t, store, ref).Stale })
		young := readGroup(t, store, ref)
		bed.release(t, ref, map[string]string{"k": "2"})
		time.Sleep(300 * time.Millisecond)
		old := readGroup(t, store, ref)
		if old.Items["k"] != "1" || !old.Stale || old.Age < young.Age+300*time.Millisecond {
			t.Errorf("away: %s after %v", describe(old), young.Age)
		}
		line.heal()
		within(t, recovery, "the release, unmarked", func() bool {
			reading := readGroup(t, store, ref)
			return reading.Items["k"] == "2" && !reading.Stale
		})
	}},
	{"Apollo back without news: the mark goes", func(t *testing.T, bed *configBed) {
		line := bed.line(t)
		store := bed.open(t, line.URL, "")
		ref := bed.released(t, map[string]string{"k": "1"})
		readGroup(t, store, ref)
		line.breakWith(cut)
		within(t, time.Second, "the mark", func() bool { return readGroup(t, store, ref).Stale })
		line.heal()
		within(t, recovery, "no mark", func() bool { return !readGroup(t, store, ref).Stale })
	}},
	{"away at the start, nothing kept", func(t *testing.T, bed *configBed) {
		line := bed.line(t)
		line.breakWith(cut)
		store := bed.open(t, line.URL, t.TempDir())
		ref := bed.released(t, map[string]string{"k": "1"})
		if _, err := store.Group(t.Context(), ref); problem.CodeOf(err) != problem.Unavailable {
			t.Errorf("read: %v", err)
		}
		line.heal()
		within(t, recovery, "the group", func() bool {
			reading, err := store.Group(t.Context(), ref)
			return err == nil && reading.Items["k"] == "1" && !reading.Stale
		})
	}},
	{"away at the start, a snapshot kept", func(t *testing.T, bed *configBed) {
		line, folder := bed.line(t), t.TempDir()
		ref := bed.released(t, map[string]string{"k": "1", "empty": ""})
		before := bed.open(t, line.URL, folder)
		kept := readGroup(t, before, ref)
		closeStore(t, before)
		line.breakWith(cut)
		bed.release(t, ref, map[string]string{"k": "2"})
		after := bed.open(t, line.URL, folder)
		reading := readGroup(t, after, ref)
		if !reading.Stale || reading.Age <= 0 || reading.Version != kept.Version || !maps.Equal(reading.Items, kept.Items) {
			t.Errorf("from disk: %s", describe(reading))
		}
		line.heal()
		ctx, cancel := context.WithTimeout(t.Context(), recovery)
		defer cancel()
		if reading, err := after.Changed(ctx, ref, kept.Version); err != nil || reading.Items["k"] != "2" || reading.Stale {
			t.Errorf("after the return: %s (%v)", describe(reading), err)
		}
	}},
	{"silent at the start: the caller's deadline holds", func(t *testing.T, bed *configBed) {
		line := bed.line(t)
		line.breakWith(mute)
		store := bed.open(t, line.URL, "")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begun := time.Now()
		_, err := store.Group(ctx, backends.GroupRef{App: bed.app, Group: "application"})
		if took := time.Since(begun); problem.CodeOf(err) != problem.DeadlineExceeded || took > time.Second {
			t.Errorf("%v after %v", err, took)
		}
	}},
	{"silent at the start, a snapshot kept", func(t *testing.T, bed *configBed) {
		line, folder := bed.line(t), t.TempDir()
		ref := bed.released(t, map[string]string{"k": "1"})
		before := bed.open(t, line.URL, folder)
		readGroup(t, before, ref)
		closeStore(t, before)
		line.breakWith(mute)
		begun := time.Now()
		reading := readGroup(t, bed.open(t, line.URL, folder), ref)
		if took := time.Since(begun); !reading.Stale || reading.Items["k"] != "1" || took > 2*time.Second {
			t.Errorf("%s after %v", describe(reading), took)
		}
	}},
	{"garbage replaces nothing", func(t *testing.T, bed *configBed) {
		ref := bed.released(t, map[string]string{"k": "0"})
		foreign := `{"appId":"another","cluster":"default","namespaceName":"` + ref.Group + `","configurations":{"k":"x"},"releaseKey":"x"}`
		noKey := `{"appId":"` + bed.app + `","cluster":"default","namespaceName":"` + ref.Group + `","configurations":{}}`
		for name, broken := range map[string]fault{
			"500": answers(http.StatusInternalServerError, `{"configurations":{}}`), "401": answers(http.StatusUnauthorized, ""),
			"a proxy's 404": answers(http.StatusNotFound, "404 page not found"), "a redirect": answers(http.StatusFound, ""),
			"a page": answers(http.StatusOK, "<html></html>"), "nothing": answers(http.StatusOK, ""), "an empty object": answers(http.StatusOK, "{}"),
			"truncated": answers(http.StatusOK, foreign[:len(foreign)-20]), "another app's": answers(http.StatusOK, foreign), "no release": answers(http.StatusOK, noKey),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				bed.survives(t, onlyConfigs(broken))
				bed.survives(t, broken)
			})
		}
	}},
}

// survives breaks the line of a store that has read a group, releases another
// version behind its back, and expects the first until the line is whole again.
func (b *configBed) survives(t *testing.T, broken fault) {
	t.Helper()
	line := b.line(t)
	store := b.open(t, line.URL, t.TempDir())
	ref := b.released(t, map[string]string{"k": "1"})
	good := readGroup(t, store, ref)
	line.breakWith(broken)
	b.release(t, ref, map[string]string{"k": "2"})
	within(t, 2*time.Second, "the mark", func() bool {
		reading := readGroup(t, store, ref)
		if reading.Version != good.Version || !maps.Equal(reading.Items, good.Items) {
			t.Fatalf("it took the garbage over: %s", describe(reading))
		}
		return reading.Stale
	})
	line.heal()
	within(t, recovery, "the release", func() bool { return readGroup(t, store, ref).Items["k"] == "2" })
}

func closeStore(t *testing.T, store backends.ConfigStore) {
	t.Helper()
	for {
		switch s := store.(type) {
		case *apollo.Store:
			_ = s.Close()
			return
		case interface{ sound() backends.ConfigStore }:
			store = s.sound()
		default:
			t.Fatalf("%T cannot be closed", store)
		}
	}
}

func TestConfigAccessKey(t *testing.T) {
	bed, _ := standIn("the-right-secret")(t)
	ref := bed.released(t, map[string]string{"k": "1"})
	for name, secret := range map[string]string{"none": "", "a wrong one": "the-wrong-secret"} {
		store := openApollo(t, apollo.Config{ConfigService: bed.config, Apps: map[string]apollo.App{bed.app: {Secret: secret}}})
		if _, err := store.Group(t.Context(), ref); problem.CodeOf(err) != problem.Unavailable {
			t.Errorf("access key %s: %v", name, err)
		}
	}
}
