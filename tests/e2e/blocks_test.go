package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestState(t *testing.T) {
	r := start(t, settings{})
	for _, store := range []string{"main", "local"} {
		t.Run(store, func(t *testing.T) {
			key := "/v1/state/" + store + "/block"
			r.do("GET", key, "").wantProblem(t, 404, "no-such-key")
			r.do("PUT", key, "x", "If-Match", "*").wantProblem(t, 412, "precondition-failed")
			first := r.do("PUT", key, `{"a":1}`, "Content-Type", "application/x-www-form-urlencoded", "If-None-Match", "*").want(t, 204).header.Get("ETag")
			r.do("PUT", key, "y", "If-None-Match", "*").wantProblem(t, 412, "precondition-failed")
			got := r.do("GET", key, "").want(t, 200)
			if got.header.Get("Content-Type") != "application/json" || got.header.Get("Cache-Control") != "private, no-cache" {
				t.Errorf("headers %v", got.header)
			}
			r.do("GET", key, "", "If-None-Match", first).want(t, 304)
			r.do("GET", key, "", "If-None-Match", `"other", `+first).want(t, 304)
			r.do("GET", key, "", "If-Match", `"other"`).wantProblem(t, 412, "precondition-failed")
			second := r.do("PUT", key, "2", "If-Match", strings.Trim(first, `"`)).want(t, 204).header.Get("ETag")
			if second == first {
				t.Error("a write kept the ETag")
			}
			r.do("DELETE", key, "", "If-Match", first).wantProblem(t, 412, "precondition-failed")
			r.do("DELETE", key, "").want(t, 204)
			r.do("DELETE", key, "").want(t, 204)
			r.do("DELETE", key, "", "If-Match", "*").wantProblem(t, 412, "precondition-failed")
			r.do("PUT", key+"?ttl=0s", "x").wantProblem(t, 400, "invalid-parameter")
			r.do("PUT", key+"?ttl=1s", "x").want(t, 204)
			left, err := strconv.Atoi(r.do("HEAD", key, "").want(t, 200).header.Get("Ottogate-TTL"))
			if err != nil || left < 1 || left > 1000 {
				t.Errorf("Ottogate-TTL %d %v", left, err)
			}
			time.Sleep(1100 * time.Millisecond)
			r.do("GET", key, "").want(t, 404)
		})
	}
	r.do("GET", "/v1/state/none/x", "").wantProblem(t, 404, "no-such-component")
}

func TestLock(t *testing.T) {
	r := start(t, settings{})
	const lock = "/v1/lock/main/block"
	r.do("GET", lock, "").wantProblem(t, 404, "no-such-lock")
	r.do("PUT", lock, `{"owner":"a"}`).wantProblem(t, 404, "no-such-lock")
	first := r.do("POST", lock, `{"owner":"a","ttl":"10s"}`).want(t, 200)
	again := r.do("POST", lock, `{"owner":"a","ttl":"10s"}`).want(t, 200)
	if fenceOf(t, first) != fenceOf(t, again) {
		t.Errorf("the same owner got another fence: %s %s", first.body, again.body)
	}
	held := r.do("POST", lock, `{"owner":"b","ttl":"10s"}`).wantProblem(t, 409, "lock-held")
	if held.header.Get("Retry-After") == "" || !strings.Contains(held.body, `"retryAfterMs":`) {
		t.Errorf("409 without a time: %s", held.body)
	}
	r.do("PUT", lock, `{"owner":"b"}`).wantProblem(t, 409, "not-owner")
	r.do("DELETE", lock+"?owner=b", "").wantProblem(t, 409, "not-owner")
	if got := r.do("GET", lock, "").want(t, 200); !strings.Contains(got.body, `"owner":"a"`) || !strings.HasPrefix(got.header.Get("ETag"), "W/") {
		t.Errorf("%s %v", got.body, got.header)
	}
	r.do("DELETE", lock+"?owner=a", "").want(t, 204)
	r.do("DELETE", lock+"?owner=a", "").wantProblem(t, 404, "no-such-lock")
	if made := r.do("POST", lock, `{"ttl":"300ms"}`).want(t, 200); !strings.Contains(made.body, `"owner":"`) {
		t.Errorf("no owner was made: %s", made.body)
	}
	time.Sleep(400 * time.Millisecond)
	r.do("POST", lock, `{"owner":"c","ttl":"100ms"}`).want(t, 200)
	time.Sleep(200 * time.Millisecond)
	r.do("PUT", lock, `{"owner":"c"}`).wantProblem(t, 410, "lease-expired")
	for _, body := range []string{`{"ttl":"0s"}`, `{"ttl":"-1s"}`, `{"ttl":"25h"}`, `{"ttl":"x"}`, `{"owner":"` + strings.Repeat("o", 257) + `"}`} {
		r.do("POST", lock, body).wantProblem(t, 400, "invalid-body")
	}
	r.do("POST", lock, `{"wait":"5s"}`).wantProblem(t, 501, "not-implemented")
}

