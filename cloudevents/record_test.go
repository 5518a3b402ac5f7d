package cloudevents_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/cloudevents"
)

func TestRecordRoundTrip(t *testing.T) {
	sent := mustRead(t, header("ce-subject", "Z%C3%BCrich", "ce-trace", "1", "Content-Type", "image/png"), "\x00\xff")
	got, ok := cloudevents.FromDelivery(backends.Delivery{Headers: sent.Headers(), Value: sent.Data})
	if !ok || !reflect.DeepEqual(got, sent) {
		t.Fatalf("%+v became %+v", sent, got)
	}
}

func TestRecordHeadersAreThoseOfTheBinding(t *testing.T) {
	event := cloudevents.Event{ID: "1", Source: "/s", Type: "t", DataContentType: "text/plain", Extensions: map[string]string{"b": "2", "a": "1"}}
	var names []string
	for _, h := range event.Headers() {
		names = append(names, h.Name+"="+string(h.Value))
	}
	want := []string{"ce_specversion=1.0", "ce_id=1", "ce_source=/s", "ce_type=t", "ce_a=1", "ce_b=2", "content-type=text/plain"}
	if !reflect.DeepEqual(names, want) {
		t.Fatalf("%q", names)
	}
}

func TestStructuredRecordIsAnEvent(t *testing.T) {
	event, ok := cloudevents.FromDelivery(backends.Delivery{
		Headers: []backends.Header{{Name: "content-type", Value: []byte("application/cloudevents+json")}},
		Value:   []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1}`),
	})
	if !ok || event.ID != "1" || string(event.Data) != "1" {
		t.Fatalf("%+v, %v", event, ok)
	}
}

func TestOtherRecordsAreNoEvents(t *testing.T) {
	for name, headers := range map[string][]backends.Header{
		"none":       nil,
		"incomplete": {{Name: "ce_specversion", Value: []byte("1.0")}, {Name: "ce_id", Value: []byte("1")}},
		"version":    {{Name: "ce_specversion", Value: []byte("9")}, {Name: "ce_id", Value: []byte("1")}, {Name: "ce_source", Value: []byte("/")}, {Name: "ce_type", Value: []byte("t")}},
		"structured": {{Name: "content-type", Value: []byte("application/cloudevents+json")}},
	} {
		if event, ok := cloudevents.FromDelivery(backends.Delivery{Headers: headers, Value: []byte("x")}); ok {
			t.Errorf("%s: %+v", name, event)
		}
	}
}

// TestAttributesGivenTwiceAreNoEvent: neither the first nor the last may win,
// or a header that somebody adds forges what the sender said.
func TestAttributesGivenTwiceAreNoEvent(t *testing.T) {
	sent := mustRead(t, header("ce-subject", "s", "ce-trace", "1", "Content-Type", "image/png"), "x")
	for _, header := range sent.Headers() {
		for name, value := range map[string][]byte{"the same": header.Value, "another": []byte("forged")} {
			record := backends.Delivery{Headers: append(sent.Headers(), backends.Header{Name: header.Name, Value: value}), Value: sent.Data}
			if event, ok := cloudevents.FromDelivery(record); ok {
				t.Errorf("%s value of %s: %+v", name, header.Name, event)
			}
		}
	}
	alias := backends.Header{Name: "ce_datacontenttype", Value: []byte("text/plain")}
	if event, ok := cloudevents.FromDelivery(backends.Delivery{Headers: append(sent.Headers(), alias), Value: sent.Data}); ok {
		t.Errorf("both headers of the data's type: %+v", event)
	}
}

func TestOtherHeadersMayRepeat(t *testing.T) {
	sent := mustRead(t, header(), "x")
	own := backends.Header{Name: "x-ce_id", Value: []byte("1")}
	got, ok := cloudevents.FromDelivery(backends.Delivery{Headers: append(sent.Headers(), own, own), Value: sent.Data})
	if !ok || !reflect.DeepEqual(got, sent) {
		t.Fatalf("%+v became %+v", sent, got)
	}
}

func TestJSONKeepsDigitsAndIsOneLine(t *testing.T) {
	event := cloudevents.Event{
		ID: "1", Source: "/s", Type: "t", DataContentType: "application/json",
		Data: []byte("{\r\n \"n\": 9007199254740993, \"x\": 1.10e+2\n}"),
	}
	got := string(event.AppendJSON([]byte("data: ")))
	want := `data: {"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/json","data":{"n":9007199254740993,"x":1.10e+2}}`
	if got != want {
		t.Fatalf("%s", got)
	}
}

func TestJSONOfOtherDataIsBase64(t *testing.T) {
	for _, c := range []struct{ contentType, data, want string }{
		{"application/json", "{", `"data_base64":"ew=="`},
		{"application/json", "\"\xff\"", `"data_base64":"Iv8i"`},
		{"text/plain", "a", `"data_base64":"YQ=="`},
		{"application/json", "", `"data_base64":""`},
	} {
		event := cloudevents.Event{ID: `quo"te`, Source: "/ü", Type: "t", DataContentType: c.contentType, Data: []byte(c.data)}
		got := event.AppendJSON(nil)
		if !json.Valid(got) || !bytes.Contains(got, []byte(c.want)) {
			t.Errorf("%s", got)
		}
	}
}
