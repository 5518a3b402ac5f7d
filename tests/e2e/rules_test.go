package e2e

import (
	"net"
	"strings"
	"testing"
	"time"
)

// What API.md section 0 promises on every route.
func TestRules(t *testing.T) {
	r := start(t, settings{})
	t.Run("unknown path is a problem", func(t *testing.T) {
		r.do("GET", "/nowhere", "").wantProblem(t, 404, "no-such-route")
	})
	t.Run("wrong method names the right ones", func(t *testing.T) {
		got := r.do("PUT", "/v1/whoami", "x").wantProblem(t, 405, "method-not-allowed")
		if allow := got.header.Get("Allow"); !strings.Contains(allow, "GET") {
			t.Errorf("Allow %q", allow)
		}
	})
	t.Run("control body of another type", func(t *testing.T) {
		r.do("POST", "/v1/lock/main/x", "a=b", "Content-Type", "text/csv").wantProblem(t, 415, "unsupported-media-type")
	})
	t.Run("control body with faults names each place", func(t *testing.T) {
		got := r.do("POST", "/v1/lock/main/x", `{"ttl":5,"ownr":"x"}`).wantProblem(t, 400, "invalid-body")
		for _, pointer := range []string{`"pointer":"/ttl"`, `"pointer":"/ownr"`} {
			if !strings.Contains(got.body, pointer) {
				t.Errorf("%s lacks %s", got.body, pointer)
			}
		}
	})
	t.Run("planned routes say 501", func(t *testing.T) {
		r.do("GET", "/v1/subscriptions", "").wantProblem(t, 501, "not-implemented")
		r.do("POST", "/v1/election/main/x", "{}").wantProblem(t, 501, "not-implemented")
		r.do("POST", "/v1/publish/events/e2e.rules", "x", "Idempotency-Key", "k").wantProblem(t, 501, "not-implemented")
	})
	t.Run("body over the limit", func(t *testing.T) {
		r.do("PUT", "/v1/state/main/big", strings.Repeat("x", 1<<20+1)).wantProblem(t, 413, "body-too-large")
		r.do("GET", "/v1/state/main/big", "").wantProblem(t, 404, "no-such-key")
	})
	t.Run("URI over the limit", func(t *testing.T) {
		r.do("GET", "/v1/state/main/x?consistency="+strings.Repeat("x", 9<<10), "").wantProblem(t, 414, "uri-too-long")
	})
	t.Run("headers over the limit", func(t *testing.T) {
		r.do("GET", "/v1/whoami", "", "X-Long", strings.Repeat("x", 40<<10)).wantProblem(t, 431, "headers-too-large")
	})
	t.Run("request id is echoed and in the problem", func(t *testing.T) {
		got := r.do("GET", "/nowhere", "", "X-Request-Id", "abc-123")
		if got.header.Get("X-Request-Id") != "abc-123" || !strings.Contains(got.body, `"requestId":"abc-123"`) {
			t.Errorf("%v %s", got.header, got.body)
		}
		if made := r.do("GET", "/v1/whoami", "").header.Get("X-Request-Id"); len(made) < 8 {
			t.Errorf("made id %q", made)
		}
	})
	t.Run("a passed deadline reaches nobody", func(t *testing.T) {
		r.do("PUT", "/v1/state/main/late", "x", "X-Request-Timeout", "0s").wantProblem(t, 504, "deadline-exceeded")
		r.do("GET", "/v1/state/main/late", "").want(t, 404)
		r.do("GET", "/v1/whoami", "", "X-Request-Timeout", "soon").want(t, 400)
	})
	t.Run("deadline cuts a slow upstream", func(t *testing.T) {
		began := time.Now()
		r.do("GET", "/v1/invoke/echo/delay/5s", "", "X-Request-Timeout", "300ms").wantProblem(t, 504, "deadline-exceeded")
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %s", took)
		}
	})
	t.Run("foreign origins are refused", func(t *testing.T) {
		r.do("GET", "/v1/whoami", "", "Origin", "https://evil.example").wantProblem(t, 403, "foreign-origin")
		r.do("GET", "/v1/whoami", "", "Sec-Fetch-Site", "cross-site").wantProblem(t, 403, "foreign-origin")
		r.do("GET", "/v1/whoami", "", "Origin", r.url).want(t, 200)
	})
	t.Run("problem pages", func(t *testing.T) {
		if got := r.do("GET", "/problems/lock-held", "").want(t, 200); !strings.Contains(got.body, `"status":409`) {
			t.Error(got.body)
		}
		if got := r.do("GET", "/problems/lock-held", "", "Accept", "text/html").want(t, 200); !strings.Contains(got.body, "<h1>409 Lock held</h1>") {
			t.Error(got.body)
		}
		r.do("GET", "/problems/nonsense", "").wantProblem(t, 404, "no-such-route")
	})
	t.Run("pages and specification", func(t *testing.T) {
		for path, text := range map[string]string{"/": "Swagger UI", "/openapi.json": `"openapi": "3.1.0"`, "/openapi.yaml": "openapi: 3.1.0", "/docs/": "swagger", "/healthz": "UP", "/readyz": "UP"} {
			if got := r.do("GET", path, "").want(t, 200); !strings.Contains(got.body, text) {
				t.Errorf("%s lacks %q: %.200s", path, text, got.body)
			}
		}
	})
	t.Run("HEAD wherever GET is", func(t *testing.T) {
		for _, path := range []string{"/", "/openapi.json", "/v1/whoami", "/v1/config/apollo/application"} {
			if got := r.do("HEAD", path, "").want(t, 200); got.body != "" {
				t.Errorf("HEAD %s has a body", path)
			}
		}
	})
}

func TestWhoMayDoWhat(t *testing.T) {
	r := start(t, settings{})
	r.do("PUT", "/v1/state/shared/x", "1").want(t, 204)
	key := []string{"Authorization", "Bearer " + readerKey}
	if got := r.do("GET", "/v1/whoami", "", key...).want(t, 200); !strings.Contains(got.body, `"app":"reader","via":"apiKey"`) {
		t.Error(got.body)
	}
	r.do("GET", "/v1/state/main/public/x", "", "X-Api-Key", readerKey).wantProblem(t, 404, "no-such-key")
	absent := r.do("GET", "/v1/state/main/private/x", "", key...).wantProblem(t, 403, "forbidden")
	r.do("PUT", "/v1/state/main/public/x", "1", key...).wantProblem(t, 403, "forbidden")
	there := r.do("GET", "/v1/state/shared/x", "", key...).wantProblem(t, 403, "forbidden")
	if len(absent.body) != len(there.body) {
		t.Errorf("403 tells apart what exists: %s / %s", absent.body, there.body)
	}
	wrong := r.do("GET", "/v1/whoami", "", "Authorization", "Bearer otg_reader_wrong").wantProblem(t, 401, "invalid-credential")
	if wrong.header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	if !strings.Contains(r.log.String(), `"action":"state.write"`) {
		t.Error("no audit line of the denial")
	}
	if strings.Contains(r.log.String(), readerKey) {
		t.Error("the log holds the key")
	}
}

// A request that net/http itself refuses must not reach a backend or hang.
func TestMalformedRequestLine(t *testing.T) {
	r := start(t, settings{})
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = conn.Write([]byte("GET /v1/state/main/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	buffer := make([]byte, 64)
	n, err := conn.Read(buffer)
	if err != nil || !strings.HasPrefix(string(buffer[:n]), "HTTP/1.1 400") {
		t.Fatalf("%q %v", buffer[:n], err)
	}
}
