package e2e

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// awkward are values that gateways are known to damage.
func awkward() map[string]string {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return map[string]string{
		"all bytes":        string(every),
		"2^53+1":           "9007199254740993",
		"pi":               "3.14159265358979323",
		"nested 19 digits": `{"order":{"id":1234567890123456789, "total":1.10}}`,
		"empty":            "",
	}
}

func TestStateKeepsBytes(t *testing.T) {
	r := start(t, settings{})
	for _, store := range []string{"main", "local"} {
		for name, value := range awkward() {
			t.Run(store+"/"+name, func(t *testing.T) {
				put := r.do("PUT", "/v1/state/"+store+"/fidelity", value, "Content-Type", "x/y; z=1").want(t, 204)
				got := r.do("GET", "/v1/state/"+store+"/fidelity", "").want(t, 200)
				if got.body != value {
					t.Errorf("came back as %q", got.body)
				}
				if got.header.Get("Content-Type") != "x/y; z=1" || got.header.Get("ETag") != put.header.Get("ETag") {
					t.Errorf("headers %v", got.header)
				}
			})
		}
	}
}

func TestPublishKeepsBytes(t *testing.T) {
	r := start(t, settings{})
	createTopic(t, "e2e.fidelity")
	cursor := pageOf(t, r.do("GET", "/v1/subscribe/events/e2e.fidelity?from=latest", "").want(t, 200)).Cursor
	for name, value := range awkward() {
		t.Run(name, func(t *testing.T) {
			r.do("POST", "/v1/publish/events/e2e.fidelity", value, "Content-Type", "application/octet-stream").want(t, 200)
			page := pageOf(t, r.do("GET", "/v1/subscribe/events/e2e.fidelity?wait=5s&max=1&cursor="+cursor, "").want(t, 200))
			cursor = page.Cursor
			var event struct {
				Data string `json:"data_base64"`
			}
			if err := json.Unmarshal(page.Messages[0].Event, &event); err != nil {
				t.Fatal(err)
			}
			back, err := base64.StdEncoding.DecodeString(event.Data)
			if err != nil || string(back) != value {
				t.Errorf("came back as %q (%v)", back, err)
			}
		})
	}
	t.Run("numbers in JSON data", func(t *testing.T) {
		const value = `{"big":9007199254740993,"pi":3.14159265358979323,"id":1234567890123456789}`
		r.do("POST", "/v1/publish/events/e2e.fidelity", value, "Content-Type", "application/json").want(t, 200)
		got := r.do("GET", "/v1/subscribe/events/e2e.fidelity?wait=5s&cursor="+cursor, "").want(t, 200)
		if !strings.Contains(got.body, `"data":`+value) {
			t.Errorf("%s lacks the data as it was sent", got.body)
		}
	})
}

// Keys that differ on the wire stay different, and are listed as they were
// meant.
func TestAwkwardKeysStayDistinct(t *testing.T) {
	r := start(t, settings{})
	keys := map[string]string{ // as sent: as meant
		"a%2Fb": "a/b", "a%252Fb": "a%2Fb", "a+b": "a+b", "a%20b": "a b", "a%2Bc": "a+c",
		"..": "..", "%2e%2e/x": "../x", "/x": "/x", "x//y": "x//y", "%C3%BC": "ü", "a;b=c": "a;b=c", "a%3Fb%23": "a?b#",
	}
	for _, store := range []string{"main", "local"} {
		for sent, meant := range keys {
			r.do("PUT", "/v1/state/"+store+"/keys/"+sent, meant).want(t, 204)
		}
		for sent, meant := range keys {
			if got := r.do("GET", "/v1/state/"+store+"/keys/"+sent, "").want(t, 200); got.body != meant {
				t.Errorf("%s: key %s holds %q, want %q", store, sent, got.body, meant)
			}
		}
		if got := r.do("GET", "/v1/state/"+store+"/keys/a/b", "").want(t, 200); got.body != "a/b" {
			t.Errorf("%s: a slash and %%2F name the same key; got %q", store, got.body)
		}
		listed := map[string]bool{}
		for _, item := range listAll(t, r, store, "keys/") {
			listed[item] = true
		}
		for _, meant := range keys {
			if !listed["keys/"+meant] {
				t.Errorf("%s: the listing lacks %q", store, meant)
			}
		}
	}
	r.do("GET", "/v1/state/main/", "").wantProblem(t, 400, "empty-key")
	r.do("GET", "/v1/state/main/%00", "").wantProblem(t, 400, "invalid-key")
	r.do("GET", "/v1/state/main/%ff", "").wantProblem(t, 400, "invalid-key")
	r.do("GET", "/v1/state/main/"+strings.Repeat("k", 1025), "").wantProblem(t, 400, "invalid-key")
}

func listAll(t *testing.T, r *replica, store, prefix string) []string {
	t.Helper()
	var keys []string
	for cursor := ""; ; {
		var page struct {
			Items  []struct{ Key string }
			Cursor string
		}
		got := r.do("GET", "/v1/state/"+store+"?limit=3&prefix="+prefix+"&cursor="+cursor, "").want(t, 200)
		if err := json.Unmarshal([]byte(got.body), &page); err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			keys = append(keys, item.Key)
		}
		if cursor = page.Cursor; cursor == "" {
			return keys
		}
	}
}

// messages is a page of /v1/subscribe.
type messages struct {
	Messages []struct {
		Cursor string
		Offset string
		Event  json.RawMessage
	}
	Cursor string
}

func pageOf(t *testing.T, a answer) messages {
	t.Helper()
	var page messages
	if err := json.Unmarshal([]byte(a.body), &page); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return page
}
