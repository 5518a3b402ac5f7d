package apollo

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/devstack"
	"github.com/ottogate/ottogate/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is defaultTiming for tests that wait for things to end.
var quick = func() timing {
	quick := defaultTiming
	quick.absent, quick.patience, quick.load = 200*time.Millisecond, 100*time.Millisecond, time.Second
	return quick
}()

var silent = slog.New(slog.DiscardHandler)

var application = backends.GroupRef{App: "demo", Group: "application"}

// startApollo runs the stand-in with one group.
func startApollo(t *testing.T, config devstack.ApolloConfig) *devstack.Apollo {
	t.Helper()
	config.Seed = devstack.ApolloDemo()
	apollo, err := devstack.StartApollo(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = apollo.Stop() })
	return apollo
}

// gate is a proxy in front of Apollo that counts what passes.
type gate struct {
	*httptest.Server
	mu       sync.Mutex
	statuses map[string]int // "/configs 200" and so on
}

func startGate(t *testing.T, target string) *gate {
	t.Helper()
	base, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{statuses: map[string]int{}}
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(base) },
		Transport: transport, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ModifyResponse: func(r *http.Response) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.statuses["/"+strings.SplitN(r.Request.URL.Path, "/", 3)[1]+" "+r.Status[:3]]++
			return nil
		},
	}
	g.Server = httptest.NewServer(proxy)
	t.Cleanup(func() { g.CloseClientConnections(); g.Close(); transport.CloseIdleConnections() })
	return g
}

func (g *gate) count(what string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.statuses[what]
}

