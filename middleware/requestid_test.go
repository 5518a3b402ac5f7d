package middleware

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/request"
)

func infoOf(headers ...string) (request.Info, http.Header, *httptest.ResponseRecorder) {
	var info request.Info
	var seen http.Header
	engine := newEngine(RequestID(nil))
	engine.GET("/v1/thing", func(c *gin.Context) {
		info, seen = *request.From(c.Request.Context()), c.Request.Header
	})
	return info, seen, get(engine, headers...)
}

func TestRequestIDIsGivenOrMade(t *testing.T) {
	for given, kept := range map[string]bool{
		"abc-123": true, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false,
		"": false, "a b": false, "a\tb": false, "é": false, "a\x1b[31m": false,
	} {
		engine := newEngine(RequestID(nil))
		var id string
		engine.GET("/v1/thing", func(c *gin.Context) { id = request.From(c.Request.Context()).ID })
		w := get(engine, "X-Request-Id", given)
		if (id == given) != kept || id == "" || idOf(w) != id || len(w.Header()[requestIDHeader]) != 1 {
			t.Errorf("%q: id %q, answered %q", given, id, w.Header()[requestIDHeader])
		}
	}
}

func TestTwoRequestIDsAreNone(t *testing.T) {
	w := get(newEngine(RequestID(nil)), "X-Request-Id", "one", "X-Request-Id", "two")
	if id := idOf(w); len(id) != 32 {
		t.Errorf("id %q", id)
	}
}

func TestMadeRequestIDsDiffer(t *testing.T) {
	engine := newEngine(RequestID(nil))
	if a, b := idOf(get(engine)), idOf(get(engine)); a == b {
		t.Errorf("both are %q", a)
	}
}

func TestReservedHeadersAreRemoved(t *testing.T) {
	var seen http.Header
	engine := newEngine(RequestID(nil))
	engine.GET("/v1/thing", func(c *gin.Context) { seen = c.Request.Header })
	kept := []string{"Ottogate-Key", "Ottogate-Header-Colour", "Ottogate-Route", "Ottogate-Fanout", "Ottogate-Hash", "Ottogatex", "Accept"}
	gone := []string{"Ottogate-App", "ottogate_app", "OTTOGATE-UPSTREAM", "Ottogate_Key", "OTTOGATE_key", "Ottogate-Header-", "Ottogate-", "ottogate-keys", "Ottogate-Error"}
	var headers []string
	for _, name := range append(append([]string{}, kept...), gone...) {
		headers = append(headers, name, "forged")
	}
	get(engine, headers...)
	if len(seen) != len(kept) {
		t.Errorf("left: %v", seen)
	}
	for _, name := range kept {
		if seen.Get(name) == "" {
			t.Errorf("%s was taken away", name)
		}
	}
}

func TestRemovingNothingAllocatesNothing(t *testing.T) {
	header := http.Header{"Accept": {"*/*"}, "Ottogate-Key": {"k"}, "Origin": {"x"}}
	if allocs := testing.AllocsPerRun(100, func() { removeReserved(header) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
