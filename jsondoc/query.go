package jsondoc

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ottogate/ottogate/problem"
)

// Filter says which documents match. Exactly one of And, Or, Not and Op is
// used; the zero Filter matches everything.
type Filter struct {
	And     []Filter        `json:"and,omitempty"`
	Or      []Filter        `json:"or,omitempty"`
	Not     *Filter         `json:"not,omitempty"`
	Pointer *string         `json:"pointer,omitempty"`
	Op      string          `json:"op,omitempty" enums:"eq,ne,lt,le,gt,ge,in,exists,prefix"`
	Value   json.RawMessage `json:"value,omitempty" swaggertype:"object"`
} //	@name	QueryFilter

// maxFilterDepth bounds how deep filters nest.
const maxFilterDepth = 32

// Document is a parsed JSON document that can be asked.
type Document struct{ root *node }

// Read parses a document; ok is false for what is not JSON.
func Read(text []byte) (document Document, ok bool) {
	root := parse(text)
	return Document{root}, root != nil
}

// Predicate is a checked Filter. It is safe for concurrent use.
type Predicate func(Document) bool

// Compile checks a filter. Faults are problem.InvalidBody with pointers below
// at, the filter's own place in the body.
func (f Filter) Compile(at string) (Predicate, error) { return f.compile(at, 0) }

func (f Filter) compile(at string, depth int) (Predicate, error) {
	if depth > maxFilterDepth {
		return nil, problem.AtPointer(at, "filters nest deeper than %d", maxFilterDepth)
	}
	if err := f.checkForm(at); err != nil {
		return nil, err
	}
	switch {
	case f.And != nil:
		return combine(f.And, at+"/and", depth, false)
	case f.Or != nil:
		return combine(f.Or, at+"/or", depth, true)
	case f.Not != nil:
		inner, err := f.Not.compile(at+"/not", depth+1)
		return func(d Document) bool { return !inner(d) }, err
	case f.Op == "" && f.Pointer == nil && f.Value == nil:
		return func(Document) bool { return true }, nil
	default:
		return f.comparison(at)
	}
}

func (f Filter) checkForm(at string) error {
	forms := 0
	for _, used := range []bool{f.And != nil, f.Or != nil, f.Not != nil, f.Op != "" || f.Pointer != nil || f.Value != nil} {
		if used {
			forms++
		}
	}
	if forms > 1 {
		return problem.AtPointer(at, "a filter is one of and, or, not, or a comparison of pointer, op and value")
	}
	return nil
}

// combine joins parts of which the first to answer decides settles it: false
// for and, true for or.
func combine(filters []Filter, at string, depth int, decides bool) (Predicate, error) {
	parts := make([]Predicate, len(filters))
	for i, filter := range filters {
		var err error
		if parts[i], err = filter.compile(at+"/"+strconv.Itoa(i), depth+1); err != nil {
			return nil, err
		}
	}
	return func(d Document) bool {
		for _, part := range parts {
			if part(d) == decides {
				return decides
			}
		}
		return !decides
	}, nil
}

func (f Filter) comparison(at string) (Predicate, error) {
	if f.Pointer == nil {
		return nil, problem.AtPointer(at+"/pointer", "a comparison needs a pointer")
	}
	path, err := parsePointer(*f.Pointer)
	if err != nil {
		return nil, problem.AtPointer(at+"/pointer", "%s", problem.From(err).Detail)
	}
	test, err := f.test(at)
	if err != nil {
		return nil, err
	}
	return func(d Document) bool {
		found, err := d.root.at(path)
		if err != nil {
			found = nil
		}
		return test(found)
	}, nil
}

// test compiles op and value to a test of what the pointer finds, nil for
// nothing. An absent value is unequal to everything and has no order.
func (f Filter) test(at string) (func(*node) bool, error) {
	value := parse(f.Value)
	if value == nil && f.Op != "exists" {
		return nil, problem.AtPointer(at+"/value", "%s needs a value", f.Op)
	}
	ordered := func(holds func(int) bool) func(*node) bool {
		return func(n *node) bool {
			return n != nil && n.rank() == value.rank() && n.kind == scalarKind && holds(compare(n, value))
		}
	}
	switch f.Op {
	case "eq":
		return func(n *node) bool { return n != nil && equal(n, value) }, nil
	case "ne":
		return func(n *node) bool { return n == nil || !equal(n, value) }, nil
	case "lt":
		return ordered(func(c int) bool { return c < 0 }), nil
	case "le":
		return ordered(func(c int) bool { return c <= 0 }), nil
	case "gt":
		return ordered(func(c int) bool { return c > 0 }), nil
	case "ge":
		return ordered(func(c int) bool { return c >= 0 }), nil
	case "in":
		return f.testIn(at, value)
	case "exists":
		return f.testExists(at, value)
	case "prefix":
		return f.testPrefix(at, value)
	default:
		return nil, problem.AtPointer(at+"/op", "op must be eq, ne, lt, le, gt, ge, in, exists or prefix")
	}
}

func (f Filter) testIn(at string, value *node) (func(*node) bool, error) {
	if value.kind != arrayKind {
		return nil, problem.AtPointer(at+"/value", "in needs an array")
	}
	return func(n *node) bool {
		for _, item := range value.items {
			if n != nil && equal(n, item) {
				return true
			}
		}
		return false
	}, nil
}

func (f Filter) testExists(at string, value *node) (func(*node) bool, error) {
	want := true
	if value != nil {
		if value.kind != scalarKind || (string(value.scalar) != "true" && string(value.scalar) != "false") {
			return nil, problem.AtPointer(at+"/value", "exists takes true or false")
		}
		want = string(value.scalar) == "true"
	}
	return func(n *node) bool { return (n != nil) == want }, nil
}

func (f Filter) testPrefix(at string, value *node) (func(*node) bool, error) {
	if value.kind != scalarKind || value.scalar[0] != '"' {
		return nil, problem.AtPointer(at+"/value", "prefix needs a string")
	}
	prefix := unquote(value.scalar)
	return func(n *node) bool {
		return n != nil && n.kind == scalarKind && n.scalar[0] == '"' && strings.HasPrefix(unquote(n.scalar), prefix)
	}, nil
}

// Path is a checked pointer into documents.
type Path struct{ pointer pointer }

// ParsePath checks a pointer; a fault is reported at its place in the body.
func ParsePath(written, at string) (Path, error) {
	path, err := parsePointer(written)
	if err != nil {
		return Path{}, problem.AtPointer(at, "%s", problem.From(err).Detail)
	}
	return Path{path}, nil
}

// Find gives the text of what a path names in a document, nil for nothing.
func (d Document) Find(path Path) []byte {
	found, err := d.root.at(path.pointer)
	if err != nil {
		return nil
	}
	return text(found)
}

// Compare orders two values as texts that Find gave; nil comes first.
func Compare(a, b []byte) int {
	switch {
	case a == nil || b == nil:
		return len(a) - len(b)
	case bytes.Equal(a, b):
		return 0
	default:
		return compare(parse(a), parse(b))
	}
}

// Select builds an object of what the paths name, by their last name; what is
// not there is left out.
func (d Document) Select(paths []Path) []byte {
	out := &node{kind: objectKind}
	for _, path := range paths {
		found, err := d.root.at(path.pointer)
		if err != nil || len(path.pointer) == 0 {
			continue
		}
		name := path.pointer[len(path.pointer)-1]
		out.set(name, quote(name), found)
	}
	return text(out)
}
