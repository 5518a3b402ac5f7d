package upstream

import (
	"bufio"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // net/http's Transport reports unasked answers there
	goleak.VerifyTestMain(m)
}

// gateway is the least server that an Invoker needs around it.
type gateway struct {
	*httptest.Server
	pool    *Pool
	client  *http.Client
	timeout time.Duration // of the call; 0 = none
	info    request.Info
	failed  atomic.Pointer[problem.Error] // the last error that Invoke returned
}

// newGateway serves the services under /{service}/...
func newGateway(t testing.TB, services map[string]Service, tune ...func(*Pool)) *gateway {
	t.Helper()
	pool, err := Open(Config{Services: services, Pseudonym: "gate"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tune {
		f(pool)
	}
	g := &gateway{pool: pool, info: request.Info{App: "orders", ID: "r-1", CredentialHeader: "X-Api-Key"}}
	g.Server = httptest.NewUnstartedServer(g)
	g.Config.WriteTimeout = time.Second // of whole answers: streams outlast it
	g.Config.ErrorLog = log.New(io.Discard, "", 0)
	g.Start()
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	g.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = pool.Close()
		g.Server.Close()
	})
	return g
}

// through makes a gateway with one service "s" at these addresses, carried by
// the named carrier.
func through(t testing.TB, carrier string, addresses ...string) *gateway {
	t.Helper()
	return newGateway(t, map[string]Service{"s": {Endpoints: addresses}}, func(p *Pool) {
		if carrier == "reference" {
			p.services["s"].plain = p.services["s"].upgrading
		}
	})
}

// bothCarriers runs a test on the own client and on the reference.
func bothCarriers(t *testing.T, test func(t *testing.T, carrier string)) {
	for _, carrier := range []string{"direct", "reference"} {
		t.Run(carrier, func(t *testing.T) { test(t, carrier) })
	}
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	escaped := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	service, rest, _ := strings.Cut(escaped, "/")
	info := g.info
	call := backends.Call{Service: service, Path: "/" + rest}
	if g.timeout > 0 {
		call.Deadline = time.Now().Add(g.timeout)
	}
	w.Header().Set("X-Request-Id", info.ID)
	if err := g.pool.Invoke(w, r.WithContext(request.With(r.Context(), &info)), call); err != nil {
		g.failed.Store(problem.From(err))
		problem.Write(w, err, info.ID)
	}
}

// do sends a request to service s and reads the whole answer.
func (g *gateway) do(t testing.TB, method, path string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.URL+"/s"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	answer, err := g.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s %s: body: %v", method, path, err)
	}
	return answer, string(text)
}

// expect checks that the answer is the gateway's own problem of this code.
func expect(t testing.TB, answer *http.Response, code problem.Code) {
	t.Helper()
	if got := answer.Header.Get("Ottogate-Error"); got != string(code) || answer.StatusCode != problem.KindOf(code).Status {
		t.Errorf("answered %d %q, want %s", answer.StatusCode, got, code)
	}
}

// upstreamServer is a real net/http upstream.
func upstreamServer(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// rawUpstream serves each connection by a function that sees bytes.
func rawUpstream(t testing.TB, serve func(c net.Conn, in *bufio.Reader)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				serve(c, bufio.NewReader(c))
			}()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return "http://" + listener.Addr().String()
}

// readRequest reads one request as a whole.
func readRequest(in *bufio.Reader) (*http.Request, error) {
	r, err := http.ReadRequest(in)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	return r, err
}
