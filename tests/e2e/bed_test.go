// Package e2e drives whole gateways over HTTP, as a user would: usually two
// replicas in one process on shared real backends.
package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ottogate/ottogate/configfile"
	"github.com/ottogate/ottogate/devstack"
	"github.com/ottogate/ottogate/gateway"
	"github.com/ottogate/ottogate/tests/servers"
)

// bed is the real backends that all tests of this package share.
type bed struct {
	redis  *servers.Redis
	kafka  *servers.Kafka
	apollo *devstack.Apollo
	echo   *devstack.Echo
}

var shared bed

func TestMain(m *testing.M) {
	code, err := inBed(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func inBed(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "ottogate-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	for _, folder := range []string{"redis", "kafka"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			return 0, err
		}
	}
	if shared.redis, err = servers.StartRedis(ctx, filepath.Join(dir, "redis")); err != nil {
		return 0, err
	}
	defer shared.redis.Stop()
	if shared.kafka, err = servers.StartKafka(ctx, filepath.Join(dir, "kafka")); err != nil {
		return 0, err
	}
	defer shared.kafka.Stop()
	if shared.apollo, err = devstack.StartApollo(ctx, devstack.ApolloConfig{Seed: devstack.ApolloDemo()}); err != nil {
		return 0, err
	}
	defer shared.apollo.Stop()
	if shared.echo, err = devstack.StartEcho(context.Background(), "127.0.0.1:0"); err != nil {
		return 0, err
	}
	defer shared.echo.Stop()
	fmt.Printf("e2e: redis %s, kafka %s\n", shared.redis.Version, shared.kafka.Version)
	return m.Run(), nil
}

// settings are what tests change of the common configuration.
type settings struct {
	redis, kafka string
	narrow       bool   // a state component that queries few values
	extra        string // further YAML, top-level keys
}

// config is a gateway of two apps on the real backends: demo may do
// everything and needs no credential; reader may read state and nothing else.
func (s settings) config() string {
	if s.redis == "" {
		s.redis = shared.redis.Addr
	}
	if s.kafka == "" {
		s.kafka = shared.kafka.Addr
	}
	narrow := ""
	if s.narrow {
		narrow = ", narrow: { connection: redis, maxScan: 5 }"
	}
	return fmt.Sprintf(`
namespace: e2e
server: { listen: "127.0.0.1:0", admin: "127.0.0.1:0", drain: { delay: 0s, timeout: 5s }, timeouts: { request: 5s }, limits: { body: 1MiB } }
auth: { anonymous: demo }
apps:
  demo: { allow: ["state.* **", "publish **", "subscribe **", "config.* **", "lock **", "sequence **", "invoke **"] }
  reader: { keys: ["%s"], allow: ["state.read main/public/**"] }
connections:
  redis: { driver: redis, addresses: ["%s"], required: true }
  kafka: { driver: kafka, brokers: ["%s"] }
  apollo: { driver: apollo, configService: "%s" }
  local: { driver: local, path: "%s" }
state: { main: { connection: redis }, shared: { connection: redis, keys: shared }, local: { connection: local }%s }
lock: { main: { connection: redis } }
sequence: { main: { connection: redis } }
pubsub: { events: { connection: kafka } }
config: { apollo: { connection: apollo } }
invoke: { services: { echo: { endpoints: ["%s"] } } }
%s`, readerHash, s.redis, s.kafka, shared.apollo.URL(), "LOCALPATH", narrow, shared.echo.URL(), s.extra)
}

// readerKey proves the app reader; its SHA-256 stands in the configuration.
const (
	readerKey  = "otg_reader_0123456789abcdefghijklmnopqrstuv"
	readerHash = "sha256:d6e70391669ea0cdfb412cbdf6847b1e354e163fec65ad81e41e7857acdd531c"
)

// logs collects what a gateway writes.
type logs struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// replica is one running gateway.
type replica struct {
	*gateway.Gateway
	t    *testing.T
	url  string
	log  *logs
	stop func()
}

// start runs a gateway until the test ends or stop is called.
func start(t *testing.T, s settings) *replica {
	t.Helper()
	text := strings.NewReplacer("LOCALPATH", filepath.Join(t.TempDir(), "local.db")).Replace(s.config())
	file, faults := configfile.Load("e2e.yaml", []byte(text), configfile.Options{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	log := &logs{}
	g, err := gateway.New(t.Context(), file, gateway.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	r := &replica{Gateway: g, t: t, url: "http://" + g.Addr(), log: log}
	r.stop = sync.OnceFunc(func() {
		if err := g.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(r.stop)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", r.url, log)
		}
	})
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// client never reuses a connection, so that a stopped replica cannot leave a
// stale one behind.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       30 * time.Second,
}

// do sends a request; path is sent as it is written, headers are pairs.
func (r *replica) do(method, path, body string, headers ...string) answer {
	r.t.Helper()
	response := r.open(method, path, body, headers...)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// open is do for answers that stream.
func (r *replica) open(method, path, body string, headers ...string) *http.Response {
	r.t.Helper()
	target, query, _ := strings.Cut(path, "?")
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.URL = &url.URL{Scheme: "http", Host: strings.TrimPrefix(r.url, "http://"), Opaque: target, RawQuery: query}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	return response
}

// want fails the test unless the status is this one.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// wantProblem is want for a problem document of this code.
func (a answer) wantProblem(t *testing.T, status int, code string) answer {
	t.Helper()
	a.want(t, status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("Content-Type %q, want application/problem+json: %s", got, a.body)
	}
	if !strings.Contains(a.body, `"code":"`+code+`"`) || a.header.Get("Ottogate-Error") != code {
		t.Fatalf("problem %s, want the code %s", a.body, code)
	}
	return a
}
