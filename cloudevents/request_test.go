package cloudevents_test

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/ottogate/ottogate/cloudevents"
	"github.com/ottogate/ottogate/problem"
)

var received = time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)

func defaults() cloudevents.Defaults {
	return cloudevents.Defaults{Source: "/apps/orders", Time: received}
}

// header builds one from names and values in turn.
func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func mustRead(t *testing.T, h http.Header, body string) cloudevents.Event {
	t.Helper()
	event, err := cloudevents.FromRequest(h, []byte(body), defaults())
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// refused checks the code and the pointer of the error that a request gets.
func refused(t *testing.T, h http.Header, body string, code problem.Code, pointer string) {
	t.Helper()
	_, err := cloudevents.FromRequest(h, []byte(body), defaults())
	if problem.CodeOf(err) != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	if fields := problem.From(err).Fields; pointer != "-" && (len(fields) != 1 || fields[0].Pointer != pointer) {
		t.Fatalf("got fields %v, want pointer %q", fields, pointer)
	}
}

func TestPlainBodyBecomesAnEvent(t *testing.T) {
	event := mustRead(t, header("Content-Type", "application/json"), `{"n":9007199254740993}`)
	if event.Source != "/apps/orders" || event.Type != cloudevents.DefaultType || !event.Time.Equal(received) {
		t.Fatalf("defaults are not applied: %+v", event)
	}
	if string(event.Data) != `{"n":9007199254740993}` || event.DataContentType != "application/json" {
		t.Fatalf("data changed: %+v", event)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(event.ID) {
		t.Fatalf("id %q is not a UUID of version 7", event.ID)
	}
}

func TestPlainBodyTakesAttributesFromHeaders(t *testing.T) {
	event := mustRead(t, header("ce-type", "order.created", "ce-id", "7", "ce-correlationid", "c1"), `x`)
	if event.Type != "order.created" || event.ID != "7" || event.Source != "/apps/orders" || event.Extensions["correlationid"] != "c1" {
		t.Fatalf("%+v", event)
	}
}

func TestGivenIDIsTaken(t *testing.T) {
	given := defaults()
	given.ID, given.Type = "given", "a.b"
	event, err := cloudevents.FromRequest(header(), nil, given)
	if err != nil || event.ID != "given" || event.Type != "a.b" {
		t.Fatalf("%+v, %v", event, err)
	}
}

func TestTimeIsNowWhenNobodyNamesOne(t *testing.T) {
	event, err := cloudevents.FromRequest(header(), nil, cloudevents.Defaults{Source: "/s"})
	if err != nil || time.Since(event.Time).Abs() > time.Minute {
		t.Fatalf("%v, %v", event.Time, err)
	}
}

func TestEmptyBodyIsEmptyDataNotNone(t *testing.T) {
	if event := mustRead(t, header(), ""); event.Data == nil || len(event.Data) != 0 {
		t.Fatalf("%#v", event.Data)
	}
}

func TestTypeOfTheDataIsGuessedOnlyWhenNoneIsGiven(t *testing.T) {
	for _, c := range []struct{ given, body, want string }{
		{"", `{"a":1}`, "application/json"},
		{"", "no json", "application/octet-stream"},
		{"application/x-www-form-urlencoded", `[1]`, "application/json"},
		{"application/x-www-form-urlencoded; charset=utf-8", "a=b", "application/octet-stream"},
		{"text/plain", `{"a":1}`, "text/plain"},
	} {
		if got := mustRead(t, header("Content-Type", c.given), c.body).DataContentType; got != c.want {
			t.Errorf("%q with %q: %q, want %q", c.given, c.body, got, c.want)
		}
	}
}

func TestBinaryModeKeepsAttributes(t *testing.T) {
	event := mustRead(t, header("ce-specversion", "1.0", "ce-id", "A1", "ce-source", "/s", "ce-type", "t",
		"ce-subject", "Euro%20%E2%82%AC%20%F0%9F%98%80", "ce-time", "2018-04-05T17:31:00Z", "Content-Type", "text/xml"), "<a/>")
	if event.ID != "A1" || event.Subject != "Euro € 😀" || event.Time.Year() != 2018 || event.DataContentType != "text/xml" {
		t.Fatalf("%+v", event)
	}
}

func TestBinaryModeUnderstandsQuotedValues(t *testing.T) {
	event := mustRead(t, header("ce-specversion", "1.0", "ce-id", `"a \"b\" %43"`, "ce-source", "/s", "ce-type", "t"), "")
	if event.ID != `a "b" C` {
		t.Fatalf("%q", event.ID)
	}
}

func TestBinaryModeMustBeComplete(t *testing.T) {
	refused(t, header("ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s"), "", problem.Unprocessable, "/type")
	refused(t, header("ce-specversion", "1.0", "ce-source", "/s", "ce-type", "t"), "", problem.Unprocessable, "/id")
}

func TestBinaryModeRefusesBadHeaders(t *testing.T) {
	refused(t, header("ce-specversion", "2.0", "ce-id", "1", "ce-source", "/s", "ce-type", "t"), "", problem.Unprocessable, "/specversion")
	refused(t, header("ce-time", "yesterday"), "", problem.Unprocessable, "/time")
	refused(t, header("ce-subject", "100%"), "", problem.Unprocessable, "/subject")
	refused(t, header("ce-subject", "%ff"), "", problem.Unprocessable, "/subject")
	refused(t, header("ce-subject", "a%00b"), "", problem.Unprocessable, "/subject")
	refused(t, header("ce-id", "1", "ce-id", "2"), "", problem.Unprocessable, "/id")
	refused(t, header("ce-my_name", "1"), "", problem.Unprocessable, "/my_name")
	refused(t, header("ce-id", ""), "", problem.Unprocessable, "/id")
	refused(t, header("ce-datacontenttype", "text/plain"), "", problem.Unprocessable, "/datacontenttype")
}

func TestBatchesAndOtherFormatsAreToldApart(t *testing.T) {
	refused(t, header("Content-Type", "application/cloudevents-batch+json"), "[]", problem.NotImplemented, "-")
	refused(t, header("Content-Type", "application/cloudevents+avro"), "", problem.UnsupportedType, "-")
}
