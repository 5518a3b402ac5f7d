package cloudevents

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ottogate/ottogate/problem"
)

// Defaults are the attributes of an event that its sender left out. A sender
// that claims to send a CloudEvent (binary mode with ce-specversion, or
// structured mode) must name id, source and type itself.
type Defaults struct {
	ID     string // "" = NewID(Time)
	Source string
	Type   string    // "" = DefaultType
	Time   time.Time // when the event was received; the zero time = now
}

// The media types of structured mode.
const (
	structuredPrefix = "application/cloudevents"
	structuredJSON   = "application/cloudevents+json"
	batchPrefix      = "application/cloudevents-batch"
)

// FromRequest makes an event of an HTTP request, in structured mode, binary
// mode, or as a plain body whose attributes come from ce-* headers where
// given and from defaults elsewhere. Data is body itself or a part of it.
//
// A body that is not JSON in structured mode is problem.InvalidBody, an event
// that breaks the specification problem.Unprocessable, both with a pointer;
// batches are problem.NotImplemented here, other formats problem.UnsupportedType.
func FromRequest(header http.Header, body []byte, defaults Defaults) (Event, error) {
	contentType := header.Get("Content-Type")
	media := mediaType(contentType)
	switch {
	case strings.HasPrefix(media, batchPrefix):
		return Event{}, problem.New(problem.NotImplemented, "batches of events are not accepted yet")
	case media == structuredJSON:
		return fromStructured(body)
	case strings.HasPrefix(media, structuredPrefix):
		return Event{}, problem.New(problem.UnsupportedType, "events are understood as %s only", structuredJSON)
	}
	return fromBinary(header, contentType, body, defaults)
}

// fromBinary reads ce-* headers (HTTP binding, section 3.1).
func fromBinary(header http.Header, contentType string, body []byte, defaults Defaults) (Event, error) {
	event := Event{Data: body}
	if event.Data == nil {
		event.Data = []byte{}
	}
	for name, values := range header {
		attribute, ok := strings.CutPrefix(name, "Ce-")
		if !ok {
			continue
		}
		if err := event.setFromHeader(strings.ToLower(attribute), values); err != nil {
			return Event{}, err
		}
	}
	event.DataContentType = DataContentType(contentType, body)
	if header.Get("Ce-Specversion") == "" {
		event.fill(defaults)
	}
	return event, event.checkComplete()
}

func (e *Event) setFromHeader(attribute string, values []string) error {
	if len(values) > 1 {
		return refuse(pointerToken(attribute), "the header ce-%s is given twice", attribute)
	}
	if attribute == attributeDataContentType {
		return refuse(attribute, "the type of the data belongs into Content-Type")
	}
	value, err := decodeHeader(values[0])
	if err != nil {
		return refuse(pointerToken(attribute), "the header ce-%s is not percent-encoded UTF-8", attribute)
	}
	return e.set(attribute, value)
}

// fill completes an event that nobody declared to be a CloudEvent.
func (e *Event) fill(defaults Defaults) {
	if defaults.Time.IsZero() {
		defaults.Time = time.Now()
	}
	if e.Time.IsZero() {
		e.Time = defaults.Time.UTC()
	}
	if e.ID == "" {
		e.ID = defaults.ID
	}
	if e.ID == "" {
		e.ID = NewID(defaults.Time)
	}
	if e.Source == "" {
		e.Source = defaults.Source
	}
	if e.Type == "" {
		e.Type = defaults.Type
	}
	if e.Type == "" {
		e.Type = DefaultType
	}
}

// DataContentType is the type that a body has for the contract: the one its
// sender named, else application/json if it parses as such, else
// application/octet-stream. The type that curl's -d sets unasked counts as none.
func DataContentType(contentType string, body []byte) string {
	if contentType != "" && mediaType(contentType) != "application/x-www-form-urlencoded" {
		return contentType
	}
	if json.Valid(body) {
		return "application/json"
	}
	return "application/octet-stream"
}

// mediaType is the type without parameters, lower-case.
func mediaType(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// decodeHeader undoes the encoding of attribute values in HTTP headers
// (HTTP binding, section 3.1.3.2): an optional quoted string, then one round
// of percent-decoding.
func decodeHeader(value string) (string, error) {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = unquote(value[1 : len(value)-1])
	}
	text, err := url.PathUnescape(value)
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(text) {
		return "", problem.New(problem.Unprocessable, "not UTF-8")
	}
	return text, nil
}

// unquote removes the backslashes of an RFC 9110 quoted-string's inside.
func unquote(quoted string) string {
	var text strings.Builder
	for i := 0; i < len(quoted); i++ {
		if quoted[i] == '\\' && i+1 < len(quoted) {
			i++
		}
		text.WriteByte(quoted[i])
	}
	return text.String()
}

// pointerToken escapes a name for use in an RFC 6901 pointer.
func pointerToken(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
