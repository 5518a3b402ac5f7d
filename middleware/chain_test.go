package middleware

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/problem"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	goleak.VerifyTestMain(m)
}

// newEngine is a router as the gateway has one, with a chain in front.
func newEngine(chain ...gin.HandlerFunc) *gin.Engine {
	engine := gin.New()
	engine.UseEscapedPath, engine.UnescapePathValues = true, false
	engine.RedirectTrailingSlash, engine.HandleMethodNotAllowed = false, true
	engine.Use(chain...)
	engine.NoRoute(NoRoute())
	engine.NoMethod(NoMethod())
	return engine
}

// outer is the part of the chain that every test needs.
func outer(more ...gin.HandlerFunc) []gin.HandlerFunc {
	quiet := slog.New(slog.DiscardHandler)
	return append([]gin.HandlerFunc{RequestID(nil), Problems(quiet), Recovery(quiet)}, more...)
}

func fine(c *gin.Context) error {
	c.String(http.StatusOK, "fine")
	return nil
}

// do sends a request straight into a handler; headers are name, value, …
func do(h http.Handler, method, target string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// get is do for a GET of /v1/thing.
func get(h http.Handler, headers ...string) *httptest.ResponseRecorder {
	return do(h, http.MethodGet, "/v1/thing", http.NoBody, headers...)
}

// idOf is the request id that an answer names.
func idOf(w *httptest.ResponseRecorder) string {
	return strings.Join(w.Header()[requestIDHeader], " and ")
}

// wantProblem checks that an answer is the problem document of code.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, code problem.Code) {
	t.Helper()
	var doc problem.Document
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || doc.Code != code || w.Code != problem.KindOf(code).Status {
		t.Fatalf("got %d %s, want %s", w.Code, w.Body, code)
	}
	if doc.RequestID == "" || doc.RequestID != idOf(w) {
		t.Errorf("request id %q in the problem, %q in the header", doc.RequestID, idOf(w))
	}
}

// lines is a log that tests can read.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// all gives the lines so far.
func (l *lines) all(tb testing.TB) []map[string]any {
	tb.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []map[string]any
	for text := range strings.Lines(l.text.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			tb.Fatalf("the line %q is no JSON: %v", text, err)
		}
		list = append(list, line)
	}
	return list
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func apps(tb testing.TB) access.Apps {
	tb.Helper()
	rule, err := access.ParseRule("state.read main/**")
	if err != nil {
		tb.Fatal(err)
	}
	keyOf := func(text string) access.Key {
		hash, err := access.ParseHash(access.HashOf(text))
		if err != nil {
			tb.Fatal(err)
		}
		return access.Key{Hash: hash}
	}
	return access.Apps{
		"alice": {Keys: []access.Key{keyOf("key-of-alice")}, Allow: []access.Rule{rule}},
		"bob":   {Keys: []access.Key{keyOf("key-of-bob")}},
	}
}

func authOf(tb testing.TB) gin.HandlerFunc {
	tb.Helper()
	authenticator, err := access.NewAuthenticator(apps(tb), "", time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	return Auth(authenticator)
}

func observe(tb testing.TB, access *slog.Logger, reg prometheus.Registerer) gin.HandlerFunc {
	tb.Helper()
	handler, err := Observe(access, reg)
	if err != nil {
		tb.Fatal(err)
	}
	return handler
}