func openStore(t *testing.T, timing timing, config Config) *Store {
	t.Helper()
	store, err := open(t.Context(), config, timing, silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func read(t *testing.T, store *Store, ref backends.GroupRef) backends.ConfigReading {
	t.Helper()
	reading, err := store.Group(t.Context(), ref)
	if err != nil {
		t.Fatalf("read %v: %v", ref, err)
	}
	return reading
}

// eventually waits until holds, at most five seconds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}

func TestFirstReadersShareOneLoad(t *testing.T) {
	gate := startGate(t, startApollo(t, devstack.ApolloConfig{}).URL())
	store := openStore(t, quick, Config{ConfigService: gate.URL})
	var readers sync.WaitGroup
	for range 50 {
		readers.Go(func() { read(t, store, application) })
	}
	readers.Wait()
	if loads := gate.count("/configs 200"); loads != 1 {
		t.Errorf("50 first readers cost %d loads, want 1", loads)
	}
}

func TestReadsCostNoCall(t *testing.T) {
	gate := startGate(t, startApollo(t, devstack.ApolloConfig{}).URL())
	store := openStore(t, quick, Config{ConfigService: gate.URL})
	read(t, store, application)
	eventually(t, "the poll has asked and the group is confirmed", func() bool { return gate.count("/configs 304") == 1 })
	for range 1_000 {
		read(t, store, application)
	}
	if calls := gate.count("/configs 200") + gate.count("/configs 304"); calls != 2 {
		t.Errorf("1,000 reads cost %d calls, want the 2 of the first read", calls)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	store := openStore(t, quick, Config{ConfigService: startApollo(t, devstack.ApolloConfig{}).URL()})
	read(t, store, application)
	allocated := testing.AllocsPerRun(100, func() { _, _ = store.Group(context.Background(), application) })
	if allocated != 0 {
		t.Errorf("a read allocates %v times, want none", allocated)
	}
}

func TestAReaderThatLeavesDoesNotEndTheLoad(t *testing.T) {
	hanging := newHangingServer(t)
	store := openStore(t, quick, Config{ConfigService: hanging.URL})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := store.Group(ctx, application); problem.CodeOf(err) != problem.DeadlineExceeded {
		t.Fatalf("reader with 20 ms: %v", err)
	}
	close(hanging.release)
	reading := read(t, store, application)
	if calls := hanging.configs.Load(); reading.Items["k"] != "v" || calls != 1 {
		t.Errorf("got %v after %d loads, want the first one's content", reading.Items, calls)
	}
}

// hangingServer answers the way Apollo does, but only after release is closed.
type hangingServer struct {
	*httptest.Server
	release chan struct{}
	configs atomic.Int32
}

func newHangingServer(t *testing.T) *hangingServer {
	t.Helper()
	h := &hangingServer{release: make(chan struct{})}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/configs/") {
			<-r.Context().Done()
			return
		}
		h.configs.Add(1)
		select {
		case <-h.release:
			_, _ = io.WriteString(w, `{"appId":"demo","cluster":"default","namespaceName":"application","configurations":{"k":"v"},"releaseKey":"1"}`)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	return h
}

func TestAbsenceIsRememberedBriefly(t *testing.T) {
	apollo := startApollo(t, devstack.ApolloConfig{})
	gate := startGate(t, apollo.URL())
	store := openStore(t, quick, Config{ConfigService: gate.URL})
	later := backends.GroupRef{App: "demo", Group: "later"}
	for range 10 {
		if _, err := store.Group(t.Context(), later); problem.CodeOf(err) != problem.NoSuchGroup {
			t.Fatalf("absent group: %v", err)
		}
	}
	if asked := gate.count("/configs 404"); asked != 1 {
		t.Errorf("10 reads of an absent group cost %d calls, want 1", asked)
	}
	if _, err := apollo.Release("demo", "default", "later", map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the group is there", func() bool { _, err := store.Group(t.Context(), later); return err == nil })
}

func TestGroupsAreBounded(t *testing.T) {
	store := openStore(t, quick, Config{ConfigService: startApollo(t, devstack.ApolloConfig{}).URL()})
	read(t, store, application)
	store.mu.Lock()
	for i := len(store.groups); i < maxGroups; i++ {
		store.groups[backends.GroupRef{Label: string(rune('a' + i))}] = nil
	}
	store.mu.Unlock()
	if _, err := store.Group(t.Context(), backends.GroupRef{App: "demo", Group: "more"}); problem.CodeOf(err) != problem.Overloaded {
		t.Errorf("a group too many: %v", err)
	}
	read(t, store, application)
}

func TestManyGroupsOfAnAppShareFewPolls(t *testing.T) {
	apollo := startApollo(t, devstack.ApolloConfig{})
	store := openStore(t, quick, Config{ConfigService: apollo.URL()})
	const groups = groupsPerAsk + 1
	names := make([]backends.GroupRef, groups)
	for i := range names {
		names[i] = backends.GroupRef{App: "demo", Group: "g" + strconv.Itoa(i)}
		if _, err := apollo.Release("demo", "default", names[i].Group, map[string]string{"n": "1"}); err != nil {
			t.Fatal(err)
		}
		read(t, store, names[i])
	}
	if store.pollCount != 2 {
		t.Errorf("%d groups have %d polls, want 2", groups, store.pollCount)
	}
	for _, ref := range []backends.GroupRef{names[0], names[groups-1]} {
		if _, err := apollo.Release("demo", "default", ref.Group, map[string]string{"n": "2"}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the change of "+ref.Group, func() bool { return read(t, store, ref).Items["n"] == "2" })
	}
}

func TestRepeatedNotificationsDoNotSpin(t *testing.T) {
	apollo := startApollo(t, devstack.ApolloConfig{Scan: 300 * time.Millisecond})
	gate := startGate(t, apollo.URL())
	store := openStore(t, quick, Config{ConfigService: gate.URL})
	read(t, store, application)
	if _, err := apollo.Release("demo", "default", "application", map[string]string{"k": "2"}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if polls := gate.count("/notifications 200"); polls > 6 {
		t.Errorf("one release was polled %d times", polls)
	}
	if got := read(t, store, application).Items["k"]; got != "2" {
		t.Errorf("read %q, want the release", got)
	}
}

// TestServersThatAnswerAtOnceAreNotFlooded: one that repeats itself, and a
// cache that answers 304 without holding the poll.
func TestServersThatAnswerAtOnceAreNotFlooded(t *testing.T) {
	for name, notification := range map[string]func(http.ResponseWriter){
		"repeats itself": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `[{"namespaceName":"application","notificationId":7}]`)
		},
		"holds nothing": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotModified) },
	} {
		t.Run(name, func(t *testing.T) {
			var polls atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/notifications/v2" {
					polls.Add(1)
					notification(w)
					return
				}
				_, _ = io.WriteString(w, `{"appId":"demo","namespaceName":"application","configurations":{},"releaseKey":"1"}`)
			}))
			t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
			read(t, openStore(t, quick, Config{ConfigService: server.URL}), application)
			time.Sleep(time.Second)
			if asked := polls.Load(); asked < 2 || asked > 10 {
				t.Errorf("%d polls within a second", asked)
			}
		})
	}
}

