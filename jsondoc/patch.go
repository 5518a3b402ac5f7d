package jsondoc

import (
	"encoding/json"
	"strconv"

	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/strictjson"
)

// operation is one step of a JSON Patch.
type operation struct {
	Op    string          `json:"op"`
	Path  *string         `json:"path"`
	From  *string         `json:"from"`
	Value json.RawMessage `json:"value"`
}

// patcher is a document under change. spare bounds what copies may add, since
// a few that copy each other's results would grow without measure.
type patcher struct {
	root  *node
	spare int
}

// Apply applies a JSON Patch to a document: all of it or, with an error,
// nothing. limit bounds the result in bytes (problem.BodyTooLarge). A
// malformed patch is problem.InvalidBody, an operation that cannot be done and
// a document that is not JSON are problem.Unprocessable; pointers are into the
// patch.
func Apply(document, patch []byte, limit int) ([]byte, error) {
	operations, err := read(patch)
	if err != nil {
		return nil, err
	}
	root := parse(document)
	if root == nil {
		return nil, errNotJSON()
	}
	p := &patcher{root: root, spare: limit - root.size()}
	for i, o := range operations {
		if err := p.do(o); err != nil {
			return nil, at(i, err)
		}
		if p.spare < 0 {
			return nil, problem.New(problem.BodyTooLarge, "the patched value is larger than %d bytes", limit)
		}
	}
	return text(p.root), nil
}

// read decodes a patch and checks the form of every operation.
func read(patch []byte) ([]operation, error) {
	operations, err := strictjson.Decode[[]operation](patch)
	if err != nil {
		return nil, err
	}
	for i, o := range operations {
		missing := ""
		switch o.Op {
		case "add", "replace", "test":
			if o.Value == nil {
				missing = "value"
			}
		case "move", "copy":
			if o.From == nil {
				missing = "from"
			}
		case "remove":
		default:
			return nil, problem.AtPointer("/"+strconv.Itoa(i)+"/op", "op must be add, remove, replace, move, copy or test")
		}
		if o.Path == nil {
			missing = "path"
		}
		if missing != "" {
			return nil, problem.AtPointer("/"+strconv.Itoa(i)+"/"+missing, "%s needs %s", o.Op, missing)
		}
	}
	return operations, nil
}

// at says which operation of the patch failed.
func at(i int, err error) error {
	failure := problem.From(err)
	failure.Fields = []problem.Field{{Pointer: "/" + strconv.Itoa(i), Detail: failure.Detail}}
	return failure
}

func (p *patcher) do(o operation) error {
	path, err := parsePointer(*o.Path)
	if err != nil {
		return err
	}
	switch o.Op {
	case "add":
		return p.add(path, parse(o.Value))
	case "remove":
		_, err = p.remove(path)
		return err
	case "replace":
		return p.replace(path, parse(o.Value))
	case "test":
		return p.test(path, parse(o.Value))
	case "move":
		return p.move(*o.From, path)
	default: // copy; read has refused all others
		return p.copy(*o.From, path)
	}
}

func (p *patcher) replace(path pointer, value *node) error {
	target, err := p.root.at(path)
	if err != nil {
		return err
	}
	p.spare -= value.size()
	*target = *value
	return nil
}

func (p *patcher) test(path pointer, want *node) error {
	found, err := p.root.at(path)
	if err != nil {
		return err
	}
	if !equal(found, want) {
		return problem.New(problem.Unprocessable, "the value at %s is another one", path)
	}
	return nil
}

func (p *patcher) move(source string, path pointer) error {
	from, err := parsePointer(source)
	if err != nil {
		return err
	}
	if path.inside(from) {
		return problem.New(problem.Unprocessable, "%s cannot be moved into itself", from)
	}
	value, err := p.remove(from)
	if err != nil {
		return err
	}
	return p.add(path, value)
}

func (p *patcher) copy(source string, path pointer) error {
	from, err := parsePointer(source)
	if err != nil {
		return err
	}
	value, err := p.root.at(from)
	if err != nil {
		return err
	}
	if p.spare < value.size() {
		p.spare = -1
		return nil // Apply tells
	}
	return p.add(path, value.clone())
}

// add puts a value where RFC 6902 §4.1 says: as the root, as a member, or in
// front of an array's element.
func (p *patcher) add(path pointer, value *node) error {
	p.spare -= value.size()
	if len(path) == 0 {
		p.root = value
		return nil
	}
	parent, err := p.root.at(path[:len(path)-1])
	if err != nil {
		return err
	}
	last := path[len(path)-1]
	switch parent.kind {
	case objectKind:
		parent.set(last, quote(last), value)
		return nil
	case arrayKind:
		i, err := index(last, len(parent.items), true)
		if err != nil {
			return err
		}
		parent.items = append(parent.items, nil)
		copy(parent.items[i+1:], parent.items[i:])
		parent.items[i] = value
		return nil
	default:
		return errNoContainer(path)
	}
}

// remove takes a value out and gives it.
func (p *patcher) remove(path pointer) (*node, error) {
	value, err := p.root.at(path)
	if err != nil {
		return nil, err
	}
	if len(path) == 0 {
		p.root = &node{scalar: []byte("null")}
		return value, nil
	}
	parent, err := p.root.at(path[:len(path)-1])
	if err != nil {
		return nil, err
	}
	last := path[len(path)-1]
	if parent.kind == objectKind {
		parent.remove(parent.find(last))
		return value, nil
	}
	i, err := index(last, len(parent.items), false)
	if err != nil {
		return nil, err
	}
	parent.items = append(parent.items[:i], parent.items[i+1:]...)
	return value, nil
}
