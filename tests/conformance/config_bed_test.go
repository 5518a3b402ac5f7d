package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/backends/apollo"
	"github.com/ottogate/ottogate/devstack"
)

// configBed is an Apollo, whichever, and what a check needs to try it: the
// portal's open API to edit with, and stores that read through a proxy which
// the check may break.
type configBed struct {
	config, portal, token string
	app, env, secret      string
	freshness             time.Duration // within which a release has to be seen
	open                  func(t *testing.T, address, snapshots string) backends.ConfigStore
}

// standIn runs the dev stack's Apollo; with a secret its requests are signed.
func standIn(secret string) func(*testing.T) (*configBed, string) {
	return func(t *testing.T) (*configBed, string) {
		t.Helper()
		server, err := devstack.StartApollo(t.Context(), devstack.ApolloConfig{
			Token: "conformance", Seed: devstack.ApolloDemo(), Secrets: map[string]string{"demo": secret},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Stop() })
		return newConfigBed(&configBed{
			config: server.URL(), portal: server.PortalURL(), token: "conformance",
			app: "demo", env: "DEV", secret: secret, freshness: time.Second,
		}), "(the dev stack's)"
	}
}

// realApollo is the Apollo that the environment names. Its token needs the
// rights to create namespaces of the app, to edit and to release.
func realApollo(t *testing.T) (*configBed, string) {
	t.Helper()
	env := func(name, otherwise string) string {
		if value := os.Getenv(name); value != "" {
			return value
		}
		return otherwise
	}
	return newConfigBed(&configBed{
		config: os.Getenv("APOLLO_CONFIG"), portal: os.Getenv("APOLLO_PORTAL"), token: os.Getenv("APOLLO_TOKEN"),
		app: env("APOLLO_APP", "demo"), env: env("APOLLO_ENV", "DEV"), secret: os.Getenv("APOLLO_SECRET"),
		freshness: 2 * time.Second, // it looks for releases once a second
	}), "at " + os.Getenv("APOLLO_CONFIG")
}

func newConfigBed(bed *configBed) *configBed {
	bed.open = func(t *testing.T, address, snapshots string) backends.ConfigStore {
		t.Helper()
		return openApollo(t, apollo.Config{
			ConfigService: address, Snapshots: snapshots, Apps: map[string]apollo.App{bed.app: {Secret: bed.secret}},
		})
	}
	return bed
}

func openApollo(t *testing.T, config apollo.Config) *apollo.Store {
	t.Helper()
	store, err := apollo.Open(t.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// store is one that reads straight from Apollo and keeps nothing.
func (b *configBed) store(t *testing.T) backends.ConfigStore {
	t.Helper()
	return b.open(t, b.config, "")
}

// groups counts the groups that this process has made.
var groups atomic.Int64

// group makes a namespace of its own for a check, without a release.
func (b *configBed) group(t *testing.T, format string) backends.GroupRef {
	t.Helper()
	name := "c" + strconv.FormatInt(time.Now().UnixMilli(), 36) + "." + strconv.FormatInt(groups.Add(1), 36)
	b.call(t, http.MethodPost, "/openapi/v1/apps/"+b.app+"/appnamespaces", map[string]any{
		"name": name, "appId": b.app, "format": format, "isPublic": false, "dataChangeCreatedBy": "apollo",
	})
	if format != "properties" {
		name += "." + format
	}
	return backends.GroupRef{App: b.app, Group: name}
}

// released makes a namespace with a first release.
func (b *configBed) released(t *testing.T, items map[string]string) backends.GroupRef {
	t.Helper()
	ref := b.group(t, "properties")
	b.release(t, ref, items)
	return ref
}

// release sets items and releases the namespace.
func (b *configBed) release(t *testing.T, ref backends.GroupRef, items map[string]string) (id int64) {
	t.Helper()
	for key, value := range items {
		b.call(t, http.MethodPut, b.path(ref)+"/items/"+url.PathEscape(key)+"?createIfNotExists=true", map[string]any{
			"key": key, "value": value, "dataChangeCreatedBy": "apollo", "dataChangeLastModifiedBy": "apollo",
		})
	}
	answer := b.call(t, http.MethodPost, b.path(ref)+"/releases", map[string]any{"releaseTitle": "conformance", "releasedBy": "apollo"})
	var release struct{ ID int64 }
	if err := json.Unmarshal(answer, &release); err != nil {
		t.Fatalf("release: %v: %s", err, answer)
	}
	return release.ID
}

func (b *configBed) path(ref backends.GroupRef) string {
	return "/openapi/v1/envs/" + b.env + "/apps/" + ref.App + "/clusters/default/namespaces/" + ref.Group
}

// call makes one call of the open API, which has to succeed.
func (b *configBed) call(t *testing.T, method, path string, body any) []byte {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.portal+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", b.token)
	r.Header.Set("Content-Type", "application/json;charset=UTF-8")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s (%v)", method, path, response.Status, answer, err)
	}
	return answer
}

// line is a proxy between a store and Apollo that can be broken.
type line struct {
	*httptest.Server
	fault atomic.Pointer[fault]
}

// fault answers in Apollo's place, or says that it does not.
type fault func(w http.ResponseWriter, r *http.Request) (answered bool)

func (b *configBed) line(t *testing.T) *line {
	t.Helper()
	target, err := url.Parse(b.config)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	l := &line{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken := l.fault.Load(); broken == nil || !(*broken)(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { l.CloseClientConnections(); l.Close(); transport.CloseIdleConnections() })
	return l
}

// breakWith makes every call from now on meet f, also those under way.
func (l *line) breakWith(f fault) {
	l.fault.Store(&f)
	l.CloseClientConnections()
}

func (l *line) heal() { l.fault.Store(nil) }

// cut is a server that is down.
func cut(w http.ResponseWriter, _ *http.Request) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
	return true
}

// mute is a server that takes requests and never answers.
func mute(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

// answers is a server that answers one thing to everything.
func answers(status int, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// onlyConfigs limits a fault to the answers that carry content.
func onlyConfigs(f fault) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return len(r.URL.Path) > 9 && r.URL.Path[:9] == "/configs/" && f(w, r)
	}
}

// within waits until holds, at most limit.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func readGroup(t *testing.T, store backends.ConfigStore, ref backends.GroupRef) backends.ConfigReading {
	t.Helper()
	reading, err := store.Group(t.Context(), ref)
	if err != nil {
		t.Fatalf("read %s: %v", ref.Group, err)
	}
	return reading
}

// describe is a reading for a failure message.
func describe(r backends.ConfigReading) string {
	return fmt.Sprintf("%v, stale %v, age %v", r.Items, r.Stale, r.Age)
}