func TestSequence(t *testing.T) {
	r := start(t, settings{})
	const sequence = "/v1/sequence/main/block"
	if got := r.do("POST", sequence, `{"floor":"5000"}`).want(t, 200); got.body != `{"first":"5001","last":"5001"}` {
		t.Error(got.body)
	}
	if got := r.do("POST", sequence, `{"count":10}`).want(t, 200); got.body != `{"first":"5002","last":"5011"}` {
		t.Error(got.body)
	}
	if got := r.do("POST", sequence, `{"floor":"9007199254740993"}`).want(t, 200); got.body != `{"first":"9007199254740994","last":"9007199254740994"}` {
		t.Error(got.body)
	}
	r.do("POST", sequence, `{"count":0}`).wantProblem(t, 400, "invalid-body")
	r.do("POST", sequence, `{"floor":5}`).wantProblem(t, 400, "invalid-body")
	r.do("POST", sequence, `{"floor":"9223372036854775807"}`).wantProblem(t, 422, "unprocessable")
}

func TestPublish(t *testing.T) {
	r := start(t, settings{})
	createTopic(t, "e2e.publish")
	got := r.do("POST", "/v1/publish/events/e2e.publish?key=k", `{"a":1}`).want(t, 200)
	for _, member := range []string{`"id":"`, `"topic":"e2e.publish"`, `"partition":`, `"offset":"0"`, `"timestamp":"`} {
		if !strings.Contains(got.body, member) {
			t.Errorf("%s lacks %s", got.body, member)
		}
	}
	mine := r.do("POST", "/v1/publish/events/e2e.publish?key=k", "x", "ce-id", "my-id", "ce-source", "/me", "ce-type", "t", "ce-specversion", "1.0").want(t, 200)
	if !strings.Contains(mine.body, `"id":"my-id"`) {
		t.Errorf("the caller's id is lost: %s", mine.body)
	}
	r.do("POST", "/v1/publish/events/e2e.publish?raw=true", "raw", "Ottogate-Header-Color", "red").want(t, 200)
	r.do("POST", "/v1/publish/events/e2e.publish?tombstone=true&key=k", "").want(t, 200)
	page := r.do("GET", "/v1/subscribe/events/e2e.publish?from=earliest&wait=5s", "").want(t, 200)
	for _, part := range []string{`"specversion":"1.0"`, `"id":"my-id"`, `"data":{"a":1}`, `"data":"cmF3"`, `"color":["red"]`, `"data":null`, `"key":"k"`, `"attempt":1`} {
		if !strings.Contains(page.body, part) {
			t.Errorf("the page lacks %s: %s", part, page.body)
		}
	}
	r.do("POST", "/v1/publish/events/e2e.publish?key=k", "x", "Ottogate-Key", "other").wantProblem(t, 400, "invalid-parameter")
	r.do("POST", "/v1/publish/events/e2e.publish?partition=99", "x").wantProblem(t, 422, "unprocessable")
	r.do("POST", "/v1/publish/events/no.such.topic", "x").wantProblem(t, 404, "no-such-topic")
	r.do("POST", "/v1/publish/events/bad%20name", "x").wantProblem(t, 400, "invalid-name")
	r.do("POST", "/v1/publish/events/e2e.publish?delay=5s", "x").wantProblem(t, 501, "not-implemented")
	r.do("GET", "/v1/subscribe/events/e2e.publish?cursor=nonsense", "").wantProblem(t, 400, "invalid-cursor")
	r.do("GET", "/v1/subscribe/events/e2e.publish?group=g", "").wantProblem(t, 400, "invalid-parameter")
}

