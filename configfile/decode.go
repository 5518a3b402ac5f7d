package configfile

import (
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder walks the file and the types side by side. It and the view (view.go)
// are the only users of reflection.
type decoder struct {
	*report
	options  Options
	expanded map[string]bool
	visited  int
}

// visitLimit bounds the work that aliases and merge keys can ask for.
const visitLimit = 100_000

// spend counts a step; the limit is reported once.
func (d *decoder) spend(at *node) bool {
	d.visited++
	if d.visited == visitLimit {
		d.faultAtf(placeOfNode(at), "", "the file unfolds to more than %d values; use fewer aliases", visitLimit)
	}
	return d.visited < visitLimit
}

// value decodes n into target. The place of path is already known.
func (d *decoder) value(target reflect.Value, n *node, path string, tag reflect.StructTag) {
	if !d.spend(n) {
		return
	}
	n = unalias(n)
	single := !isBlock(target)
	switch kind := target.Kind(); {
	case n.Style&yaml.TaggedStyle != 0:
		d.faultf(path, "has a YAML tag (%s); tags are not used here", n.Tag)
	case kind == reflect.Pointer && (isNull(n) || isEmptyBlock(n) && tag.Get("empty") == "off"):
	case kind == reflect.Pointer:
		target.Set(reflect.New(target.Type().Elem()))
		d.value(target.Elem(), n, path, tag)
	case kind == reflect.Map:
		d.table(target, n, path, tag)
	case kind == reflect.Slice:
		d.list(target, n, path, tag)
	case single:
		d.single(target, n, path, tag)
	default:
		d.block(target, n, path)
	}
}

func unalias(n *node) *node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isEmptyBlock(n *node) bool { return n.Kind == yaml.MappingNode && len(n.Content) == 0 }

// block decodes the keys of a struct and fills in those that are absent.
func (d *decoder) block(target reflect.Value, n *node, path string) {
	var pairs []pair
	switch {
	case n.Kind == yaml.MappingNode:
		pairs = d.pairs(n, path)
	case n.Kind == yaml.ScalarNode && !isNull(n) && d.shorthand(target, n, path):
		return
	case !isNull(n):
		d.mismatch(n, path, "a block of keys")
		return
	}
	known := blockOf(target, func(condition string) bool { return d.holds(pairs, condition) })
	given := map[string]bool{}
	for _, p := range pairs {
		given[p.name] = true
		d.key(known, p, path)
	}
	for _, f := range known.fields {
		if !given[f.key] {
			d.absent(f, join(path, f.key))
		}
	}
}

// shorthand decodes a single value that stands for a whole block.
func (d *decoder) shorthand(target reflect.Value, n *node, path string) bool {
	known := blockOf(target, always)
	f, ok := known.shorthand()
	if ok {
		d.single(f.value, n, path, f.tag)
	}
	return ok
}

// key decodes one key of a block, or says why it may not be there.
func (d *decoder) key(known block, p pair, path string) {
	child := d.record(path, p)
	f, ok := known.find(p.name)
	conditions := known.inactive[p.name]
	switch {
	case isPlanned(child):
		d.faultAtf(placeOfNode(p.key), child, notImplemented)
	case ok:
		d.value(f.value, p.value, child, f.tag)
	case conditions == nil:
		d.faultAtf(placeOfNode(p.key), child, "unknown key%s", didYouMean(p.name, known.keys()))
	case d.explained(known, conditions[0]):
		d.faultAtf(placeOfNode(p.key), child, "only allowed beside %s", conditionText(conditions))
	}
}

// conditionText writes driver=redis, driver=kafka as driver: redis or kafka.
func conditionText(conditions []string) string {
	key, _, choice := strings.Cut(conditions[0], "=")
	if !choice {
		return key
	}
	values := make([]string, len(conditions))
	for i, condition := range conditions {
		values[i] = strings.TrimPrefix(condition, key+"=")
	}
	return key + ": " + strings.Join(values, " or ")
}

// explained says whether a key under a condition that does not hold deserves a
// fault of its own: not when the key that decides is itself absent or wrong.
func (d *decoder) explained(known block, condition string) bool {
	key, value, choice := strings.Cut(condition, "=")
	if !choice {
		return true
	}
	decider, ok := known.find(key)
	return ok && value != "" && strings.Contains(","+decider.tag.Get("oneof")+",", ","+decider.value.String()+",")
}

// holds tells whether a key, or key=value, is among the pairs.
func (d *decoder) holds(pairs []pair, condition string) bool {
	key, value, choice := strings.Cut(condition, "=")
	for _, p := range pairs {
		if p.name == key {
			return !choice || d.peek(p.value) == value
		}
	}
	return false
}

// record remembers where a key's value stands: blocks and lists at their key.
func (d *decoder) record(path string, p pair) string {
	child := join(path, p.name)
	at := p.key
	if p.value.Kind == yaml.ScalarNode {
		at = p.value
	}
	d.places[child] = placeOfNode(at)
	return child
}

// absent gives a key that is not in the file its default.
func (d *decoder) absent(f field, path string) {
	fallback, ok := f.tag.Lookup("default")
	switch {
	case f.tag.Get("required") != "":
		d.faultf(path, "is missing")
	case ok && f.value.Kind() == reflect.Slice:
		f.value.Set(reflect.ValueOf(strings.Split(fallback, ",")))
	case ok:
		if err := setText(f.value, fallback); err != nil {
			d.faultf(path, "has a wrong default: %v", err)
		}
	case isBlock(f.value):
		d.block(f.value, &node{Kind: yaml.MappingNode}, path)
	}
}

// table decodes a map from names to blocks.
func (d *decoder) table(target reflect.Value, n *node, path string, tag reflect.StructTag) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, path, "a block of names")
		return
	}
	target.Set(reflect.MakeMap(target.Type()))
	for _, p := range d.pairs(n, path) {
		child := d.record(path, p)
		if err := checkForm(tag.Get("names"), p.name); err != nil {
			d.faultAtf(placeOfNode(p.key), child, "bad name: %v", err)
		}
		entry := reflect.New(target.Type().Elem()).Elem()
		d.value(entry, p.value, child, "")
		target.SetMapIndex(reflect.ValueOf(p.name), entry)
	}
}

// list decodes a sequence.
func (d *decoder) list(target reflect.Value, n *node, path string, tag reflect.StructTag) {
	if n.Kind != yaml.SequenceNode {
		if !isNull(n) {
			d.mismatch(n, path, "a list")
		} else if tag.Get("required") != "" {
			d.faultf(path, "needs at least one entry")
		}
		return
	}
	if len(n.Content) == 0 && tag.Get("required") != "" {
		d.faultf(path, "needs at least one entry")
	}
	target.Set(reflect.MakeSlice(target.Type(), len(n.Content), len(n.Content)))
	for i, entry := range n.Content {
		child := path + "[" + strconv.Itoa(i) + "]"
		d.places[child] = placeOfNode(entry)
		d.value(target.Index(i), entry, child, tag)
	}
}

// mismatch reports a value of the wrong shape, or the planned keys in it when
// the shape is one that a later version will understand.
func (d *decoder) mismatch(n *node, path, wanted string) {
	before := len(d.faults)
	if n.Kind == yaml.MappingNode {
		for _, p := range d.pairs(n, path) {
			if child := join(path, p.name); isPlanned(child) {
				d.faultAtf(placeOfNode(p.key), child, notImplemented)
			}
		}
	}
	if len(d.faults) == before {
		d.faultf(path, "needs %s, not %s", wanted, describe(n))
	}
}
