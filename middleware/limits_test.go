package middleware

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// limited is an engine with limits whose handlers read the body, and a mark
// of whether one was reached.
func limited(config LimitsConfig) (*gin.Engine, *bool) {
	reached := new(bool)
	engine := newEngine(outer(Limits(config))...)
	handle := Handle(func(c *gin.Context) error {
		*reached = true
		return echo(c)
	})
	engine.POST("/v1/thing", handle)
	engine.POST("/v1/invoke/:service/*path", handle)
	return engine, reached
}

// undeclared hides a body's length.
type undeclared struct{ io.Reader }

func TestSizesAreBounded(t *testing.T) {
	config := LimitsConfig{Body: 10, Headers: 200, URI: 40}
	for _, c := range []struct {
		name    string
		target  string
		body    io.Reader
		headers []string
		want    problem.Code
		reached bool
	}{
		{"all within", "/v1/thing", strings.NewReader("0123456789"), nil, "", true},
		{"undeclared within", "/v1/thing", undeclared{strings.NewReader("0123456789")}, nil, "", true},
		{"long URI", "/v1/thing?" + strings.Repeat("x", 40), http.NoBody, nil, problem.URITooLong, false},
		{"large headers", "/v1/thing", http.NoBody, []string{"X-A", strings.Repeat("a", 100), "X-B", strings.Repeat("b", 100)}, problem.HeadersTooLarge, false},
		{"declared body", "/v1/thing", strings.NewReader("0123456789x"), nil, problem.BodyTooLarge, false},
		{"undeclared body", "/v1/thing", undeclared{strings.NewReader("0123456789x")}, nil, problem.BodyTooLarge, true},
		{"compressed", "/v1/thing", strings.NewReader("x"), []string{"Content-Encoding", "gzip"}, problem.UnsupportedType, false},
		{"identity", "/v1/thing", strings.NewReader("x"), []string{"Content-Encoding", "identity"}, "", true},
		{"compressed for an upstream", "/v1/invoke/a/b", strings.NewReader("x"), []string{"Content-Encoding", "gzip"}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			engine, reached := limited(config)
			w := do(engine, "POST", c.target, c.body, c.headers...)
			if c.want != "" {
				wantProblem(t, w, c.want)
			} else if w.Code != http.StatusCreated {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if *reached != c.reached {
				t.Errorf("handler reached: %v", *reached)
			}
		})
	}
}

func TestTheRequestAfterTheLastIsShed(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	engine := newEngine(outer(Limits(LimitsConfig{InFlight: 1}))...)
	engine.GET("/v1/slow", Handle(func(c *gin.Context) error {
		inside <- struct{}{}
		<-leave
		return fine(c)
	}))
	engine.GET("/v1/thing", Handle(fine))
	engine.GET("/healthz", Handle(fine))
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(engine, "GET", "/v1/slow", http.NoBody)
	}()
	<-inside
	w := get(engine)
	wantProblem(t, w, problem.Overloaded)
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
	if w := do(engine, "GET", "/healthz", http.NoBody); w.Code != http.StatusOK {
		t.Errorf("the probe was shed: %d", w.Code)
	}
	close(leave)
	<-done
	if w := get(engine); w.Code != http.StatusOK {
		t.Errorf("the place was not given back: %d", w.Code)
	}
}

// deadlineOf is how long a request got.
func deadlineOf(t *testing.T, config LimitsConfig, target string, headers ...string) (time.Duration, *httptest.ResponseRecorder) {
	t.Helper()
	var left time.Duration
	engine := newEngine(outer(Limits(config), Deadline(false))...)
	handle := Handle(func(c *gin.Context) error {
		until, ok := c.Request.Context().Deadline()
		if info := request.From(c.Request.Context()); ok != !info.Deadline.IsZero() || !until.Equal(info.Deadline) {
			t.Errorf("context %v, info %v", until, info.Deadline)
		}
		left = time.Until(until)
		return fine(c)
	})
	engine.GET("/v1/thing", handle)
	engine.GET("/v1/invoke/:service/*path", handle)
	w := do(engine, "GET", target, http.NoBody, headers...)
	return left, w
}

func TestDeadlines(t *testing.T) {
	config := LimitsConfig{Request: 10 * time.Second, MaxRequest: time.Minute}
	for _, c := range []struct {
		name, target string
		headers      []string
		want         time.Duration
	}{
		{"the default", "/v1/thing", nil, 10 * time.Second},
		{"the caller's", "/v1/thing", []string{timeoutHeader, "300ms"}, 300 * time.Millisecond},
		{"the most", "/v1/thing", []string{timeoutHeader, "2h"}, time.Minute},
		{"a wait", "/v1/thing?wait=20s", nil, 22 * time.Second},
		{"a long wait", "/v1/thing?wait=1h", nil, 62 * time.Second},
		{"a short wait", "/v1/thing?wait=1s", nil, 10 * time.Second},
		{"a wait that makes no sense", "/v1/thing?wait=soon", nil, 10 * time.Second},
		{"a wait under a deadline", "/v1/thing?wait=20s", []string{timeoutHeader, "1s"}, time.Second},
		{"another's parameter", "/v1/invoke/a/b?wait=20s", nil, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			left, _ := deadlineOf(t, config, c.target, c.headers...)
			if left > c.want || left < c.want-200*time.Millisecond {
				t.Errorf("got %v, want %v", left, c.want)
			}
		})
	}
}

func TestBadDeadlines(t *testing.T) {
	for value, want := range map[string]problem.Code{
		"soon": problem.InvalidParameter, "": problem.InvalidParameter, "10": problem.InvalidParameter,
		"0": problem.DeadlineExceeded, "0s": problem.DeadlineExceeded, "-1s": problem.DeadlineExceeded,
	} {
		_, w := deadlineOf(t, LimitsConfig{}, "/v1/thing", timeoutHeader, value)
		wantProblem(t, w, want)
	}
}

func TestStreamsAreNotBounded(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{Request: time.Second}), Deadline(true))...)
	engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
		if _, bounded := c.Request.Context().Deadline(); bounded {
			return problem.New(problem.Internal, "the stream is bounded")
		}
		if request.From(c.Request.Context()).Deadline.IsZero() {
			return problem.New(problem.Internal, "the time to the headers is lost")
		}
		return fine(c)
	}))
	if w := get(engine); w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
}

func TestAPassedDeadlineIs504(t *testing.T) {
	engine := newEngine(outer(Limits(LimitsConfig{Request: 10 * time.Millisecond}), Deadline(false))...)
	engine.GET("/v1/thing", Handle(func(c *gin.Context) error {
		<-c.Request.Context().Done()
		return c.Request.Context().Err()
	}))
	wantProblem(t, get(engine), problem.DeadlineExceeded)
}