func TestAGroupThatJoinsAHangingPollIsWatched(t *testing.T) {
	apollo := startApollo(t, devstack.ApolloConfig{})
	gate := startGate(t, apollo.URL())
	store := openStore(t, quick, Config{ConfigService: gate.URL})
	read(t, store, application)
	eventually(t, "the first poll is answered", func() bool { return gate.count("/notifications 200") == 1 })
	time.Sleep(50 * time.Millisecond) // and the second one hangs
	later := backends.GroupRef{App: "demo", Group: "later"}
	if _, err := apollo.Release("demo", "default", "later", map[string]string{"k": "1"}); err != nil {
		t.Fatal(err)
	}
	version := read(t, store, later).Version
	if _, err := apollo.Release("demo", "default", "later", map[string]string{"k": "2"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := store.Changed(ctx, later, version); err != nil {
		t.Errorf("its change is not seen within a second: %v", err)
	}
}

func TestADeletedGroupIsGone(t *testing.T) {
	folder := t.TempDir()
	apollo := startApollo(t, devstack.ApolloConfig{})
	store := openStore(t, quick, Config{ConfigService: apollo.URL(), Snapshots: folder})
	version := read(t, store, application).Version
	woken := make(chan error, 1)
	go func() { _, err := store.Changed(t.Context(), application, version); woken <- err }()
	if err := apollo.Delete("demo", "default", "application"); err != nil {
		t.Fatal(err)
	}
	if err := <-woken; problem.CodeOf(err) != problem.NoSuchGroup {
		t.Errorf("watcher of a deleted group: %v", err)
	}
	if _, err := store.Group(t.Context(), application); problem.CodeOf(err) != problem.NoSuchGroup {
		t.Errorf("reader of a deleted group: %v", err)
	}
	eventually(t, "its file is removed", func() bool { return len(files(t, folder)) == 0 })
}

func TestTheNextServerIsAskedWhenOneIsDown(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	store := openStore(t, quick, Config{ConfigService: down.URL + "," + startApollo(t, devstack.ApolloConfig{}).URL()})
	eventually(t, "the second server answers", func() bool { _, err := store.Group(t.Context(), application); return err == nil })
}

func TestCertificatesAreVerified(t *testing.T) {
	apollo := startApollo(t, devstack.ApolloConfig{})
	target, _ := url.Parse(apollo.URL())
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	secure := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport})
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	t.Cleanup(func() { secure.CloseClientConnections(); secure.Close() })

	stranger := openStore(t, quick, Config{ConfigService: secure.URL})
	if _, err := stranger.Group(t.Context(), application); problem.CodeOf(err) != problem.Unavailable {
		t.Errorf("a server with an unknown certificate: %v", err)
	}
	trust := secure.Client().Transport.(*http.Transport).TLSClientConfig
	read(t, openStore(t, quick, Config{ConfigService: secure.URL, TLS: trust}), application)
}

