package access

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Rule is one line of an app's allow list: actions, for invoke perhaps the
// HTTP methods, and the pattern of the resources. It is immutable.
type Rule struct {
	text    string
	actions []Action
	methods []string // nil = all
	pattern string
}

// String is the rule as it was written.
func (r Rule) String() string { return r.text }

// ParseRule reads `<action> [<METHOD>,…] <pattern>`, as in "state.* main/**"
// or "invoke GET,POST payments/**". The action is a name of the set, a
// family (`state.*`, which for `lock.*` includes `lock` itself) or `*` for
// all. In the pattern `*` stands for any run within a segment and `**` across
// segments; a service alone stands for all its paths. GET includes HEAD.
func ParseRule(text string) (Rule, error) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return Rule{}, fmt.Errorf("rule %q: holds a control character or invalid UTF-8", text)
	}
	rule := Rule{text: strings.TrimSpace(text)}
	action, rest, found := strings.Cut(rule.text, " ")
	if !found {
		return Rule{}, fmt.Errorf("rule %q: want an action, a space and a pattern", text)
	}
	var err error
	if rule.actions, err = expandAction(action); err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", text, err)
	}
	if rule.methods, rule.pattern, err = splitMethods(rule.actions, rest); err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", text, err)
	}
	if err := rule.checkPattern(); err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", text, err)
	}
	return rule, nil
}

// expandAction gives the actions that a name, a family or `*` stands for.
func expandAction(name string) ([]Action, error) {
	var list []Action
	family, isFamily := strings.CutSuffix(name, ".*")
	for _, action := range Actions() {
		whole := string(action)
		if name == "*" || whole == name || isFamily && (whole == family || strings.HasPrefix(whole, family+".")) {
			list = append(list, action)
		}
	}
	if list == nil {
		return nil, fmt.Errorf("unknown action %q; the actions are %v", name, Actions())
	}
	return list, nil
}

// splitMethods takes a list of HTTP methods from the front of what follows the
// actions; the rest is the pattern.
func splitMethods(actions []Action, rest string) (methods []string, pattern string, err error) {
	rest = strings.TrimSpace(rest)
	list, pattern, found := strings.Cut(rest, " ")
	if !found || strings.ContainsFunc(list, func(c rune) bool { return c != ',' && c != '-' && !unicode.IsUpper(c) }) {
		return nil, rest, nil // no list: a pattern may hold a space
	}
	if !slices.Equal(actions, []Action{Invoke}) {
		return nil, "", fmt.Errorf("methods %q: only invoke takes methods", list)
	}
	for method := range strings.SplitSeq(list, ",") {
		switch method {
		case "":
			return nil, "", fmt.Errorf("methods %q: an empty method", list)
		case "CONNECT", "TRACE":
			return nil, "", fmt.Errorf("methods %q: %s never passes", list, method)
		}
		methods = append(methods, method)
	}
	return methods, strings.TrimSpace(pattern), nil
}

func (r Rule) checkPattern() error {
	switch {
	case r.pattern == "":
		return fmt.Errorf("no pattern")
	case strings.Contains(r.pattern, "***"):
		return fmt.Errorf("pattern %q: three stars in a row mean nothing", r.pattern)
	case strings.HasPrefix(r.pattern, "/"):
		return fmt.Errorf("pattern %q: begins with a slash; the component's name comes first", r.pattern)
	case spacedName(r.pattern):
		return fmt.Errorf("pattern %q: can never match, since no name holds a space; the methods of invoke are written as GET,POST and left out for all", r.pattern)
	case strings.Contains(r.pattern, "**"):
		return nil
	}
	for _, action := range actions {
		if slices.Contains(r.actions, action.name) && strings.Count(r.pattern, "/") >= action.slashes {
			return nil
		}
	}
	return fmt.Errorf("pattern %q: can never match; %s takes %s", r.pattern, r.actions[0], formOf(r.actions[0]))
}

// spacedName tells whether a space must stand in the component's or service's
// name, as in `get payments/**` or `* echo/**`.
func spacedName(pattern string) bool {
	name, _, _ := strings.Cut(pattern, "/")
	before, _, spaced := strings.Cut(name, " ")
	return spaced && !strings.Contains(before, "**")
}

func formOf(name Action) string {
	for _, action := range actions {
		if action.name == name {
			return action.form
		}
	}
	return ""
}

// patternsFor gives the patterns to match against resources of an action. For
// services the path is optional on both sides: `payments` and `payments/**`
// both stand for the service and all its paths.
func (r Rule) patternsFor(action Action) []string {
	if !slices.Contains([]Action{Invoke, ServiceRead, ServiceRegister}, action) {
		return []string{r.pattern}
	}
	if name, all := strings.CutSuffix(r.pattern, "/**"); all {
		return []string{r.pattern, name}
	}
	if !strings.Contains(r.pattern, "/") && !strings.HasSuffix(r.pattern, "**") {
		return []string{r.pattern, r.pattern + "/**"}
	}
	return []string{r.pattern}
}

// allowsMethod tells whether the rule lets an HTTP method of invoke pass.
func (r Rule) allowsMethod(method string) bool {
	return r.methods == nil || slices.Contains(r.methods, method) ||
		method == "HEAD" && slices.Contains(r.methods, "GET")
}
