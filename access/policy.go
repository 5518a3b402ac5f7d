package access

import (
	"strings"

	"github.com/ottogate/ottogate/glob"
)

// Policy decides what apps may do. It is immutable and safe for concurrent
// use.
type Policy struct {
	trees map[string]map[Action]*node // by app
	rules map[string][]string
}

// Request asks whether something may be done.
type Request struct {
	Action   Action
	Resource string // e.g. main/orders/1: decoded, before any prefix is put to it
	Method   string // of invoke; "" for all others
	Prefix   bool   // Resource is a prefix, and all that begins with it is asked for
}

// Decision is the answer, with the rule that allowed it.
type Decision struct {
	Allowed bool
	Rule    string // "" when no rule covers the request
}

// NewPolicy compiles the allow rules of all apps.
func NewPolicy(apps Apps) *Policy {
	policy := &Policy{trees: make(map[string]map[Action]*node, len(apps)), rules: make(map[string][]string, len(apps))}
	for name, app := range apps {
		trees := make(map[Action]*node)
		list := make([]string, 0, len(app.Allow))
		for _, rule := range app.Allow {
			addRule(trees, rule)
			list = append(list, rule.String())
		}
		policy.trees[name], policy.rules[name] = trees, list
	}
	return policy
}

func addRule(trees map[Action]*node, rule Rule) {
	for _, action := range rule.actions {
		if trees[action] == nil {
			trees[action] = &node{}
		}
		for _, pattern := range rule.patternsFor(action) {
			literal, _, _ := strings.Cut(pattern, "*")
			trees[action].insert(literal, grant{rule: rule, rest: pattern[len(literal):]})
		}
	}
}

// Rules lists what an app may do, as it was written. Callers must not change
// the list.
func (p *Policy) Rules(app string) []string { return p.rules[app] }

// Decide tells whether app may do what r asks: only if one rule covers it
// whole. An unknown app may do nothing. Resources are compared byte for byte
// and never as paths. It allocates nothing, and its time depends on the
// resource and the rules that share its beginning, not on the number of
// rules.
func (p *Policy) Decide(app string, r Request) Decision {
	text := r.Resource
	for at := p.trees[app][r.Action]; at != nil; {
		for i := range at.grants {
			if at.grants[i].covers(text, r) {
				return Decision{Allowed: true, Rule: at.grants[i].rule.text}
			}
		}
		if text == "" {
			break
		}
		next := at.child(text[0])
		if next == nil || !strings.HasPrefix(text, next.text) {
			break
		}
		at, text = next, text[len(next.text):]
	}
	return Decision{}
}

// grant is a rule at the node of its pattern's literal beginning.
type grant struct {
	rule Rule
	rest string // the pattern behind that beginning
}

func (g *grant) covers(text string, r Request) bool {
	if !g.rule.allowsMethod(r.Method) {
		return false
	}
	if r.Prefix {
		return glob.Covers(g.rest, text)
	}
	return glob.Match(g.rest, text)
}

// node is a part of a radix tree over the literal beginnings of patterns.
type node struct {
	text     string // what is between the parent and here
	grants   []grant
	children []*node // no two begin with the same byte
}

func (n *node) child(first byte) *node {
	for _, child := range n.children {
		if child.text[0] == first {
			return child
		}
	}
	return nil
}

// insert puts a grant under text, below n.
func (n *node) insert(text string, g grant) {
	if text == "" {
		n.grants = append(n.grants, g)
		return
	}
	child := n.child(text[0])
	if child == nil {
		n.children = append(n.children, &node{text: text, grants: []grant{g}})
		return
	}
	shared := commonPrefix(child.text, text)
	if shared < len(child.text) {
		child.split(shared)
	}
	child.insert(text[shared:], g)
}

// split makes n end after its first at bytes and moves the rest one down.
func (n *node) split(at int) {
	lower := &node{text: n.text[at:], grants: n.grants, children: n.children}
	*n = node{text: n.text[:at], children: []*node{lower}}
}

func commonPrefix(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}
