package cloudevents_test

import (
	"testing"

	"github.com/ottogate/ottogate/cloudevents"
	"github.com/ottogate/ottogate/problem"
)

const structuredType = "application/cloudevents+json; charset=utf-8"

func mustReadStructured(t *testing.T, body string) cloudevents.Event {
	t.Helper()
	return mustRead(t, header("Content-Type", structuredType), body)
}

func TestStructuredModeKeepsEverything(t *testing.T) {
	event := mustReadStructured(t, `{ "specversion":"1.0","id":"A1","source":"/s","type":"t","subject":"x",
		"time":"2018-04-05T17:31:00.5Z","datacontenttype":"application/vnd.x+json","dataschema":"urn:s",
		"traceparent":"00-x","urgent":true,"level":3,"gone":null,
		"data": {"n": 9007199254740993, "pi": 3.14159265358979323846} }`)
	if event.ID != "A1" || event.Source != "/s" || event.Type != "t" || event.Subject != "x" || event.DataSchema != "urn:s" {
		t.Fatalf("%+v", event)
	}
	if event.Extensions["urgent"] != "true" || event.Extensions["level"] != "3" || len(event.Extensions) != 3 {
		t.Fatalf("%+v", event.Extensions)
	}
	if string(event.Data) != `{"n": 9007199254740993, "pi": 3.14159265358979323846}` {
		t.Fatalf("data changed: %s", event.Data)
	}
}

func TestStructuredDataForms(t *testing.T) {
	const head = `{"specversion":"1.0","id":"1","source":"/s","type":"t",`
	for _, c := range []struct{ rest, data, contentType string }{
		{`"data":"text"}`, `"text"`, "application/json"},
		{`"data":null}`, `null`, "application/json"},
		{`"datacontenttype":"text/plain","data":"a\u0041"}`, "aA", "text/plain"},
		{`"data":"a","datacontenttype":"text/plain"}`, "a", "text/plain"},
		{`"data_base64":"AAH/"}`, "\x00\x01\xff", ""},
		{`"data_base64":"","datacontenttype":"image/png"}`, "", "image/png"},
	} {
		event := mustReadStructured(t, head+c.rest)
		if event.Data == nil || string(event.Data) != c.data || event.DataContentType != c.contentType {
			t.Errorf("%s: %q of type %q", c.rest, event.Data, event.DataContentType)
		}
	}
	if event := mustReadStructured(t, head+`"subject":"x"}`); event.Data != nil {
		t.Errorf("data out of nothing: %q", event.Data)
	}
}

func TestStructuredFaults(t *testing.T) {
	const head = `{"specversion":"1.0","id":"1","source":"/s","type":"t"`
	for _, c := range []struct {
		body    string
		code    problem.Code
		pointer string
	}{
		{``, problem.InvalidBody, ""},
		{`[]`, problem.InvalidBody, ""},
		{head, problem.InvalidBody, ""},
		{head + `,"x":}`, problem.InvalidBody, ""},
		{head + `} x`, problem.InvalidBody, ""},
		{head + `,"data":"` + "\xff" + `"}`, problem.InvalidBody, ""},
		{head + `,"id":"2"}`, problem.InvalidBody, "/id"},
		{`{"id":"1","source":"/s","type":"t"}`, problem.Unprocessable, "/specversion"},
		{`{"specversion":"0.3","id":"1","source":"/s","type":"t"}`, problem.Unprocessable, "/specversion"},
		{`{"specversion":"1.0","source":"/s","type":"t"}`, problem.Unprocessable, "/id"},
		{`{"specversion":"1.0","id":1,"source":"/s","type":"t"}`, problem.Unprocessable, "/id"},
		{head + `,"Bad/Name":"x"}`, problem.Unprocessable, "/Bad~1Name"},
		{head + `,"ext":{}}`, problem.Unprocessable, "/ext"},
		{head + `,"ext":1.5}`, problem.Unprocessable, "/ext"},
		{head + `,"data":1,"data_base64":"AA=="}`, problem.Unprocessable, "/data_base64"},
		{head + `,"data_base64":"%"}`, problem.Unprocessable, "/data_base64"},
		{head + `,"data":{},"datacontenttype":"text/plain"}`, problem.Unprocessable, "/data"},
	} {
		t.Run(c.body, func(t *testing.T) { refused(t, header("Content-Type", structuredType), c.body, c.code, c.pointer) })
	}
}

// FuzzStructured holds that whatever is accepted can be written and read
// again without a change.
func FuzzStructured(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1e400}}`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"a/b","data":"\ud800"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := cloudevents.FromRequest(header("Content-Type", structuredType), body, defaults())
		if err != nil {
			return
		}
		text := first.AppendJSON(nil)
		second, err := cloudevents.FromRequest(header("Content-Type", structuredType), text, defaults())
		if err != nil {
			t.Fatalf("%q became %q: %v", body, text, err)
		}
		if third := second.AppendJSON(nil); string(third) != string(text) {
			t.Fatalf("%q became %q", text, third)
		}
	})
}
