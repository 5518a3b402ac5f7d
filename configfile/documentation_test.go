package configfile

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

const documentation = "../docs/configuration.md"

// TestDocumentation holds the generated part of docs/configuration.md against
// the types; with -update it writes it.
func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(data), "<!-- reference: begin")
	marker, rest, _ := strings.Cut(rest, "-->\n")
	_, after, ends := strings.Cut(rest, "<!-- reference: end")
	if !begins || !ends {
		t.Fatal("the markers of the reference are gone")
	}
	want := before + "<!-- reference: begin" + marker + "-->\n" + reference(t) + "<!-- reference: end" + after
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(documentation, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(data) {
		t.Error("docs/configuration.md is stale; write it with: go test ./configfile -run TestDocumentation -update")
	}
}

// reference is one table per key of the top level, and what is planned.
func reference(t *testing.T) string {
	t.Helper()
	comments := fieldComments(t)
	var text strings.Builder
	for _, e := range honoured(t) {
		if !strings.Contains(e.path, ".") {
			fmt.Fprintf(&text, "\n## %s\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", e.path, sentence(comments[e.owner]))
			if e.kind.Kind() != reflect.String {
				continue
			}
		}
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s |\n", e.path, typeOf(e), defaultOf(e), meaningOf(e, comments))
	}
	text.WriteString("\n## Not in this version\n\nThese keys and values have a meaning in the design of the file that this version does not act on. They are refused, never ignored.\n\n")
	for _, row := range planned() {
		text.WriteString("- `" + strings.Replace(row, "=", ": ", 1) + "`\n")
	}
	return text.String() + "\n"
}

// sentence makes a comment's rest, whose subject was the field's name, stand
// for itself.
func sentence(text string) string {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "is "), "are ")
	return strings.ToUpper(text[:1]) + strings.ReplaceAll(text[1:], "|", `\|`)
}

func meaningOf(e entry, comments map[string]string) string {
	text := sentence(comments[e.owner])
	if choices := e.tag.Get("oneof"); choices != "" {
		text += " One of `" + strings.ReplaceAll(choices, ",", "`, `") + "`."
	}
	if lowest, highest, ok := strings.Cut(e.tag.Get("range"), ".."); ok {
		text += fmt.Sprintf(" From %s to %s.", lowest, highest)
	}
	if e.driver != "" {
		text += " Driver " + e.driver + "."
	}
	return text
}

func defaultOf(e entry) string {
	fallback, ok := e.tag.Lookup("default")
	switch {
	case e.tag.Get("required") != "":
		return "*required*"
	case ok:
		return "`" + fallback + "`"
	default:
		return ""
	}
}

// typeOf names a type in the words of the page's first table.
func typeOf(e entry) string {
	kind, several := pointedAt(e.kind), ""
	if kind.Kind() == reflect.Map {
		return "blocks by name"
	}
	if kind.Kind() == reflect.Slice {
		kind, several = kind.Elem(), "list: "
	}
	if isBlock(reflect.New(kind).Elem()) {
		return several + "block"
	}
	words := map[string]string{
		"bool": "switch", "int": "number", "Duration": "duration", "ByteSize": "size", "Rate": "rate", "Percent": "share",
		"Time": "time", "Secret": "secret", "KeyHash": "hash", "Rule": "rule", "Prefix": "network",
	}
	word, ok := words[kind.Name()]
	if !ok {
		word = "text"
	}
	if e.tag.Get("form") == "name" {
		word = "name"
	}
	return several + word
}
