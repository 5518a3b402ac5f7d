package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/strictjson"
)

type body struct {
	Owner string            `json:"owner"`
	Count int64             `json:"count"`
	Atom  *bool             `json:"atom"`
	Items []item            `json:"items"`
	Tags  map[string]string `json:"tags"`
	Free  json.RawMessage   `json:"free"`
}

type item struct {
	Key string `json:"key"`
}

func TestDecodeReadsWhatFits(t *testing.T) {
	got, err := strictjson.Decode[body]([]byte(`{"owner":"me","count":9007199254740993,"atom":true,"items":[{"key":"a"}],"tags":{"x":"y"},"free":{"b":1,"c":[1.0]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Owner != "me" || got.Count != 9007199254740993 || !*got.Atom || got.Items[0].Key != "a" || got.Tags["x"] != "y" || string(got.Free) != `{"b":1,"c":[1.0]}` {
		t.Fatalf("decoded %+v", got)
	}
}

func TestDecodeNamesThePlaceOfEachFault(t *testing.T) {
	cases := map[string]struct{ body, pointer, detail string }{
		"unknown field":       {`{"ownr":"x"}`, "/ownr", "unknown field"},
		"name in other case":  {`{"Owner":"x"}`, "/Owner", "unknown field"},
		"nested unknown":      {`{"items":[{"key":"a"},{"kay":"b"}]}`, "/items/1/kay", "unknown field"},
		"duplicate key":       {`{"owner":"x","owner":"y"}`, "/owner", "twice"},
		"duplicate in map":    {`{"tags":{"a":"1","a":"2"}}`, "/tags/a", "twice"},
		"duplicate in opaque": {`{"free":{"a":{"b":1,"b":2}}}`, "/free/a/b", "twice"},
		"trailing data":       {`{} {}`, "", "behind"},
		"wrong type":          {`{"owner":7}`, "/owner", "expected a string, found a number"},
		"object for string":   {`{"owner":{}}`, "/owner", "expected a string, found an object"},
		"array at the top":    {`[]`, "", "expected an object"},
		"lone high surrogate": {`{"owner":"\ud800"}`, "", "surrogate"},
		"lone low surrogate":  {`{"owner":"x\udfff"}`, "", "surrogate"},
		"two high surrogates": {`{"owner":"\ud83d\ud83d"}`, "", "surrogate"},
		"null at the top":     {`null`, "", "expected an object, found null"},
		"fraction for int":    {`{"count":1.5}`, "/count", "does not fit"},
		"out of range":        {`{"count":9223372036854775808}`, "/count", "does not fit"},
		"escaped pointer":     {`{"a/b~c":1}`, "/a~1b~0c", "unknown field"},
		"empty":               {``, "", "not valid JSON"},
		"cut":                 {`{"owner":"x"`, "", "not valid JSON"},
		"invalid UTF-8":       {"{\"owner\":\"\xff\"}", "", "UTF-8"},
		"too deep":            {`{"free":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, "/free" + strings.Repeat("/0", 63), "deeper"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := strictjson.Decode[body]([]byte(c.body))
			p := problem.From(err)
			if p == nil || p.Code != problem.InvalidBody || len(p.Fields) != 1 {
				t.Fatalf("error %+v, want one fault", p)
			}
			if p.Fields[0].Pointer != c.pointer || !strings.Contains(p.Fields[0].Detail, c.detail) {
				t.Fatalf("fault %+v, want %q at %q", p.Fields[0], c.detail, c.pointer)
			}
		})
	}
}

func TestDecodeReadsEscapes(t *testing.T) {
	for text, want := range map[string]string{`\ud83d\ude00`: "\U0001F600", `\\ud800`: `\ud800`, `\u00fc`: "\u00fc", `\\\\`: `\\`, `\uD83D\uDE00\n`: "\U0001F600\n"} {
		got, err := strictjson.Decode[body]([]byte(`{"owner":"` + text + `"}`))
		if err != nil || got.Owner != want {
			t.Errorf("%s: %q %v, want %q", text, got.Owner, err, want)
		}
	}
}

func TestDecodeReportsAllFaultsButNotWithoutBound(t *testing.T) {
	_, err := strictjson.Decode[body]([]byte(`{"x":1,"y":2,"owner":3}`))
	if n := len(problem.From(err).Fields); n != 3 {
		t.Fatalf("%d faults, want 3", n)
	}
	_, err = strictjson.Decode[body]([]byte(`{"items":[` + strings.Repeat(`1,`, 999) + `1]}`))
	if n := len(problem.From(err).Fields); n != 20 {
		t.Fatalf("%d faults, want the bound of 20", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"owner":"x"}`, `[[[`, `{"free":1e999}`, "\xff", `{"items":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := strictjson.Decode[body](data); err == nil && !json.Valid(data) {
			t.Fatalf("accepted what is not JSON: %q", data)
		}
	})
}
