package middleware

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// guarded is an engine that lets alice read the keys of main, and its audit
// log.
func guarded(t *testing.T) (*gin.Engine, *lines) {
	t.Helper()
	audit := &lines{}
	policy := Policy(access.NewPolicy(apps(t)), audit.logger(), func(c *gin.Context) (access.Request, error) {
		key := strings.TrimPrefix(c.Param("key"), "/")
		if key == "" {
			return access.Request{}, problem.New(problem.EmptyKey, "no key")
		}
		return access.Request{Action: access.StateRead, Resource: c.Param("store") + "/" + key}, nil
	})
	engine := newEngine(outer(authOf(t))...)
	engine.GET("/v1/state/:store/*key", policy, Handle(func(c *gin.Context) error {
		info := request.From(c.Request.Context())
		c.String(http.StatusOK, info.App+" "+info.Via+" "+info.CredentialHeader)
		return nil
	}))
	return engine, audit
}

func TestAuthNamesTheApp(t *testing.T) {
	engine, _ := guarded(t)
	for header, value := range map[string]string{"X-Api-Key": "key-of-alice", "Authorization": "Bearer key-of-alice"} {
		w := do(engine, "GET", "/v1/state/main/x", http.NoBody, header, value)
		if w.Body.String() != "alice apiKey "+header {
			t.Errorf("%s: %d %s", header, w.Code, w.Body)
		}
	}
}

func TestAuthRefuses(t *testing.T) {
	engine, _ := guarded(t)
	wantProblem(t, do(engine, "GET", "/v1/state/main/x", http.NoBody), problem.Unauthenticated)
	w := do(engine, "GET", "/v1/state/main/x", http.NoBody, "X-Api-Key", "wrong")
	wantProblem(t, w, problem.InvalidCredential)
	if w.Header().Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
}

func TestADenialIsAuditedAndTellsNothing(t *testing.T) {
	engine, audit := guarded(t)
	w := do(engine, "GET", "/v1/state/other/x\u2028y%0A", http.NoBody, "X-Api-Key", "key-of-alice", "X-Request-Id", "r-7")
	wantProblem(t, w, problem.Forbidden)
	if strings.Contains(w.Body.String(), "other") {
		t.Errorf("body %s", w.Body)
	}
	line := audit.all(t)
	if len(line) != 1 {
		t.Fatalf("%d lines", len(line))
	}
	for field, want := range map[string]string{
		"app": "alice", "via": "apiKey", "action": "state.read", "outcome": "denied", "rule": "", "requestId": "r-7", "address": "192.0.2.1",
	} {
		if line[0][field] != want {
			t.Errorf("%s: %v, want %q", field, line[0][field], want)
		}
	}
	if line[0]["time"] == "" || !strings.HasPrefix(line[0]["resource"].(string), "other/x") {
		t.Errorf("line %v", line[0])
	}
}

func TestAnAppWithoutRulesMayDoNothing(t *testing.T) {
	engine, _ := guarded(t)
	wantProblem(t, do(engine, "GET", "/v1/state/main/x", http.NoBody, "X-Api-Key", "key-of-bob"), problem.Forbidden)
}

func TestWhatCannotBeNamedIsNotDecided(t *testing.T) {
	engine, audit := guarded(t)
	wantProblem(t, do(engine, "GET", "/v1/state/main/", http.NoBody, "X-Api-Key", "key-of-alice"), problem.EmptyKey)
	if audit.String() != "" {
		t.Errorf("audited %s", audit)
	}
}
