package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// An empty variable in a script must not make a write unconditional.
func TestEmptyConditionIsRefused(t *testing.T) {
	r := start(t, settings{})
	r.do("PUT", "/v1/state/main/condition", "1").want(t, 204)
	for _, header := range []string{"If-Match", "If-None-Match"} {
		for _, method := range []string{"PUT", "DELETE", "GET"} {
			r.do(method, "/v1/state/main/condition", "2", header, "").wantProblem(t, 400, "invalid-parameter")
		}
	}
	if got := r.do("GET", "/v1/state/main/condition", "").want(t, 200); got.body != "1" {
		t.Errorf("the value became %q", got.body)
	}
}

// Record headers must not forge what an event says of itself.
func TestRecordHeadersCannotForgeAnEvent(t *testing.T) {
	r := start(t, settings{})
	createTopic(t, "e2e.forge")
	for _, name := range []string{"Ottogate-Header-Ce_id", "Ottogate-Header-ce_type", "Ottogate-Header-Content-Type"} {
		r.do("POST", "/v1/publish/events/e2e.forge", "x", name, "forged").wantProblem(t, 400, "invalid-parameter")
	}
	r.do("POST", "/v1/publish/events/e2e.forge?raw=true", "x", "Ottogate-Header-Ce_id", "mine").want(t, 200)
}

// What lists and pages show is valid JSON, with texts as they were stored.
func TestListedValuesStayAsTheyAre(t *testing.T) {
	r := start(t, settings{})
	r.do("PUT", "/v1/state/main/listed/html", `"<&>"`, "Content-Type", "application/json").want(t, 204)
	r.do("PUT", "/v1/state/main/listed/broken", "\"\xff\"", "Content-Type", "application/json").want(t, 204)
	got := r.do("GET", "/v1/state/main?prefix=listed/&values=true", "").want(t, 200)
	if !json.Valid([]byte(got.body)) || !strings.Contains(got.body, `"value":"<&>"`) || !strings.Contains(got.body, `"data":"Iv8i"`) {
		t.Error(got.body)
	}
}

// Servers that cut a path at a semicolon must not be led out of what a rule
// allows.
func TestInvokePathsCannotClimb(t *testing.T) {
	r := start(t, settings{})
	for _, path := range []string{"a/../b", "a/%2e%2e/b", "a/..;/b", "a/..;x=1/b", "a/.%2e;/b", `a/..\b`} {
		r.do("GET", "/v1/invoke/echo/"+path, "").wantProblem(t, 400, "invalid-request")
	}
}

func TestValuesCannotActAsPages(t *testing.T) {
	r := start(t, settings{})
	r.do("PUT", "/v1/state/main/page", "<script>1</script>", "Content-Type", "text/html").want(t, 204)
	got := r.do("GET", "/v1/state/main/page", "").want(t, 200)
	if got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("headers %v", got.header)
	}
}
