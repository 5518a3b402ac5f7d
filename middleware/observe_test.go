package middleware

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ottogate/ottogate/problem"
)

// observed is an engine with the observing chain, its access log and metrics.
func observed(tb testing.TB, more ...gin.HandlerFunc) (*gin.Engine, *lines, *prometheus.Registry) {
	tb.Helper()
	access, reg, quiet := &lines{}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	chain := []gin.HandlerFunc{RequestID(nil), observe(tb, access.logger(), reg), Problems(quiet), Recovery(quiet)}
	return newEngine(append(chain, more...)...), access, reg
}

func wantCount(t *testing.T, reg *prometheus.Registry, labels string) {
	t.Helper()
	want := "# HELP ottogate_http_requests_total Requests by route template, method, status and app; status 499 means that the client went away.\n" +
		"# TYPE ottogate_http_requests_total counter\nottogate_http_requests_total{" + labels + "} 1\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "ottogate_http_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestAnAccessLineTellsWhatHappened(t *testing.T) {
	engine, access, reg := observed(t, Limits(LimitsConfig{Body: 100}), authOf(t))
	engine.POST("/v1/state/:store/*key", Handle(echo))
	w := do(engine, "POST", "/v1/state/main/a%2Fb?token=hidden", strings.NewReader("12345"),
		"X-Api-Key", "key-of-alice", "X-Request-Id", "r-1", "traceparent", aParent, "Cookie", "c=hidden")
	if w.Code != http.StatusCreated {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
	line := access.all(t)[0]
	for field, want := range map[string]any{
		"requestId": "r-1", "app": "alice", "method": "POST", "route": "/v1/state/:store/*key", "status": 201.0, "code": "",
		"bytesIn": 5.0, "bytesOut": 5.0, "address": "192.0.2.1", "traceId": aTrace, "msg": "request",
	} {
		if line[field] != want {
			t.Errorf("%s: %v, want %v", field, line[field], want)
		}
	}
	if _, ok := line["durationMs"].(float64); !ok || line["time"] == "" {
		t.Errorf("line %v", line)
	}
	for _, secret := range []string{"hidden", "key-of-alice", "a%2Fb", "a/b"} {
		if strings.Contains(access.String(), secret) {
			t.Errorf("the log holds %q: %s", secret, access)
		}
	}
	wantCount(t, reg, `app="alice",method="POST",route="/v1/state/:store/*key",status="201"`)
}

func TestAProblemIsCountedUnderItsStatus(t *testing.T) {
	engine, access, reg := observed(t)
	engine.GET("/v1/thing", Handle(func(*gin.Context) error { return problem.New(problem.LockHeld, "held") }))
	get(engine)
	if line := access.all(t)[0]; line["status"] != 409.0 || line["code"] != "lock-held" {
		t.Errorf("line %v", line)
	}
	wantCount(t, reg, `app="",method="GET",route="/v1/thing",status="409"`)
}

func TestAnAnswerThatFailedHalfWayIsNoSuccess(t *testing.T) {
	engine, access, reg := observed(t)
	engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
		c.String(http.StatusOK, "the first half")
		return problem.New(problem.BadBackend, "half way")
	}))
	func() {
		defer func() { _ = recover() }() // as the server does
		get(engine)
	}()
	if line := access.all(t)[0]; line["status"] != 502.0 || line["code"] != "bad-backend" {
		t.Errorf("line %v", line)
	}
	wantCount(t, reg, `app="",method="GET",route="/v1/thing",status="502"`)
}

func TestAPanicIsCountedAndLogged(t *testing.T) {
	engine, access, reg := observed(t)
	engine.GET("/v1/thing", func(*gin.Context) { panic("oh") }) //nolint:forbidigo // the very thing to recover from
	get(engine)
	if line := access.all(t)[0]; line["status"] != 500.0 || line["code"] != "internal" {
		t.Errorf("line %v", line)
	}
	wantCount(t, reg, `app="",method="GET",route="/v1/thing",status="500"`)
}

func TestCallersMakeNoLabels(t *testing.T) {
	engine, _, reg := observed(t)
	do(engine, "BREW", "/some/path", http.NoBody)
	wantCount(t, reg, `app="",method="OTHER",route="none",status="404"`)
}

func TestLogLinesCannotBeForged(t *testing.T) {
	engine, access, _ := observed(t)
	r := httptest.NewRequest("GET", "/v1/thing", http.NoBody)
	r.Header[requestIDHeader] = []string{"a\r\n{\"forged\":true}"}
	r.Header["Baggage"] = []string{"a\r\n\x1b[2J"}
	r.Method = "GET\r\n\x1b[31m"
	engine.ServeHTTP(httptest.NewRecorder(), r)
	if text := access.String(); strings.ContainsAny(text, "\r\x1b") || strings.Count(text, "\n") != 1 || strings.Contains(text, "forged") {
		t.Errorf("log %q", text)
	}
}

func TestAClientThatLeavesIs499(t *testing.T) {
	engine, access, reg := observed(t)
	entered, left := make(chan struct{}), make(chan struct{})
	engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
		close(entered)
		defer close(left)
		<-c.Request.Context().Done()
		return c.Request.Context().Err()
	}))
	server := httptest.NewServer(engine)
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connection.Write([]byte("GET /v1/thing HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	<-entered
	_ = connection.Close()
	<-left
	server.Close() // waits for the answer's end
	if line := access.all(t)[0]; line["status"] != 499.0 || line["code"] != "client-closed" {
		t.Errorf("line %v", line)
	}
	wantCount(t, reg, `app="",method="GET",route="/v1/thing",status="499"`)
}

func TestAnsweringStreamsStillFlush(t *testing.T) {
	engine, _, _ := observed(t, TCPCopy(&keeper{}))
	resume := make(chan struct{})
	engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
		if _, err := c.Writer.WriteString("one\n"); err != nil {
			return err
		}
		if err := http.NewResponseController(c.Writer).Flush(); err != nil {
			return err
		}
		<-resume
		return nil
	}))
	server := httptest.NewServer(engine)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/thing", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if line, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil || line != "one\n" {
		t.Errorf("got %q, %v before the answer's end", line, err)
	}
	close(resume)
}

func TestTwoGatewaysNeedTwoRegistries(t *testing.T) {
	reg := prometheus.NewRegistry()
	if _, err := Observe(nil, reg); err != nil {
		t.Fatal(err)
	}
	if _, err := Observe(nil, reg); err == nil {
		t.Error("the same metrics were registered twice")
	}
}
