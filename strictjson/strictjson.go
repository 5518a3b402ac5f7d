// Package strictjson decodes control bodies: JSON objects that a person may
// have typed. It refuses what encoding/json lets pass silently (unknown fields,
// duplicate keys, trailing data, invalid UTF-8, names in another case, great
// depth) and says by an RFC 6901 pointer where each fault stands.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ottogate/ottogate/problem"
)

// MaxDepth is how deep objects and arrays may nest.
const MaxDepth = 64

// maxFaults bounds an answer about a body that is wrong everywhere.
const maxFaults = 20

// Decode reads data into a T, which is a struct with json tags on every
// field. All faults are reported in one problem.InvalidBody error.
func Decode[T any](data []byte) (T, error) {
	var into T
	if !utf8.Valid(data) {
		return into, problem.AtPointer("", "the body is not valid UTF-8")
	}
	if loneSurrogate(data) {
		return into, problem.AtPointer("", "a string holds one half of a surrogate pair, which is no character")
	}
	check := checker{decoder: json.NewDecoder(bytes.NewReader(data))}
	check.decoder.UseNumber()
	check.document(reflect.TypeFor[T]())
	if len(check.faults) > 0 {
		return into, &problem.Error{Code: problem.InvalidBody, Detail: check.faults[0].Detail, Fields: check.faults}
	}
	if err := json.Unmarshal(data, &into); err != nil {
		return into, ofUnmarshal(err)
	}
	return into, nil
}

// loneSurrogate looks for an escape such as \ud800 without its other half.
// encoding/json puts U+FFFD in its place, which makes different texts equal.
func loneSurrogate(data []byte) bool {
	for i := 0; i+6 <= len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		high := escapedUnit(data[i:])
		switch {
		case utf16.IsSurrogate(high):
			if utf16.DecodeRune(high, escapedUnit(data[i+6:])) == utf8.RuneError {
				return true
			}
			i += 11
		default:
			i++ // over what the backslash escapes, which may be a backslash
		}
	}
	return false
}

// escapedUnit reads \uXXXX at the start of text; -1 for anything else.
func escapedUnit(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

// ofUnmarshal words what only the decoding itself can find, such as a number
// out of a field's range.
func ofUnmarshal(err error) error {
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return problem.AtPointer("/"+strings.ReplaceAll(mismatch.Field, ".", "/"), "a JSON %s does not fit here", mismatch.Value)
	}
	return problem.Wrap(problem.InvalidBody, err, "the body is not valid JSON")
}

// checker walks a document's tokens beside the type that they must fit.
type checker struct {
	decoder *json.Decoder
	faults  []problem.Field
	broken  bool // the text is not JSON from here on
}

func (c *checker) document(t reflect.Type) {
	c.value(t, "", 0)
	if c.broken {
		return
	}
	if _, err := c.decoder.Token(); !errors.Is(err, io.EOF) {
		c.fault("", "there is text behind the JSON document")
	}
}

func (c *checker) fault(pointer, detail string) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, problem.Field{Pointer: pointer, Detail: detail})
	}
}

func (c *checker) next(pointer string) json.Token {
	token, err := c.decoder.Token()
	if err != nil {
		c.broken = true
		c.fault(pointer, "not valid JSON at byte "+strconv.FormatInt(c.decoder.InputOffset(), 10))
	}
	return token
}

// value checks one value; t is nil where any JSON may stand.
func (c *checker) value(t reflect.Type, pointer string, depth int) {
	token := c.next(pointer)
	if c.broken {
		return
	}
	t = open(t)
	switch token := token.(type) {
	case json.Delim:
		if depth >= MaxDepth {
			c.broken = true
			c.fault(pointer, "nested deeper than "+strconv.Itoa(MaxDepth))
			return
		}
		c.nested(token, t, pointer, depth+1)
	case nil: // null leaves a field as it is, but is no document
		if want := kindOf(t); depth == 0 && want != "" {
			c.fault(pointer, "expected "+want+", found null")
		}
	default:
		if want := kindOf(t); want != "" && want != kindOfToken(token) {
			c.fault(pointer, "expected "+want+", found "+kindOfToken(token))
		}
	}
}

func (c *checker) nested(delim json.Delim, t reflect.Type, pointer string, depth int) {
	found := "an object"
	if delim == '[' {
		found = "an array"
	}
	if want := kindOf(t); want != "" && want != found {
		c.fault(pointer, "expected "+want+", found "+found)
		t = nil
	}
	if delim == '[' {
		c.array(t, pointer, depth)
	} else {
		c.object(t, pointer, depth)
	}
}

func (c *checker) array(t reflect.Type, pointer string, depth int) {
	var element reflect.Type
	if t != nil {
		element = t.Elem()
	}
	for i := 0; !c.broken && c.decoder.More(); i++ {
		c.value(element, pointer+"/"+strconv.Itoa(i), depth)
	}
	if !c.broken {
		c.next(pointer)
	}
}

func (c *checker) object(t reflect.Type, pointer string, depth int) {
	seen := map[string]bool{}
	for !c.broken && c.decoder.More() {
		name, _ := c.next(pointer).(string)
		if c.broken {
			return
		}
		at := pointer + "/" + escape(name)
		if seen[name] {
			c.fault(at, "the key stands here twice")
		}
		seen[name] = true
		member, known := memberOf(t, name)
		if !known {
			c.fault(at, "unknown field")
		}
		c.value(member, at, depth)
	}
	if !c.broken {
		c.next(pointer)
	}
}

// memberOf finds what may stand under name in a value of type t.
func memberOf(t reflect.Type, name string) (member reflect.Type, known bool) {
	switch {
	case t == nil:
		return nil, true
	case t.Kind() == reflect.Map:
		return t.Elem(), true
	}
	for field := range t.Fields() {
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == name {
			return field.Type, true
		}
	}
	return nil, false
}

// open strips pointers, and answers nil for a type that decodes itself.
func open(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Interface || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	return t
}

func kindOf(t reflect.Type) string {
	if t == nil {
		return ""
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	default:
		return "a number"
	}
}

func kindOfToken(token json.Token) string {
	switch token.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	default:
		return "a number"
	}
}

// escape writes a name as a token of an RFC 6901 pointer.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
