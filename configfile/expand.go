package configfile

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// expand replaces ${env:NAME}, ${file:PATH} and, in development mode,
// ${dev:NAME} in a text; $${ writes ${ itself. A text with an expansion is
// masked wherever it is shown from then on.
func (d *decoder) expand(n *node, path string) (string, bool) {
	var expanded strings.Builder
	rest, sound := n.Value, true
	for {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			expanded.WriteString(rest)
			return expanded.String(), sound
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			expanded.WriteString(escaped + "${")
			rest = after
			continue
		}
		expanded.WriteString(before)
		name, behind, closed := strings.Cut(after, "}")
		if !closed {
			d.faultf(path, "an expansion is not closed by }; write $${ for ${ itself")
			return "", false
		}
		d.expanded[path] = true
		value, ok := d.lookup(name, path)
		expanded.WriteString(value)
		sound = sound && ok
		rest = behind
	}
}

// lookup finds the value of one expansion.
func (d *decoder) lookup(expression, path string) (string, bool) {
	kind, name, _ := strings.Cut(expression, ":")
	switch {
	case kind == "env" && name != "":
		return d.environment(name, path)
	case kind == "file" && name != "":
		return d.contents(name, path)
	case kind == "dev" && name != "":
		return d.standIn(name, path)
	default:
		d.faultf(path, "${%s} is no expansion; there are ${env:NAME} and ${file:PATH}, and $${ writes ${ itself", expression)
		return "", false
	}
}

func (d *decoder) environment(name, path string) (string, bool) {
	if d.options.LookupEnv != nil {
		if value, ok := d.options.LookupEnv(name); ok {
			return value, true
		}
	}
	d.faultf(path, "the environment variable %s is not set", name)
	return "", false
}

// expansionLimit keeps a wrong path from pulling a huge file in.
const expansionLimit = 64 << 10

func (d *decoder) contents(name, path string) (string, bool) {
	if d.options.ReadFile == nil {
		d.faultf(path, "the file %s cannot be read", name)
		return "", false
	}
	data, err := d.options.ReadFile(name)
	switch {
	case err != nil:
		d.faultf(path, "the file %s cannot be read: %v", name, reasonOf(err))
	case len(data) > expansionLimit:
		d.faultf(path, "the file %s holds more than %s", name, ByteSize(expansionLimit))
	default:
		return strings.TrimRight(string(data), "\r\n"), true
	}
	return "", false
}

// reasonOf leaves out what the fault says itself: the operation and the path.
func reasonOf(err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed.Err
	}
	return err
}

func (d *decoder) standIn(name, path string) (string, bool) {
	value, ok := d.options.Dev[name]
	switch {
	case ok:
		return value, true
	case d.options.Dev == nil:
		d.faultf(path, "${dev:%s} exists only under ottogate dev", name)
	default:
		d.faultf(path, "${dev:%s} does not exist; there are %s", name, strings.Join(slices.Sorted(maps.Keys(d.options.Dev)), ", "))
	}
	return "", false
}
