package configfile

import (
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// pair is one key of a mapping with its value.
type pair struct {
	name       string
	key, value *node
}

const mergeTag = "!!merge"

// pairs lists the keys of a mapping in the file's order, each once: a
// duplicate is a fault, and a key of the mapping wins over one that a merge
// key (<<) brings in.
func (d *decoder) pairs(n *node, path string) []pair {
	var pairs []pair
	firsts := map[string]*node{}
	var merges []*node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := unalias(n.Content[i]), n.Content[i+1]
		if !d.spend(key) {
			break
		}
		if key.Kind == yaml.ScalarNode && key.ShortTag() == mergeTag {
			merges = append(merges, value)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			d.faultAtf(placeOfNode(key), path, "a key must be a plain text")
			continue
		}
		if first, twice := firsts[key.Value]; twice {
			d.faultAtf(placeOfNode(key), join(path, key.Value), "stands here twice; the first is on line %d", first.Line)
			continue
		}
		firsts[key.Value] = key
		pairs = append(pairs, pair{key.Value, key, value})
	}
	for _, merge := range merges {
		pairs = d.merged(pairs, firsts, merge, path)
	}
	return pairs
}

// merged appends the keys of what a merge key points at.
func (d *decoder) merged(pairs []pair, known map[string]*node, source *node, path string) []pair {
	target := unalias(source)
	if !d.spend(source) {
		return pairs
	}
	switch target.Kind {
	case yaml.SequenceNode:
		for _, entry := range target.Content {
			pairs = d.merged(pairs, known, entry, path)
		}
	case yaml.MappingNode:
		for _, p := range d.pairs(target, path) {
			if known[p.name] == nil {
				known[p.name] = p.key
				pairs = append(pairs, p)
			}
		}
	default:
		d.faultAtf(placeOfNode(source), path, "a merge key (<<) needs a block of keys")
	}
	return pairs
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// join makes the path of a key; names with other characters are quoted.
func join(path, key string) string {
	if !plainKey.MatchString(key) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
