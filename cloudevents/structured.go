package cloudevents

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/ottogate/ottogate/problem"
)

// fromStructured reads the JSON event format. Data that is a JSON value keeps
// its bytes.
func fromStructured(body []byte) (Event, error) {
	members, err := objectMembers(body)
	if err != nil {
		return Event{}, err
	}
	if _, ok := members[attributeSpecVersion]; !ok {
		return Event{}, refuse(attributeSpecVersion, "a CloudEvent needs a specversion")
	}
	var event Event
	for name, raw := range members {
		if name == "data" || name == "data_base64" {
			continue
		}
		if err := event.setFromJSON(name, raw); err != nil {
			return Event{}, err
		}
	}
	if err := event.setData(members); err != nil {
		return Event{}, err
	}
	return event, event.checkComplete()
}

// objectMembers splits one JSON object into its members' raw values.
func objectMembers(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, problem.AtPointer("", "the event is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, problem.AtPointer("", "the event is not a JSON object")
	}
	members := make(map[string]json.RawMessage)
	for decoder.More() {
		if err := nextMember(decoder, members); err != nil {
			return nil, err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, problem.AtPointer("", "there is something behind the event")
	}
	return members, nil
}

func nextMember(decoder *json.Decoder, members map[string]json.RawMessage) error {
	token, err := decoder.Token()
	if err != nil {
		return notJSON(err)
	}
	name, _ := token.(string) // within an object, before a value: always a string
	if _, twice := members[name]; twice {
		return problem.AtPointer("/"+pointerToken(name), "%q is there twice", name)
	}
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		return notJSON(err)
	}
	members[name] = raw
	return nil
}

func notJSON(err error) error {
	refused := problem.AtPointer("", "the event is not well-formed JSON")
	refused.Err = err
	return refused
}

// setFromJSON takes a string, boolean or integer; null means absent.
func (e *Event) setFromJSON(name string, raw json.RawMessage) error {
	switch {
	case string(raw) == "null":
		return nil
	case raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return notJSON(err)
		}
		return e.set(name, text)
	case !textual(name) && (string(raw) == "true" || string(raw) == "false" || isInteger(raw)):
		return e.set(name, string(raw))
	}
	return refuse(pointerToken(name), "the attribute %q has a type that CloudEvents does not allow there", name)
}

// textual says whether the specification itself defines the attribute: all of
// those are strings in JSON.
func textual(name string) bool {
	switch name {
	case attributeSpecVersion, attributeID, attributeSource, attributeType,
		attributeSubject, attributeTime, attributeDataContentType, attributeDataSchema:
		return true
	}
	return false
}

func isInteger(raw json.RawMessage) bool {
	_, err := strconv.ParseInt(string(raw), 10, 32)
	return err == nil
}

// setData takes the data from data or data_base64 (JSON format, section 3.1).
func (e *Event) setData(members map[string]json.RawMessage) error {
	value, plain := members["data"]
	encoded, binary := members["data_base64"]
	switch {
	case plain && binary:
		return refuse("data_base64", "an event has either data or data_base64")
	case binary:
		return e.setBase64(encoded)
	case plain && isJSON(e.DataContentType):
		e.Data = value
		if e.DataContentType == "" {
			e.DataContentType = "application/json"
		}
	case plain:
		return e.setText(value)
	}
	return nil
}

func (e *Event) setBase64(encoded json.RawMessage) error {
	var text string
	if err := json.Unmarshal(encoded, &text); err != nil {
		return refuse("data_base64", "data_base64 is not a string")
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return refuse("data_base64", "data_base64 is not base64")
	}
	e.Data = data
	return nil
}

func (e *Event) setText(value json.RawMessage) error {
	var text string
	if value[0] != '"' || json.Unmarshal(value, &text) != nil {
		return refuse("data", "data of type %s must be a string, or base64 in data_base64", e.DataContentType)
	}
	e.Data = []byte(text)
	return nil
}
