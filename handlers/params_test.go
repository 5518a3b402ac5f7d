package handlers

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

func TestTagsHeader(t *testing.T) {
	cases := map[string]tags{
		``:                         {},
		`*`:                        {any: true},
		`"a"`:                      {list: []string{"a"}},
		`a`:                        {list: []string{"a"}},
		`W/"a"`:                    {list: []string{`W/"a`}},
		`"a", "b"`:                 {list: []string{"a", "b"}},
		`"a","b"`:                  {list: []string{"a", "b"}},
		`a, b`:                     {list: []string{"a", "b"}},
		`"with, comma", W/"b" , c`: {list: []string{"with, comma", `W/"b`, "c"}},
		`"unclosed`:                {list: []string{"unclosed"}},
		` , ,"a"`:                  {list: []string{"a"}},
	}
	for text, want := range cases {
		if got := tagsHeader(http.Header{"If-Match": {text}}, "If-Match"); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	if weak := tagsHeader(http.Header{"If-None-Match": {`W/"a"`}}, "If-None-Match"); !weak.has("a") {
		t.Errorf("If-None-Match compares strongly: %+v", weak)
	}
	two := tagsHeader(http.Header{"If-Match": {`"a"`, `"b"`}}, "If-Match")
	if !two.has("a") || !two.has("b") || two.has("c") {
		t.Errorf("two lines: %+v", two)
	}
}

func FuzzTagsHeader(f *testing.F) {
	f.Add(`"a", W/"b", *`)
	f.Add(`"`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, tag := range tagsHeader(http.Header{"If-Match": {text}}, "If-Match").list {
			if len(tag) > len(text) {
				t.Errorf("tag %q of %q", tag, text)
			}
		}
	})
}

func TestDecodeKey(t *testing.T) {
	good := map[string]string{
		"a": "a", "a%2Fb": "a/b", "a%252Fb": "a%2Fb", "a+b": "a+b", "/x": "/x", "..": "..", "%C3%BC": "ü", strings.Repeat("k", 1024): strings.Repeat("k", 1024),
	}
	for escaped, want := range good {
		if got, err := decodeKey(escaped); got != want || err != nil {
			t.Errorf("%q: %q %v", escaped, got, err)
		}
	}
	bad := map[string]problem.Code{
		"": problem.EmptyKey, "%00": problem.InvalidKey, "a%0Ab": problem.InvalidKey, "%7F": problem.InvalidKey, "%C2%85": problem.InvalidKey,
		"%FF": problem.InvalidKey, "%zz": problem.InvalidKey, strings.Repeat("k", 1025): problem.InvalidKey,
	}
	for escaped, want := range bad {
		if _, err := decodeKey(escaped); problem.CodeOf(err) != want {
			t.Errorf("%q: %v, want %s", escaped, err, want)
		}
	}
}

// Whatever two apps, kinds or components write, their keys never meet.
func TestKeyspacesNeverMeet(t *testing.T) {
	seen := map[string]string{}
	for _, kind := range []string{"state", "lock"} {
		for _, component := range []string{"main", "other"} {
			for _, strategy := range []string{"app", "shared"} {
				for _, app := range []string{"a", "b"} {
					space := NewKeyspace("ns", kind, component, strategy)
					owner := strings.Join([]string{kind, component, strategy}, "/")
					if strategy == "app" {
						owner += "/" + app
					}
					complete := space.Of(app, ":b:key")
					if other, taken := seen[complete]; taken && other != owner {
						t.Errorf("%s and %s share %q", owner, other, complete)
					}
					seen[complete] = owner
					if back := space.Trim(app, complete); back != ":b:key" {
						t.Errorf("%s: %q comes back as %q", owner, complete, back)
					}
				}
			}
		}
	}
}

func TestKeyspaceStrategies(t *testing.T) {
	cases := map[string]string{
		"":                "ns:state:main:app1:k",
		"app":             "ns:state:main:app1:k",
		"shared":          "ns:state:main::k",
		"none":            "k",
		"literal:orders/": "orders/k",
	}
	for setting, want := range cases {
		if got := NewKeyspace("ns", "state", "main", setting).Of("app1", "k"); got != want {
			t.Errorf("%s: %q, want %q", setting, got, want)
		}
	}
}

func TestClimbs(t *testing.T) {
	for path, want := range map[string]bool{
		"/": false, "/a/b": false, "/a/..": true, "/../a": true, "/a/./b": true, `/a\..\b`: true, "/a/...": false, "/.well-known/x": false, "/a..b": false, "/a/..;/b": true, "/a/..;x=1/b": true, "/a/.;": true, "/a;x/..": true, "/a;..": false,
	} {
		if got := climbs(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestUpstreamPathKeepsItsEscapes(t *testing.T) {
	for sent, want := range map[string]string{
		"/v1/invoke/s": "/", "/v1/invoke/s/": "/", "/v1/invoke/s/a%2Fb/c": "/a%2Fb/c", "/v1/invoke/s//x": "//x", "/v1/invoke/s/a+b%20c": "/a+b%20c",
	} {
		u, err := url.ParseRequestURI(sent)
		if err != nil {
			t.Fatal(err)
		}
		if got := upstreamPath(u); got != want {
			t.Errorf("%s: %s, want %s", sent, got, want)
		}
	}
}

func TestValueOfTypesUntypedBodies(t *testing.T) {
	cases := []struct{ given, body, want string }{
		{"", `{"a":1}`, "application/json"},
		{"", `9007199254740993`, "application/json"},
		{"", "\x00", "application/octet-stream"},
		{"", "", "application/octet-stream"},
		{"application/x-www-form-urlencoded", `"hello"`, "application/json"},
		{"application/x-www-form-urlencoded; charset=utf-8", `a=b`, "application/octet-stream"},
		{"text/plain; charset=x", `{}`, "text/plain; charset=x"},
	}
	for _, c := range cases {
		if got := valueOf(http.Header{"Content-Type": {c.given}}, []byte(c.body)); got.ContentType != c.want || string(got.Data) != c.body {
			t.Errorf("%q %q: %+v", c.given, c.body, got)
		}
	}
}

func TestChangeBetween(t *testing.T) {
	before := &backends.Snapshot{Items: map[string]string{"same": "1", "old": "1", "gone": "1"}}
	after := &backends.Snapshot{Ref: backends.GroupRef{Group: "g"}, Version: "2", Items: map[string]string{"same": "1", "old": "2", "new": "1"}}
	want := configChange{
		Group: "g", Version: "2", Added: map[string]string{"new": "1"},
		Modified: map[string]itemDelta{"old": {Old: "1", New: "2"}}, Deleted: []string{"gone"},
	}
	if got := changeBetween(before, after, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	key := "old"
	want.Added, want.Deleted = map[string]string{}, []string{}
	if got := changeBetween(before, after, &key); !reflect.DeepEqual(got, want) {
		t.Errorf("one key: %+v", got)
	}
}

func TestPrefersJSON(t *testing.T) {
	for accept, want := range map[string]bool{"": false, "*/*": false, "text/plain": false, "application/json": true, "text/html, */*": false, "application/json, text/plain": true} {
		if got, err := prefersJSON(accept); got != want || err != nil {
			t.Errorf("%q: %v %v", accept, got, err)
		}
	}
	if _, err := prefersJSON("image/png"); problem.CodeOf(err) != problem.NotAcceptable {
		t.Errorf("image/png: %v", err)
	}
}
