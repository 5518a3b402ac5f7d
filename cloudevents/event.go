// Package cloudevents reads and writes events of the CloudEvents 1.0
// specification: from HTTP requests in any mode, to and from records of a
// topic, and as JSON. Data stays the bytes that the caller gave.
package cloudevents

import (
	"sort"
	"time"

	"github.com/ottogate/ottogate/problem"
)

// Event is one event. ID, Source and Type are never empty in an event that
// this package returned. Data must not be changed by whoever receives one.
type Event struct {
	ID, Source, Type, Subject string

	Time            time.Time // the zero time = not given
	DataContentType string    // "" = not given, which means JSON
	DataSchema      string
	Extensions      map[string]string // names are lower-case letters and digits
	Data            []byte            // nil = no data, as opposed to empty data
}

// DefaultType is the type of an event whose sender named none.
const DefaultType = "ottogate.event"

// specVersion is the only version that this package knows.
const specVersion = "1.0"

// The attributes that are not extensions.
const (
	attributeSpecVersion     = "specversion"
	attributeID              = "id"
	attributeSource          = "source"
	attributeType            = "type"
	attributeSubject         = "subject"
	attributeTime            = "time"
	attributeDataContentType = "datacontenttype"
	attributeDataSchema      = "dataschema"
)

// set gives one attribute its value, which must be in its canonical text form.
func (e *Event) set(name, value string) error {
	if err := checkAttribute(name, value); err != nil {
		return err
	}
	switch name {
	case attributeSpecVersion:
		return checkSpecVersion(value)
	case attributeID:
		e.ID = value
	case attributeSource:
		e.Source = value
	case attributeType:
		e.Type = value
	case attributeSubject:
		e.Subject = value
	case attributeDataContentType:
		e.DataContentType = value
	case attributeDataSchema:
		e.DataSchema = value
	case attributeTime:
		return e.setTime(value)
	default:
		e.extend(name, value)
	}
	return nil
}

func (e *Event) setTime(value string) error {
	at, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return refuse(attributeTime, "time %q is not an RFC 3339 timestamp", value)
	}
	e.Time = at
	return nil
}

func (e *Event) extend(name, value string) {
	if e.Extensions == nil {
		e.Extensions = make(map[string]string)
	}
	e.Extensions[name] = value
}

// attributes calls yield with every attribute that has a value, in a fixed
// order: the required ones, the optional ones, extensions by name. The content
// type of the data is left out, because every encoding has its own place for it.
func (e *Event) attributes(yield func(name, value string)) {
	yield(attributeSpecVersion, specVersion)
	yield(attributeID, e.ID)
	yield(attributeSource, e.Source)
	yield(attributeType, e.Type)
	if e.Subject != "" {
		yield(attributeSubject, e.Subject)
	}
	if !e.Time.IsZero() {
		yield(attributeTime, e.Time.Format(time.RFC3339Nano))
	}
	if e.DataSchema != "" {
		yield(attributeDataSchema, e.DataSchema)
	}
	for _, name := range sortedNames(e.Extensions) {
		yield(name, e.Extensions[name])
	}
}

func sortedNames(attributes map[string]string) []string {
	names := make([]string, 0, len(attributes))
	for name := range attributes {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// refuse is the error for an attribute that the specification does not allow.
func refuse(attribute, format string, args ...any) *problem.Error {
	err := problem.AtPointer("/"+attribute, format, args...)
	err.Code = problem.Unprocessable
	return err
}
