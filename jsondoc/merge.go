// Package jsondoc works on JSON documents without converting them: it changes
// them by JSON Merge Patch (RFC 7386) and
// JSON Patch (RFC 6902). What a patch does not name stays byte for byte as it
// was but for white space: numbers are never converted, members keep their
// order.
package jsondoc

import (
	"bytes"

	"github.com/ottogate/ottogate/problem"
)

// Merge applies a merge patch. A patch that is not JSON is
// problem.InvalidBody, a document that is not JSON problem.Unprocessable.
func Merge(document, patch []byte) ([]byte, error) {
	change := parse(patch)
	if change == nil {
		return nil, problem.AtPointer("", "the patch is not valid JSON")
	}
	target := parse(document)
	if target == nil {
		return nil, errNotJSON()
	}
	return text(merge(target, change)), nil
}

// merge is MergePatch of RFC 7386 §2.
func merge(target, change *node) *node {
	if change.kind != objectKind {
		return change
	}
	if target == nil || target.kind != objectKind {
		target = &node{kind: objectKind}
	}
	for _, m := range change.members {
		at := target.find(m.name)
		switch {
		case m.value.isNull() && at >= 0:
			target.remove(at)
		case m.value.isNull():
		case at >= 0:
			target.members[at].value = merge(target.members[at].value, m.value)
		default:
			target.set(m.name, m.raw, merge(nil, m.value))
		}
	}
	return target
}

func text(n *node) []byte {
	var buffer bytes.Buffer
	n.write(&buffer)
	return buffer.Bytes()
}

func errNotJSON() error {
	return problem.New(problem.Unprocessable, "the stored value is not JSON, so it cannot be patched")
}
