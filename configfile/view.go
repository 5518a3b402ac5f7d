package configfile

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// The file shows itself only in its effective, masked form: defaults filled
// in, secrets and everything that an expansion brought in as ***. The three
// methods below are the only ways out for encoders and printers.

// MarshalYAML is the masked form as YAML, in the order of the reference.
func (f File) MarshalYAML() (any, error) { return f.masked(), nil }

// MarshalJSON is the masked form as JSON.
func (f File) MarshalJSON() ([]byte, error) {
	var tree any
	if err := f.masked().Decode(&tree); err != nil {
		return nil, fmt.Errorf("masked configuration: %w", err)
	}
	return json.Marshal(tree)
}

// Format prints the masked form as YAML, whatever the verb.
func (f File) Format(state fmt.State, _ rune) {
	text, err := yaml.Marshal(f.masked())
	if err != nil {
		text = []byte(mask)
	}
	_, _ = state.Write(text)
}

func (f File) masked() *node {
	view := view{expanded: f.expanded}
	return view.of(reflect.ValueOf(&f).Elem(), "")
}

// view writes values as nodes, the way back of decoder.
type view struct{ expanded map[string]bool }

func (v view) of(value reflect.Value, path string) *node {
	if v.expanded[path] && path != "" {
		return textNode(mask)
	}
	if text, ok := reflect.TypeAssert[encoding.TextMarshaler](value); ok {
		written, err := text.MarshalText()
		if err != nil {
			return textNode(mask)
		}
		return textNode(string(written))
	}
	switch value.Kind() {
	case reflect.Struct:
		return v.block(value, path)
	case reflect.Pointer:
		return v.of(value.Elem(), path)
	case reflect.Map:
		return v.table(value, path)
	case reflect.Slice:
		return v.list(value, path)
	case reflect.Bool, reflect.Int:
		return &node{Kind: yaml.ScalarNode, Value: fmt.Sprint(value)}
	default:
		return textNode(value.String())
	}
}

// block leaves out what is not set and has no default: blocks and times.
func (v view) block(value reflect.Value, path string) *node {
	written := &node{Kind: yaml.MappingNode, Tag: "!!map"}
	known := blockOf(value, func(string) bool { return false })
	for _, f := range known.fields {
		if kind := f.value.Kind(); kind == reflect.Pointer && f.value.IsNil() || kind == reflect.Struct && f.value.IsZero() && !isBlock(f.value) {
			continue
		}
		written.Content = append(written.Content, textNode(f.key), v.of(f.value, join(path, f.key)))
	}
	return written
}

func (v view) table(value reflect.Value, path string) *node {
	written := &node{Kind: yaml.MappingNode, Tag: "!!map"}
	keys := value.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
	for _, key := range keys {
		written.Content = append(written.Content, textNode(key.String()), v.of(value.MapIndex(key), join(path, key.String())))
	}
	return written
}

func (v view) list(value reflect.Value, path string) *node {
	written := &node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	for i := range value.Len() {
		written.Content = append(written.Content, v.of(value.Index(i), path+"["+strconv.Itoa(i)+"]"))
	}
	return written
}

func textNode(text string) *node { return &node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text} }
