package jsondoc_test

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ottogate/ottogate/jsondoc"
	"github.com/ottogate/ottogate/problem"
)

// The examples of RFC 7386, appendix A, and what must survive a patch.
func TestMerge(t *testing.T) {
	cases := []struct{ document, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"id":1234567890123456789,"pi":3.14159265358979323,"x":1.10}`, `{"x":2}`, `{"id":1234567890123456789,"pi":3.14159265358979323,"x":2}`},
		{`{ "z" : "\u00fc" , "a" : [ 1 , { } ] }`, `{"b":true}`, `{"z":"\u00fc","a":[1,{}],"b":true}`},
	}
	for _, c := range cases {
		if got, err := jsondoc.Merge([]byte(c.document), []byte(c.patch)); err != nil || string(got) != c.want {
			t.Errorf("%s with %s: %s %v, want %s", c.document, c.patch, got, err, c.want)
		}
	}
	if _, err := jsondoc.Merge([]byte(`{}`), []byte(`{`)); problem.CodeOf(err) != problem.InvalidBody {
		t.Errorf("broken patch: %v", err)
	}
	if _, err := jsondoc.Merge([]byte("\x00"), []byte(`{}`)); problem.CodeOf(err) != problem.Unprocessable {
		t.Errorf("broken document: %v", err)
	}
}

// The examples of RFC 6902, appendix A, and more.
func TestApply(t *testing.T) {
	cases := []struct{ document, patch, want string }{
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"foo":"bar","baz":"qux"}`},
		{`{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		{`{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
		{`{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`, `{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		{`{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		{`{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2.0}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"foo":"bar","child":{"grandchild":{}}}`},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10},{"op":"replace","path":"/~1","value":8}]`, `{"/":8,"~1":10}`},
		{`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`},
		{`{"a":{"b":1}}`, `[{"op":"copy","from":"/a","path":"/c"},{"op":"replace","path":"/c/b","value":2}]`, `{"a":{"b":1},"c":{"b":2}}`},
		{`{"a":1}`, `[{"op":"add","path":"","value":[9007199254740993]}]`, `[9007199254740993]`},
		{`{"a":null}`, `[{"op":"test","path":"/a","value":null}]`, `{"a":null}`},
		{`{"a":"\u00fc"}`, `[{"op":"test","path":"/a","value":"ü"}]`, `{"a":"\u00fc"}`},
		{`{"a":1e2}`, `[{"op":"test","path":"/a","value":100}]`, `{"a":1e2}`},
		{`{"":1}`, `[{"op":"replace","path":"/","value":2}]`, `{"":2}`},
		{`{"a":{"b":1}}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":{"b":1}}`},
		{`{"a":1}`, `[]`, `{"a":1}`},
	}
	for _, c := range cases {
		if got, err := jsondoc.Apply([]byte(c.document), []byte(c.patch), 1<<20); err != nil || string(got) != c.want {
			t.Errorf("%s with %s: %s %v, want %s", c.document, c.patch, got, err, c.want)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	cases := map[string]struct {
		document, patch string
		code            problem.Code
		pointer         string
	}{
		"absent target":       {`{"a":1}`, `[{"op":"remove","path":"/b"}]`, problem.Unprocessable, "/0"},
		"second fails":        {`{"a":1}`, `[{"op":"add","path":"/b","value":1},{"op":"test","path":"/a","value":2}]`, problem.Unprocessable, "/1"},
		"absent parent":       {`{}`, `[{"op":"add","path":"/a/b","value":1}]`, problem.Unprocessable, "/0"},
		"into a scalar":       {`{"a":1}`, `[{"op":"add","path":"/a/b","value":1}]`, problem.Unprocessable, "/0"},
		"index too large":     {`[1]`, `[{"op":"add","path":"/2","value":1}]`, problem.Unprocessable, "/0"},
		"index with zero":     {`[1,2]`, `[{"op":"remove","path":"/01"}]`, problem.Unprocessable, "/0"},
		"index with sign":     {`[1,2]`, `[{"op":"remove","path":"/+1"}]`, problem.Unprocessable, "/0"},
		"remove the end":      {`[1]`, `[{"op":"remove","path":"/-"}]`, problem.Unprocessable, "/0"},
		"into itself":         {`{"a":{"b":1}}`, `[{"op":"move","from":"/a","path":"/a/b"}]`, problem.Unprocessable, "/0"},
		"bad pointer":         {`{}`, `[{"op":"add","path":"a","value":1}]`, problem.Unprocessable, "/0"},
		"bad escape":          {`{}`, `[{"op":"add","path":"/~2","value":1}]`, problem.Unprocessable, "/0"},
		"number and string":   {`{"a":1}`, `[{"op":"test","path":"/a","value":"1"}]`, problem.Unprocessable, "/0"},
		"document is no JSON": {"\x00", `[]`, problem.Unprocessable, ""},
		"not an array":        {`{}`, `{"op":"add"}`, problem.InvalidBody, ""},
		"unknown op":          {`{}`, `[{"op":"fly","path":"/a"}]`, problem.InvalidBody, "/0/op"},
		"no path":             {`{}`, `[{"op":"remove"}]`, problem.InvalidBody, "/0/path"},
		"no value":            {`{}`, `[{"op":"add","path":"/a"}]`, problem.InvalidBody, "/0/value"},
		"no from":             {`{}`, `[{"op":"copy","path":"/a"}]`, problem.InvalidBody, "/0/from"},
		"unknown member":      {`{}`, `[{"op":"remove","path":"/a","x":1}]`, problem.InvalidBody, "/0/x"},
	}
	for name, c := range cases {
		_, err := jsondoc.Apply([]byte(c.document), []byte(c.patch), 1<<20)
		failure := problem.From(err)
		if failure == nil || failure.Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
			continue
		}
		if c.pointer != "" && (len(failure.Fields) != 1 || failure.Fields[0].Pointer != c.pointer) {
			t.Errorf("%s: places %+v, want %s", name, failure.Fields, c.pointer)
		}
	}
}

// Copies of copies must not grow without measure.
func TestApplyBoundsGrowth(t *testing.T) {
	steps := strings.Repeat(`{"op":"copy","from":"","path":"/-"},`, 60)
	_, err := jsondoc.Apply([]byte(`["0123456789"]`), []byte("["+strings.TrimSuffix(steps, ",")+"]"), 1<<20)
	if problem.CodeOf(err) != problem.BodyTooLarge {
		t.Fatalf("%v", err)
	}
}

// Thousands of members, added and removed, must not take time by the square.
func TestMergeOfManyMembers(t *testing.T) {
	var document, patch, want strings.Builder
	for i := range 100_000 {
		name := strconv.Itoa(i)
		document.WriteString(`,"` + name + `":1`)
		if i%2 == 0 {
			patch.WriteString(`,"` + name + `":null`)
		} else {
			want.WriteString(`,"` + name + `":1`)
		}
	}
	object := func(b *strings.Builder) string { return "{" + b.String()[1:] + "}" }
	began := time.Now()
	got, err := jsondoc.Merge([]byte(object(&document)), []byte(object(&patch)))
	if err != nil || string(got) != object(&want) {
		t.Errorf("%.60s… %v", got, err)
	}
	if took := time.Since(began); took > 10*time.Second { // by the square it takes minutes
		t.Errorf("took %s", took)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add(`{"a":{"b":1}}`, `{"a":{"b":null}}`)
	f.Add(`[1,"x"]`, `{"a":[]}`)
	f.Fuzz(func(t *testing.T, document, patch string) {
		got, err := jsondoc.Merge([]byte(document), []byte(patch))
		if err == nil && !json.Valid(got) {
			t.Errorf("%s with %s gives %s", document, patch, got)
		}
		if same, err := jsondoc.Merge([]byte(document), []byte(`{}`)); err == nil && strings.HasPrefix(strings.TrimSpace(document), "{") && !sameJSON(document, string(same)) {
			t.Errorf("an empty patch changed %s to %s", document, same)
		}
	})
}

func FuzzApply(f *testing.F) {
	f.Add(`{"a":[1,2]}`, `[{"op":"move","from":"/a/0","path":"/a/-"}]`)
	f.Add(`{"a":1}`, `[{"op":"test","path":"/a","value":1e0}]`)
	f.Fuzz(func(t *testing.T, document, patch string) {
		if got, err := jsondoc.Apply([]byte(document), []byte(patch), 1<<16); err == nil && !json.Valid(got) {
			t.Errorf("%s with %s gives %s", document, patch, got)
		}
	})
}

func sameJSON(a, b string) bool {
	var left, right any
	return json.Unmarshal([]byte(a), &left) == nil && json.Unmarshal([]byte(b), &right) == nil && reflect.DeepEqual(left, right)
}
