package middleware

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
)

// failing is an engine whose handler returns err, and its log.
func failing(err error) (*gin.Engine, *lines) {
	log := &lines{}
	engine := newEngine(RequestID(nil), Problems(log.logger()), Recovery(log.logger()))
	engine.GET("/v1/thing", Handle(func(*gin.Context) error { return err }))
	return engine, log
}

func TestAnErrorIsAnsweredAsAProblem(t *testing.T) {
	engine, _ := failing(problem.New(problem.LockHeld, "held by another"))
	w := get(engine)
	wantProblem(t, w, problem.LockHeld)
	if w.Header().Get("Content-Type") != problem.ContentType || w.Header().Get("Ottogate-Error") != "lock-held" {
		t.Errorf("headers %v", w.Header())
	}
}

func TestACauseGoesToTheLogOnly(t *testing.T) {
	engine, log := failing(problem.Wrap(problem.Unavailable, errors.New("dial 10.1.2.3: refused"), "the store is down"))
	w := get(engine)
	wantProblem(t, w, problem.Unavailable)
	if strings.Contains(w.Body.String(), "10.1.2.3") {
		t.Errorf("the caller sees %s", w.Body)
	}
	line := log.all(t)
	if len(line) != 1 || line[0]["level"] != "WARN" || line[0]["requestId"] != idOf(w) || !strings.Contains(line[0]["cause"].(string), "10.1.2.3") {
		t.Errorf("log %v", line)
	}
}

func TestAnUnknownErrorIsInternalWithoutText(t *testing.T) {
	engine, log := failing(errors.New("secret detail"))
	w := get(engine)
	wantProblem(t, w, problem.Internal)
	if strings.Contains(w.Body.String(), "secret") || !strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("body %s, log %s", w.Body, log)
	}
}

func TestAPanicIsInternalWithoutText(t *testing.T) {
	log := &lines{}
	engine := newEngine(RequestID(nil), Problems(log.logger()), Recovery(log.logger()))
	engine.GET("/v1/thing", func(*gin.Context) { panic("secret detail") }) //nolint:forbidigo // the very thing to recover from
	w := get(engine)
	wantProblem(t, w, problem.Internal)
	if strings.Contains(w.Body.String(), "secret") {
		t.Errorf("body %s", w.Body)
	}
	first := log.all(t)[0]
	if first["msg"] != "panic" || first["requestId"] != idOf(w) || !strings.Contains(first["stack"].(string), "problem_test.go") {
		t.Errorf("log %v", first)
	}
}

func TestA401SaysHow(t *testing.T) {
	for code, want := range map[problem.Code]string{
		problem.Unauthenticated:   `Bearer realm="ottogate"`,
		problem.InvalidCredential: `Bearer realm="ottogate", error="invalid_token"`,
	} {
		engine, _ := failing(problem.New(code, "no"))
		if got := get(engine).Header().Get("WWW-Authenticate"); got != want {
			t.Errorf("%s: %q", code, got)
		}
	}
}

func TestNoRouteAndNoMethod(t *testing.T) {
	engine := newEngine(outer()...)
	engine.GET("/v1/thing", Handle(fine))
	engine.PUT("/v1/thing", Handle(fine))
	wantProblem(t, do(engine, "GET", "/v1/nothing", http.NoBody), problem.NoSuchRoute)
	w := do(engine, "DELETE", "/v1/thing", http.NoBody)
	wantProblem(t, w, problem.MethodNotAllowed)
	if w.Header().Get("Allow") != "GET, PUT" {
		t.Errorf("Allow: %q", w.Header().Get("Allow"))
	}
}

func TestABegunAnswerIsCut(t *testing.T) {
	for name, end := range map[string]func() error{
		"by an error": func() error { return problem.New(problem.BadBackend, "half way") },
		"by a panic":  func() error { panic("half way") },           //nolint:forbidigo // the very thing to recover from
		"on purpose":  func() error { panic(http.ErrAbortHandler) }, //nolint:forbidigo // how a handler cuts its answer
	} {
		t.Run(name, func(t *testing.T) {
			engine := newEngine(outer()...)
			engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
				c.String(http.StatusOK, "the first half")
				c.Writer.Flush()
				return end()
			}))
			server := httptest.NewServer(engine)
			defer server.Close()
			response, err := server.Client().Get(server.URL + "/v1/thing")
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if all, err := io.ReadAll(response.Body); err == nil {
				t.Errorf("the caller takes %q for whole", all)
			}
		})
	}
}

func TestAnAbortIsNotAnswered(t *testing.T) {
	engine := newEngine(outer()...)
	engine.GET("/v1/thing", func(*gin.Context) { panic(http.ErrAbortHandler) }) //nolint:forbidigo // how a handler cuts its answer
	server := httptest.NewServer(engine)
	defer server.Close()
	response, err := server.Client().Get(server.URL + "/v1/thing")
	if err == nil {
		_ = response.Body.Close()
		t.Errorf("answered %s", response.Status)
	}
}

func TestAnAnswerThatEndedProperlyIsWhole(t *testing.T) {
	engine := newEngine(outer()...)
	engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
		c.String(http.StatusOK, "event: error\n\n")
		return nil
	}))
	if w := get(engine); w.Body.String() != "event: error\n\n" {
		t.Errorf("got %q", w.Body)
	}
}

func TestWhoEndedTheContextDecidesTheCode(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	stopped, stop := context.WithCancelCause(t.Context())
	stop(problem.New(problem.ShuttingDown, "this replica stops"))
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		name        string
		client, ctx context.Context
		err         error
		want        problem.Code
	}{
		{"the client", gone, gone, context.Canceled, problem.ClientClosed},
		{"the server", stopped, stopped, context.Canceled, problem.ShuttingDown},
		{"the draining of streams", t.Context(), stopped, context.Canceled, problem.ShuttingDown},
		{"somebody else", t.Context(), ended, context.Canceled, problem.Internal},
		{"the deadline", t.Context(), ended, context.DeadlineExceeded, problem.DeadlineExceeded},
		{"a handler's own word", gone, gone, problem.New(problem.LockHeld, "held"), problem.LockHeld},
	} {
		if got := classify(c.client, c.ctx, c.err).Code; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestTheControllerReachesTheConnection(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{}), TCPCopy(&keeper{}))...)
	engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
		connection, _, err := http.NewResponseController(c.Writer).Hijack()
		if err != nil {
			return err
		}
		defer connection.Close()
		_, err = connection.Write([]byte("HTTP/1.1 299 Hijacked\r\n\r\n"))
		return err
	}))
	server := httptest.NewServer(engine)
	defer server.Close()
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := connection.Write([]byte("GET /v1/thing HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 12)
	if _, err := connection.Read(answer); err != nil || string(answer) != "HTTP/1.1 299" {
		t.Errorf("got %q, %v", answer, err)
	}
}
