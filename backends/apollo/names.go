package apollo

import (
	"strings"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// The longest names, in bytes. Apollo's own columns are shorter.
const (
	maxName  = 128
	maxLabel = 128
)

// complete fills in what ref leaves out, so that equal groups have equal refs.
func (s *Store) complete(ref backends.GroupRef) backends.GroupRef {
	if ref.Cluster == "" {
		ref.Cluster = s.cluster
	}
	ref.Group = strings.TrimSuffix(ref.Group, ".properties") // Apollo does not tell them apart
	return ref
}

// check refuses names that Apollo cannot have, so that none reaches a URL that
// could change its meaning.
func check(ref backends.GroupRef) error {
	for _, name := range [...]struct{ what, value string }{
		{"app", ref.App}, {"cluster", ref.Cluster}, {"group", ref.Group},
	} {
		if !nameHolds(name.value) {
			return problem.New(problem.InvalidName,
				"an Apollo %s has 1 to %d letters, digits, '.', '_' or '-'", name.what, maxName)
		}
	}
	if !labelHolds(ref.Label) {
		return problem.New(problem.InvalidParameter,
			"a label has at most %d printable ASCII characters", maxLabel)
	}
	return nil
}

// nameHolds is Apollo's own rule for the names of apps, clusters and
// namespaces, without the two names that URLs reserve.
func nameHolds(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > maxName {
		return false
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			return false
		}
	}
	return true
}

func nameByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' ||
		b == '.' || b == '_' || b == '-'
}

func labelHolds(label string) bool {
	if len(label) > maxLabel {
		return false
	}
	for i := range len(label) {
		if label[i] < ' ' || label[i] > '~' {
			return false
		}
	}
	return true
}
