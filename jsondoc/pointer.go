package jsondoc

import (
	"strconv"
	"strings"

	"github.com/ottogate/ottogate/problem"
)

// pointer is an RFC 6901 pointer, decoded; the empty one is the document.
type pointer []string

func parsePointer(written string) (pointer, error) {
	if written == "" {
		return nil, nil
	}
	if written[0] != '/' {
		return nil, problem.New(problem.Unprocessable, "a pointer begins with a slash")
	}
	tokens := strings.Split(written[1:], "/")
	for i, token := range tokens {
		for at := strings.IndexByte(token, '~'); at >= 0; {
			if at+1 >= len(token) || (token[at+1] != '0' && token[at+1] != '1') {
				return nil, problem.New(problem.Unprocessable, "in a pointer ~ is written ~0, and / within a name ~1")
			}
			next := strings.IndexByte(token[at+1:], '~')
			if next < 0 {
				break
			}
			at += 1 + next
		}
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return tokens, nil
}

// String writes the pointer as it is written in a patch.
func (p pointer) String() string {
	var out strings.Builder
	for _, token := range p {
		out.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
	}
	return strconv.Quote(out.String())
}

// inside says that p lies below other.
func (p pointer) inside(other pointer) bool {
	if len(p) <= len(other) {
		return false
	}
	for i, token := range other {
		if p[i] != token {
			return false
		}
	}
	return true
}

// at finds the value that a pointer names.
func (n *node) at(path pointer) (*node, error) {
	for depth, token := range path {
		switch n.kind {
		case objectKind:
			i := n.find(token)
			if i < 0 {
				return nil, problem.New(problem.Unprocessable, "there is nothing at %s", path[:depth+1])
			}
			n = n.members[i].value
		case arrayKind:
			i, err := index(token, len(n.items), false)
			if err != nil {
				return nil, err
			}
			n = n.items[i]
		default:
			return nil, errNoContainer(path[:depth+1])
		}
	}
	return n, nil
}

func errNoContainer(path pointer) error {
	return problem.New(problem.Unprocessable, "%s lies within a value that is neither object nor array", path)
}

// index reads an array index; with end, the place behind the last element
// counts too, also written as -.
func index(token string, length int, end bool) (int, error) {
	if end && token == "-" {
		return length, nil
	}
	i, err := strconv.Atoi(token)
	plain := err == nil && strconv.Itoa(i) == token && i >= 0
	if !plain || i > length || (i == length && !end) {
		return 0, problem.New(problem.Unprocessable, "an array of %d elements has no index %s", length, strconv.Quote(token))
	}
	return i, nil
}
