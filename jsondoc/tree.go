package jsondoc

import (
	"bytes"
	"encoding/json"
	"strings"
)

// node is a JSON value that keeps what must not change: scalars are the very
// bytes that were read, so that no number is ever converted, and members keep
// their order.
type node struct {
	kind    kind
	scalar  []byte         // of a scalar, verbatim
	members []member       // removed ones have no value
	places  map[string]int // of the members by name, once they are many
	items   []*node
}

// manyMembers is from when on an object keeps an index, so that a patch of
// thousands of members does not take time by the square.
const manyMembers = 16

type kind int

const (
	scalarKind kind = iota
	objectKind
	arrayKind
)

type member struct {
	name  string // decoded
	raw   []byte // as written, quotes included
	value *node
}

// parse reads one JSON document; nil when it is none.
func parse(text []byte) *node {
	if !json.Valid(text) {
		return nil
	}
	r := reader{text: text}
	return r.value()
}

// reader walks a text that is known to be valid JSON.
type reader struct {
	text []byte
	at   int
}

func (r *reader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[r.at]) >= 0 {
		r.at++ // in valid JSON commas and colons can be passed over like spaces
	}
}

func (r *reader) value() *node {
	r.space()
	switch r.text[r.at] {
	case '{':
		return r.object()
	case '[':
		return r.array()
	case '"':
		return &node{scalar: r.quoted()}
	default:
		start := r.at
		for r.at < len(r.text) && strings.IndexByte(" \t\r\n,:]}", r.text[r.at]) < 0 {
			r.at++
		}
		return &node{scalar: r.text[start:r.at]}
	}
}

func (r *reader) quoted() []byte {
	start := r.at
	for r.at++; r.text[r.at] != '"'; r.at++ {
		if r.text[r.at] == '\\' {
			r.at++
		}
	}
	r.at++
	return r.text[start:r.at]
}

func (r *reader) object() *node {
	object := &node{kind: objectKind}
	r.at++
	for r.space(); r.text[r.at] != '}'; r.space() {
		raw := r.quoted()
		object.set(unquote(raw), raw, r.value())
	}
	r.at++
	return object
}

func (r *reader) array() *node {
	array := &node{kind: arrayKind}
	r.at++
	for r.space(); r.text[r.at] != ']'; r.space() {
		array.items = append(array.items, r.value())
	}
	r.at++
	return array
}

func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var text string
	_ = json.Unmarshal(raw, &text) // raw is a valid JSON string
	return text
}

// quote writes a member's name.
func quote(name string) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(name) // a string always encodes
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))
}

// find gives the place of a member, -1 for none.
func (n *node) find(name string) int {
	if len(n.members) > manyMembers && n.places == nil {
		n.places = make(map[string]int, len(n.members))
		for i, m := range n.members {
			if m.value != nil {
				n.places[m.name] = i
			}
		}
	}
	if n.places != nil {
		if i, ok := n.places[name]; ok {
			return i
		}
		return -1
	}
	for i := range n.members {
		if n.members[i].name == name && n.members[i].value != nil {
			return i
		}
	}
	return -1
}

// set puts a member in its old place, or at the end; of duplicate names the
// last one counts.
func (n *node) set(name string, raw []byte, value *node) {
	if i := n.find(name); i >= 0 {
		n.members[i].value = value
		return
	}
	if n.places != nil {
		n.places[name] = len(n.members)
	}
	n.members = append(n.members, member{name: name, raw: raw, value: value})
}

func (n *node) remove(i int) {
	delete(n.places, n.members[i].name)
	n.members[i].value = nil
}

// count is the number of members that are there.
func (n *node) count() int {
	count := 0
	for _, m := range n.members {
		if m.value != nil {
			count++
		}
	}
	return count
}

func (n *node) isNull() bool { return n.kind == scalarKind && string(n.scalar) == "null" }

// write appends the value without spaces.
func (n *node) write(to *bytes.Buffer) {
	switch n.kind {
	case scalarKind:
		to.Write(n.scalar)
	case objectKind:
		to.WriteByte('{')
		first := true
		for _, m := range n.members {
			if m.value == nil {
				continue
			}
			if !first {
				to.WriteByte(',')
			}
			first = false
			to.Write(m.raw)
			to.WriteByte(':')
			m.value.write(to)
		}
		to.WriteByte('}')
	case arrayKind:
		to.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				to.WriteByte(',')
			}
			item.write(to)
		}
		to.WriteByte(']')
	}
}

// size is about how many bytes write would append.
func (n *node) size() int {
	total := len(n.scalar) + 2
	for _, m := range n.members {
		if m.value != nil {
			total += len(m.raw) + 2 + m.value.size()
		}
	}
	for _, item := range n.items {
		total += 1 + item.size()
	}
	return total
}

// clone copies what can change; scalars are shared, since nobody writes them.
func (n *node) clone() *node {
	out := &node{kind: n.kind, scalar: n.scalar}
	for _, m := range n.members {
		if m.value != nil {
			out.members = append(out.members, member{m.name, m.raw, m.value.clone()})
		}
	}
	for _, item := range n.items {
		out.items = append(out.items, item.clone())
	}
	return out
}
