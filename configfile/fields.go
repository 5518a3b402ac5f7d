package configfile

import (
	"encoding"
	"reflect"
	"strings"
)

// field is one key of a block and where its value goes.
type field struct {
	key   string
	value reflect.Value
	tag   reflect.StructTag
}

// block is what a struct says about its keys. Which inlined blocks count
// depends on what stands in the file: the keys of the others are known too,
// with the condition under which they would be allowed.
type block struct {
	fields   []field
	inactive map[string][]string
}

// blockOf reads the struct's tags. has tells whether a condition, a key or
// key=value, holds; inlined blocks whose condition holds are allocated, those
// that are there already count too.
func blockOf(target reflect.Value, has func(condition string) bool) block {
	b := block{inactive: map[string][]string{}}
	b.add(target, has)
	return b
}

func (b *block) add(target reflect.Value, has func(string) bool) {
	for i := range target.NumField() {
		description := target.Type().Field(i)
		key, option, _ := strings.Cut(description.Tag.Get("yaml"), ",")
		value, when := target.Field(i), description.Tag.Get("when")
		switch {
		case !description.IsExported():
		case option != "inline":
			b.fields = append(b.fields, field{key, value, description.Tag})
		case value.Kind() == reflect.Struct:
			b.add(value, has)
		case !value.IsNil():
			b.add(value.Elem(), has)
		case has(when):
			value.Set(reflect.New(value.Type().Elem()))
			b.add(value.Elem(), has)
		default:
			b.addInactive(description.Type.Elem(), when)
		}
	}
}

func (b *block) addInactive(kind reflect.Type, when string) {
	for _, absent := range blockOf(reflect.New(kind).Elem(), always).fields {
		b.inactive[absent.key] = append(b.inactive[absent.key], when)
	}
}

func always(string) bool { return true }

func (b *block) find(key string) (field, bool) {
	for _, candidate := range b.fields {
		if candidate.key == key {
			return candidate, true
		}
	}
	return field{}, false
}

func (b *block) keys() []string {
	keys := make([]string, len(b.fields))
	for i, f := range b.fields {
		keys[i] = f.key
	}
	return keys
}

// shorthand is the field that a single value in place of the block stands for.
func (b *block) shorthand() (field, bool) {
	for _, candidate := range b.fields {
		if candidate.tag.Get("shorthand") != "" {
			return candidate, true
		}
	}
	return field{}, false
}

// textOf is the value as something that reads itself from text, if it can.
func textOf(value reflect.Value) (encoding.TextUnmarshaler, bool) {
	return reflect.TypeAssert[encoding.TextUnmarshaler](value.Addr())
}

// isBlock tells structs that hold keys from those that are single values.
func isBlock(value reflect.Value) bool {
	return value.Kind() == reflect.Struct && !reflect.PointerTo(value.Type()).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
