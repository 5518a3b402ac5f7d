package cloudevents

import (
	"strings"

	"github.com/ottogate/ottogate/backends"
)

// The names of record headers in binary mode (Kafka binding, section 3.2).
const (
	recordPrefix      = "ce_"
	recordContentType = "content-type"
)

// Headers are the headers of a record that carries the event in binary mode;
// the record's value is Data.
func (e *Event) Headers() []backends.Header {
	headers := make([]backends.Header, 0, 8+len(e.Extensions))
	e.attributes(func(name, value string) {
		headers = append(headers, backends.Header{Name: recordPrefix + name, Value: []byte(value)})
	})
	if e.DataContentType != "" {
		headers = append(headers, backends.Header{Name: recordContentType, Value: []byte(e.DataContentType)})
	}
	return headers
}

// FromDelivery finds the event in a record, in binary or structured mode;
// false means that the record is something else, which is no fault. Headers
// that do not belong to the event are left out of it. A record that gives an
// attribute twice is no event: readers would differ on which of the two holds,
// and whoever adds a header could forge what the sender said.
func FromDelivery(delivery backends.Delivery) (Event, bool) {
	if givenTwice(delivery.Headers) {
		return Event{}, false
	}
	if mediaType(headerOf(delivery, recordContentType)) == structuredJSON {
		event, err := fromStructured(delivery.Value)
		return event, err == nil
	}
	if headerOf(delivery, recordPrefix+attributeSpecVersion) == "" {
		return Event{}, false
	}
	event := Event{Data: delivery.Value, DataContentType: headerOf(delivery, recordContentType)}
	for _, header := range delivery.Headers {
		name, ok := strings.CutPrefix(header.Name, recordPrefix)
		if ok && event.set(name, string(header.Value)) != nil {
			return Event{}, false
		}
	}
	return event, event.checkComplete() == nil
}

// givenTwice says whether headers give an attribute more than once. The type
// of the data has two headers that may.
func givenTwice(headers []backends.Header) bool {
	seen := make(map[string]struct{})
	for _, header := range headers {
		name, ok := strings.CutPrefix(header.Name, recordPrefix)
		if header.Name == recordContentType {
			name, ok = attributeDataContentType, true
		}
		if !ok {
			continue
		}
		if _, known := seen[name]; known {
			return true
		}
		seen[name] = struct{}{}
	}
	return false
}

// IsEventHeader says whether a record header is part of an event in binary
// mode rather than a header of its own.
func IsEventHeader(name string) bool {
	return strings.HasPrefix(name, recordPrefix) || name == recordContentType
}

func headerOf(delivery backends.Delivery, name string) string {
	for _, header := range delivery.Headers {
		if header.Name == name {
			return string(header.Value)
		}
	}
	return ""
}
