package middleware

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ottogate/ottogate/problem"
)

func TestOrigins(t *testing.T) {
	engine := newEngine(outer(Origin(OriginConfig{Origins: []string{"https://app.example"}}))...)
	engine.GET("/v1/thing", Handle(fine))
	engine.GET("/docs", Handle(fine))
	for _, c := range []struct {
		name, target string
		headers      []string
		passes       bool
	}{
		{"no browser", "/v1/thing", nil, true},
		{"same origin", "/v1/thing", []string{"Origin", "http://example.com"}, true},
		{"same origin over TLS at a proxy", "/v1/thing", []string{"Origin", "https://EXAMPLE.com", "Sec-Fetch-Site", "same-origin"}, true},
		{"listed", "/v1/thing", []string{"Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"}, true},
		{"listed by another scheme", "/v1/thing", []string{"Origin", "http://app.example"}, false},
		{"foreign", "/v1/thing", []string{"Origin", "https://evil.example"}, false},
		{"another port", "/v1/thing", []string{"Origin", "http://example.com:81"}, false},
		{"hidden", "/v1/thing", []string{"Origin", "null"}, false},
		{"empty", "/v1/thing", []string{"Origin", ""}, false},
		{"two", "/v1/thing", []string{"Origin", "http://example.com", "Origin", "https://evil.example"}, false},
		{"cross-site", "/v1/thing", []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"a link to the API", "/v1/thing", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, false},
		{"a link to the docs", "/docs", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, true},
		{"the docs in a frame", "/docs", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := do(engine, "GET", c.target, http.NoBody, c.headers...)
			if c.passes && w.Code != http.StatusOK {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if !c.passes {
				wantProblem(t, w, problem.ForeignOrigin)
				if w.Header().Get("Access-Control-Allow-Origin") != "" {
					t.Error("the foreign page may read the answer")
				}
			}
		})
	}
}

func TestAListedOriginMayReadTheAnswer(t *testing.T) {
	engine := newEngine(outer(Origin(OriginConfig{Origins: []string{"https://app.example"}}))...)
	engine.GET("/v1/thing", Handle(fine))
	header := get(engine, "Origin", "https://app.example").Header()
	if header.Get("Access-Control-Allow-Origin") != "https://app.example" || header.Get("Vary") != "Origin" || header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("headers %v", header)
	}
}

func TestPreflights(t *testing.T) {
	engine := newEngine(outer(Origin(OriginConfig{Origins: []string{"https://app.example"}}))...)
	engine.PUT("/v1/thing", Handle(fine))
	asked := []string{"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization,x-api-key"}
	w := do(engine, "OPTIONS", "/v1/thing", http.NoBody, append(asked, "Origin", "https://app.example")...)
	if w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Methods") != "PUT" || w.Header().Get("Access-Control-Allow-Headers") != "authorization,x-api-key" {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
	wantProblem(t, do(engine, "OPTIONS", "/v1/thing", http.NoBody, append(asked, "Origin", "https://evil.example")...), problem.ForeignOrigin)
}

func TestALoopbackListenerServesLoopbackNamesOnly(t *testing.T) {
	engine := newEngine(outer(Origin(OriginConfig{LoopbackHosts: true}))...)
	engine.GET("/v1/thing", Handle(fine))
	for host, passes := range map[string]bool{
		"localhost:8080": true, "LOCALHOST": true, "app.localhost:8080": true, "127.0.0.1:8080": true, "127.9.9.9": true, "[::1]:8080": true, "[::1]": true, "localhost.": true,
		"evil.example": false, "evil.example:8080": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "10.0.0.1": false, "": false, "notlocalhost": false,
	} {
		r := httptest.NewRequest("GET", "/v1/thing", http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		if (w.Code == http.StatusOK) != passes {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
}