func TestCloseEndsEverything(t *testing.T) {
	apollo := startApollo(t, devstack.ApolloConfig{})
	store := openStore(t, quick, Config{ConfigService: apollo.URL()})
	version := read(t, store, application).Version
	ended := make(chan error, 1)
	go func() { _, err := store.Changed(context.Background(), application, version); ended <- err }()
	time.Sleep(20 * time.Millisecond)
	for range 2 {
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; problem.CodeOf(err) != problem.ShuttingDown {
		t.Errorf("a watcher at the end: %v", err)
	}
	if _, err := store.Group(t.Context(), backends.GroupRef{App: "demo", Group: "other"}); problem.CodeOf(err) != problem.ShuttingDown {
		t.Errorf("a first read after the end: %v", err)
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	for _, address := range []string{"", "apollo:8080", "ftp://apollo", "http://user:secret@apollo", "http://apollo?x=1", "http://a,"} {
		if _, err := open(t.Context(), Config{ConfigService: address}, quick, silent); err == nil {
			t.Errorf("%q was accepted", address)
		}
	}
}

func TestNamesThatApolloCannotHave(t *testing.T) {
	store := openStore(t, quick, Config{ConfigService: "http://127.0.0.1:1"})
	for _, ref := range []backends.GroupRef{
		{App: "demo", Group: ""},
		{App: "demo", Group: ".."},
		{App: "demo", Group: "a/b"},
		{App: "demo", Group: "a+b"},
		{App: "demo", Group: "a?b"},
		{App: "demo", Group: "é"},
		{App: "../x", Group: "application"},
		{App: "", Group: "application"},
		{App: "demo", Group: strings.Repeat("a", maxName+1)},
		{App: "demo", Group: "application", Cluster: "a%2Fb"},
	} {
		if _, err := store.Group(t.Context(), ref); problem.CodeOf(err) != problem.InvalidName {
			t.Errorf("%+v: %v", ref, err)
		}
	}
	if _, err := store.Group(t.Context(), backends.GroupRef{App: "a", Group: "b", Label: "x\n"}); problem.CodeOf(err) != problem.InvalidParameter {
		t.Errorf("label with a line feed: %v", err)
	}
}

func TestTheSuffixPropertiesNamesTheSameGroup(t *testing.T) {
	store := openStore(t, quick, Config{ConfigService: startApollo(t, devstack.ApolloConfig{}).URL()})
	plain := read(t, store, application)
	suffixed := read(t, store, backends.GroupRef{App: "demo", Group: "application.properties", Cluster: "default"})
	if plain.Snapshot != suffixed.Snapshot {
		t.Error("they are two groups")
	}
}

func TestNoValueAndNoSecretIsLogged(t *testing.T) {
	const value, secret = "canary-value", "canary-secret"
	bodies := []string{
		`{"appId":"demo","namespaceName":"application","configurations":{"k":"` + value + `"},"releaseKey":1}`,
		`{"appId":"demo","namespaceName":"application","configurations":{"k":"` + value,
		`{"appId":"other","configurations":{"k":"` + value + `"},"releaseKey":"1"}`,
	}
	for i, body := range bodies {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		t.Cleanup(server.Close)
		var log strings.Builder
		store, err := open(t.Context(), Config{ConfigService: server.URL, Apps: map[string]App{"demo": {Secret: secret}}}, quick, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		if err != nil {
			t.Fatal(err)
		}
		_, err = store.Group(t.Context(), application)
		_ = store.Close()
		if problem.CodeOf(err) != problem.BadBackend || log.Len() == 0 {
			t.Errorf("body %d: %v, logged %q", i, err, log.String())
		}
		if text := log.String() + err.Error(); strings.Contains(text, value) || strings.Contains(text, secret) {
			t.Errorf("body %d: %s", i, text)
		}
	}
}

func TestProbe(t *testing.T) {
	apollo := startApollo(t, devstack.ApolloConfig{})
	store := openStore(t, quick, Config{ConfigService: apollo.URL()})
	if err := store.Probe(t.Context()); err != nil {
		t.Errorf("Apollo is up: %v", err)
	}
	_ = apollo.Stop()
	if err := store.Probe(t.Context()); problem.CodeOf(err) != problem.Unavailable {
		t.Errorf("Apollo is down: %v", err)
	}
}

func BenchmarkGroup(b *testing.B) {
	apollo, err := devstack.StartApollo(b.Context(), devstack.ApolloConfig{Seed: devstack.ApolloDemo()})
	if err != nil {
		b.Fatal(err)
	}
	defer apollo.Stop()
	store, err := Open(b.Context(), Config{ConfigService: apollo.URL()}, silent)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.Group(b.Context(), application); err != nil {
			b.Fatal(err)
		}
	}
}
