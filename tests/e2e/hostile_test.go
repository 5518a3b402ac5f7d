package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ottogate/ottogate/configfile"
	"github.com/ottogate/ottogate/gateway"
)

// prompt is how soon a caller without a proper request is rid of.
const prompt = 2 * time.Second

// besieged runs a gateway of the embedded store alone and gives its address.
// limits and timeouts are those of its server.
func besieged(t *testing.T, limits, timeouts string) string {
	t.Helper()
	text := fmt.Sprintf(`
namespace: e2e
server: { listen: "127.0.0.1:0", admin: "127.0.0.1:0", drain: { delay: 0s, timeout: 1s }, limits: { %s }, timeouts: { %s } }
auth: { anonymous: demo }
apps: { demo: { allow: ["state.* **", "invoke **"] } }
connections: { local: { driver: local, path: %q } }
state: { main: { connection: local } }
invoke: { services: { echo: { endpoints: [%q] } } }
`, limits, timeouts, filepath.Join(t.TempDir(), "local.db"), shared.echo.URL())
	file, faults := configfile.Load("hostile.yaml", []byte(text), configfile.Options{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	g, err := gateway.New(t.Context(), file, gateway.Options{Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	t.Cleanup(func() { _ = g.Stop(context.Background()) }) // a test may leave it with connections that only time ends
	return g.Addr()
}

// dial opens a connection on which nothing is waited for longer than a test
// may take.
func dial(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return connection, bufio.NewReader(connection)
}

// say sends a request head as it stands, with a Host.
func say(t *testing.T, connection net.Conn, line, rest string) {
	t.Helper()
	if _, err := fmt.Fprintf(connection, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", line, rest); err != nil {
		t.Fatal(err)
	}
}

// hear reads one whole answer.
func hear(t *testing.T, reader *bufio.Reader) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response
}

func TestABodyThatNeverComesHoldsNothing(t *testing.T) {
	t.Parallel()
	address := besieged(t, "body: 1MiB", "")
	for _, c := range []struct {
		name, line, rest string
		want             int
	}{
		{"no route", "POST /nope", "Content-Length: 100\r\n\r\n", 404},
		{"no route, chunked", "POST /nope", "Transfer-Encoding: chunked\r\n\r\n", 404},
		{"no method", "POST /healthz", "Content-Length: 100\r\n\r\n", 405},
		{"a probe", "GET /healthz", "Content-Length: 100\r\n\r\n", 200},
		{"the last request", "POST /nope", "Connection: close\r\nContent-Length: 100\r\n\r\n", 404},
		{"the last request, chunked", "POST /nope", "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", 404},
		{"a probe, begun", "GET /healthz", "Content-Length: 100\r\n\r\nabc", 200},
		{"a large page", "GET /openapi.json", "Content-Length: 100\r\n\r\n", 200},
		{"a bad key", "PUT /v1/state/main/x", "X-Api-Key: no\r\nContent-Length: 100\r\n\r\n", 401},
		{"nobody's origin", "PUT /v1/state/main/x", "Origin: http://evil.example\r\nContent-Length: 100\r\n\r\n", 403},
		{"no such key", "GET /v1/state/main/x", "Content-Length: 100\r\n\r\n", 404},
		{"no such service", "POST /v1/invoke/none/x", "Content-Length: 100\r\n\r\n", 404},
		{"an encoding", "PUT /v1/state/main/x", "Content-Encoding: gzip\r\nContent-Length: 100\r\n\r\n", 415},
		{"too large", "PUT /v1/state/main/x", "Content-Length: 2000000\r\n\r\n", 413},
		{"no time", "PUT /v1/state/main/x", "X-Request-Timeout: 0s\r\nContent-Length: 100\r\n\r\n", 504},
		{"an expectation", "PUT /v1/state/main/x", "X-Api-Key: no\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			connection, reader := dial(t, address)
			start := time.Now()
			say(t, connection, c.line, c.rest)
			response := hear(t, reader)
			if took := time.Since(start); response.StatusCode != c.want || took > prompt {
				t.Errorf("answered %s after %v, want %d", response.Status, took, c.want)
			}
			if !response.Close {
				t.Error("the answer does not say that the connection ends")
			}
			if _, err := reader.ReadByte(); err == nil || time.Since(start) > 2*prompt {
				t.Errorf("after %v the connection ended with %v", time.Since(start), err)
			}
		})
	}
}

func TestABodyThatDripsHoldsNothing(t *testing.T) {
	connection, reader := dial(t, besieged(t, "body: 1MiB", ""))
	start := time.Now()
	say(t, connection, "POST /nope", "Content-Length: 1000\r\n\r\n")
	go func() {
		for range 100 {
			if _, err := connection.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	if response := hear(t, reader); response.StatusCode != 404 || time.Since(start) > prompt {
		t.Errorf("answered %s after %v", response.Status, time.Since(start))
	}
}

func TestAConnectionIsKeptWhereTheBodyCame(t *testing.T) {
	connection, reader := dial(t, besieged(t, "body: 1MiB", ""))
	for _, c := range []struct {
		line, rest string
		want       int
	}{
		{"POST /nope", "Content-Length: 5\r\n\r\nhello", 404},
		{"POST /nope", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 404},
		{"GET /healthz", "Content-Length: 5\r\n\r\nhello", 200},
		{"GET /openapi.json", "Content-Length: 5\r\n\r\nhello", 200},
		{"PUT /v1/state/main/x", "X-Api-Key: no\r\nContent-Length: 5\r\n\r\nhello", 401},
		{"PUT /v1/state/main/x", "Content-Length: 5\r\n\r\nhello", 204},
		{"POST /v1/invoke/echo/x", "Content-Length: 5\r\n\r\nhello", 200},
		{"GET /v1/state/main/x", "\r\n", 200},
	} {
		say(t, connection, c.line, c.rest)
		if response := hear(t, reader); response.StatusCode != c.want || response.Close {
			t.Fatalf("%s: %s, closed: %v", c.line, response.Status, response.Close)
		}
		time.Sleep(300 * time.Millisecond) // together longer than any deadline that one request might leave to the others
	}
}

// A deadline of one request would cut the next one, which here takes longer.
func TestNoDeadlineOutlivesItsRequest(t *testing.T) {
	connection, reader := dial(t, besieged(t, "body: 1MiB", "bodyIdle: 200ms"))
	say(t, connection, "POST /nope", "Content-Length: 5\r\n\r\nhello")
	if response := hear(t, reader); response.Close {
		t.Fatal("the connection ends")
	}
	say(t, connection, "GET /v1/state/main/absent?wait=1500ms", "\r\n")
	if response := hear(t, reader); response.StatusCode != 404 || response.Close {
		t.Fatalf("after the wait: %s", response.Status)
	}
	say(t, connection, "GET /v1/invoke/echo/delay/1500ms", "\r\n")
	if response := hear(t, reader); response.StatusCode != 200 {
		t.Fatalf("after the delay: %s", response.Status)
	}
}

func TestAnExpectationIsMet(t *testing.T) {
	connection, reader := dial(t, besieged(t, "body: 1MiB", ""))
	for _, line := range []string{"PUT /v1/state/main/x", "POST /v1/invoke/echo/x"} {
		say(t, connection, line, "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		if interim, err := reader.ReadString('\n'); err != nil || !strings.HasPrefix(interim, "HTTP/1.1 100 ") {
			t.Fatalf("%s: interim answer %q, %v", line, interim, err)
		}
		if _, err := reader.ReadString('\n'); err != nil { // the empty line behind it
			t.Fatal(err)
		}
		if _, err := connection.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if response := hear(t, reader); response.StatusCode >= 300 || response.Close {
			t.Fatalf("%s: %s, closed: %v", line, response.Status, response.Close)
		}
	}
}

// readers asks for the large value again and again without reading it, on as
// many connections as there are places.
func readers(t *testing.T, address string, places int) {
	t.Helper()
	for range places {
		connection, _ := dial(t, address)
		if err := connection.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		for range 4 { // more than the buffers of the system take in
			say(t, connection, "GET /v1/state/main/large", "\r\n")
		}
	}
}

// status is what a request on a connection of its own is answered with.
func status(t *testing.T, address, line string) int {
	t.Helper()
	connection, reader := dial(t, address)
	say(t, connection, line, "Connection: close\r\n\r\n")
	return hear(t, reader).StatusCode
}

func TestReadersThatDoNotReadLoseTheirPlaces(t *testing.T) {
	const places = 5
	address := besieged(t, fmt.Sprintf("body: 8MiB, inFlight: %d", places), "bodyIdle: 1s")
	connection, reader := dial(t, address)
	say(t, connection, "PUT /v1/state/main/large", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", 4<<20, strings.Repeat("x", 4<<20)))
	if response := hear(t, reader); response.StatusCode != 204 {
		t.Fatal(response.Status)
	}
	readers(t, address, places)
	full := false
	for end := time.Now().Add(5 * time.Second); !full && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		full = status(t, address, "GET /v1/whoami") == 503
	}
	if !full {
		t.Fatal("the readers never took all places")
	}
	start := time.Now()
	for status(t, address, "GET /v1/whoami") != 200 {
		if time.Since(start) > 4*time.Second {
			t.Fatal("the readers still hold all places")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A ttl that cannot be read must not become none.
func TestAMistypedQueryChangesNothing(t *testing.T) {
	address := besieged(t, "body: 1MiB", "")
	for _, query := range []string{"ttl=5%", "ttl=5s;x=1", "ttl=5s&ttl=10s"} {
		connection, reader := dial(t, address)
		say(t, connection, "PUT /v1/state/main/x?"+query, "Content-Length: 1\r\n\r\n1")
		if response := hear(t, reader); response.StatusCode != 400 || response.Header.Get("Ottogate-Error") != "invalid-parameter" {
			t.Errorf("%s: %s", query, response.Status)
		}
	}
	if got := status(t, address, "GET /v1/state/main/x"); got != 404 {
		t.Errorf("the key is there: %d", got)
	}
	if got := status(t, address, "GET /v1/invoke/echo/x?a=5%&a=6;7"); got != 200 {
		t.Errorf("an upstream's query: %d", got)
	}
}