func TestConfig(t *testing.T) {
	r := start(t, settings{})
	group := r.do("GET", "/v1/config/apollo/application", "").want(t, 200)
	if !strings.Contains(group.body, `"greeting":"hello"`) || group.header.Get("Age") == "" {
		t.Errorf("%s %v", group.body, group.header)
	}
	r.do("GET", "/v1/config/apollo/application", "", "If-None-Match", group.header.Get("ETag")).want(t, 304)
	if got := r.do("GET", "/v1/config/apollo/application/greeting", "").want(t, 200); got.body != "hello" || got.header.Get("Vary") != "Accept" {
		t.Errorf("%q %v", got.body, got.header)
	}
	asJSON := r.do("GET", "/v1/config/apollo/application/greeting", "", "Accept", "application/json").want(t, 200)
	if !strings.Contains(asJSON.body, `"value":"hello"`) || !strings.Contains(asJSON.body, `"tags":{}`) {
		t.Error(asJSON.body)
	}
	r.do("GET", "/v1/config/apollo/application/absent", "").wantProblem(t, 404, "no-such-key")
	r.do("GET", "/v1/config/apollo/absent", "").wantProblem(t, 404, "no-such-group")
	r.do("GET", "/v1/config/apollo/application/greeting?type=int", "").wantProblem(t, 422, "unprocessable")
	if got := r.do("GET", "/v1/config/apollo/application/greeting?type=int&default=7", "").want(t, 200); got.body != "7" {
		t.Error(got.body)
	}
}

func TestConfigWatch(t *testing.T) {
	r := start(t, settings{})
	if _, err := shared.apollo.Release("demo", "default", "watched", map[string]string{"a": "1", "b": "2"}); err != nil {
		t.Fatal(err)
	}
	const group = "/v1/config/apollo/watched"
	etag := r.do("GET", group, "").want(t, 200).header.Get("ETag")
	stream := r.open("GET", group, "", "Accept", "text/event-stream")
	defer stream.Body.Close()
	events := newEvents(stream.Body)
	if first := events.next(t); first.name != "snapshot" || `"`+first.id+`"` != etag {
		t.Fatalf("stream began with %+v", first)
	}
	r.do("GET", group+"?wait=200ms", "", "If-None-Match", etag).want(t, 304)

	polled := make(chan answer, 1)
	go func() { polled <- r.do("GET", group+"?wait=10s", "", "If-None-Match", etag) }()
	time.Sleep(100 * time.Millisecond) // the poll waits
	if _, err := shared.apollo.Release("demo", "default", "watched", map[string]string{"a": "changed", "c": "3"}); err != nil {
		t.Fatal(err)
	}
	change := events.next(t)
	for _, part := range []string{`"added":{"c":"3"}`, `"modified":{"a":{"old":"1","new":"changed"}}`, `"deleted":["b"]`} {
		if change.name != "change" || !strings.Contains(change.data, part) {
			t.Errorf("%+v lacks %s", change, part)
		}
	}
	select {
	case got := <-polled:
		if got.status != 200 || !strings.Contains(got.body, `"a":"changed"`) {
			t.Errorf("long poll: %d %s", got.status, got.body)
		}
	case <-time.After(5 * time.Second):
		t.Error("the long poll was not answered")
	}
}

func TestInvoke(t *testing.T) {
	r := start(t, settings{})
	for _, status := range []int{201, 204, 301, 404, 418, 500, 503} {
		got := r.do("GET", "/v1/invoke/echo/status/"+strconv.Itoa(status), "").want(t, status)
		if got.header.Get("Ottogate-Error") != "" || got.header.Get("Ottogate-Attempts") != "1" || !strings.HasPrefix(got.header.Get("Ottogate-Upstream"), "echo/") {
			t.Errorf("%d: %v", status, got.header)
		}
	}
	r.do("PATCH", "/v1/invoke/echo/a%2Fb/c", "body", "Ottogate-App", "demo", "X-Api-Key", readerKey).wantProblem(t, 403, "forbidden")
	got := r.do("PATCH", "/v1/invoke/echo/a%2Fb/c?x=1&x=2", "body", "X-Two", "1", "X-Two", "2", "Ottogate-App", "spoofed").want(t, 200)
	for _, part := range []string{`PATCH`, `a%2Fb/c`, `"demo"`, `body`} {
		if !strings.Contains(got.body, part) {
			t.Errorf("the echo lacks %s: %s", part, got.body)
		}
	}
	if strings.Contains(got.body, "spoofed") {
		t.Errorf("the caller's Ottogate-App passed: %s", got.body)
	}
	r.do("GET", "/v1/invoke/none/x", "").wantProblem(t, 404, "no-such-service")
	r.do("GET", "/v1/invoke/echo/a/%2e%2e/b", "").wantProblem(t, 400, "invalid-request")
}
