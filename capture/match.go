package capture

import "strings"

// globs is a list of patterns of which one has to match; an empty list matches
// everything. In a pattern, * stands for any text within a segment and ** for
// any text at all, slashes included.
type globs [][]string

// compileGlobs splits each pattern into literals and stars once, so that
// matching allocates nothing.
func compileGlobs(patterns []string) globs {
	compiled := make(globs, 0, len(patterns))
	for _, pattern := range patterns {
		compiled = append(compiled, tokens(pattern))
	}
	return compiled
}

func tokens(pattern string) []string {
	var parts []string
	for pattern != "" {
		at := strings.IndexByte(pattern, '*')
		switch {
		case at < 0:
			return append(parts, pattern)
		case at > 0:
			parts = append(parts, pattern[:at])
		case strings.HasPrefix(pattern, "**"):
			at = 2
			parts = append(parts, "**")
		default:
			at = 1
			parts = append(parts, "*")
		}
		pattern = pattern[at:]
	}
	return parts
}

func (g globs) match(text string) bool {
	for _, parts := range g {
		if matchParts(parts, text) {
			return true
		}
	}
	return len(g) == 0
}

// matchParts tries every length of a star, shortest first. Patterns come from
// the operator, not from callers, and have few stars.
func matchParts(parts []string, text string) bool {
	if len(parts) == 0 {
		return text == ""
	}
	head, rest := parts[0], parts[1:]
	if head != "*" && head != "**" {
		return strings.HasPrefix(text, head) && matchParts(rest, text[len(head):])
	}
	if len(rest) == 0 {
		return head == "**" || !strings.Contains(text, "/")
	}
	for i := 0; i <= len(text); i++ {
		if matchParts(rest, text[i:]) {
			return true
		}
		if i < len(text) && head == "*" && text[i] == '/' {
			return false
		}
	}
	return false
}
