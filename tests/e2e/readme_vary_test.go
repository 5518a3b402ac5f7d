package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The documentation shows real values. Some of them are different in every
// run; docs/README.md lists the same ones for readers.
type varying struct {
	kind string
	// the first group is the value; no group, and the whole match is
	form *regexp.Regexp
	// names something: where the documentation shows one value twice, the
	// gateway must give one value twice, and a later command may use it
	name bool
}

func variations() []varying {
	named := func(kind, form string) varying { return varying{kind, regexp.MustCompile(`(?m)` + form), true} }
	plain := func(kind, form string) varying { return varying{kind, regexp.MustCompile(`(?m)` + form), false} }
	return []varying{
		plain("date", `^Date: (.+)$`),
		plain("length", `^Content-Length: (\d+)$`),
		plain("seconds", `^(?:Age|Retry-After): (\d+)$`),
		plain("ms", `^Ottogate-Ttl: (\d+)$`),
		plain("ms", `"(?:ttlMs|retryAfterMs)":(\d+)`),
		plain("ms", `"X-Request-Timeout":\["(\d+ms)"\]`),
		plain("partition", `"partition":(\d+)`),
		plain("offset", `"offset":"(\d+)"`),
		plain("curl", `"User-Agent":\["(curl/[^"]+)"\]`),
		plain("go", `"go":"([^"]+)"`),
		plain("time", `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`),
		named("etag", `^Etag: (?:W/)?"([^"]+)"`),
		named("etag", `"etag":"([^"]+)"`),
		named("cursor", `"cursor":"([^"]+)"`),
		named("cursor", `^id: (\S+)$`),
		named("fence", `"fence":"(\d+)"`),
		named("owner", `"owner":"([A-Z2-7]{26})"`),
		named("release", `\d{14}-[0-9a-f]{16}`),
		named("trace", `00-([0-9a-f]{32}-[0-9a-f]{16})-0[01]`),
		named("event id", `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
		named("request id", `\b[0-9a-f]{32}\b`),
		named("key", `otg_[a-z0-9-]+_[0-9A-Za-z_-]+`),
		named("hash", `sha256:[0-9a-f]{64}`),
		named("address", `127\.0\.0\.1:\d+`),
	}
}

// docValue is one varying value of a text.
type docValue struct {
	kind, text string
	name       bool
	from, to   int
}

// valuesOf finds the varying values of a text in their order. Where two kinds
// would overlap the one that stands first in the table counts.
func valuesOf(text string) []docValue {
	var found []docValue
	for _, v := range variations() {
		for _, at := range v.form.FindAllStringSubmatchIndex(text, -1) {
			from, to := at[len(at)-2], at[len(at)-1]
			taken := slices.ContainsFunc(found, func(other docValue) bool { return from < other.to && other.from < to })
			if !taken {
				found = append(found, docValue{v.kind, text[from:to], v.name, from, to})
			}
		}
	}
	slices.SortFunc(found, func(a, b docValue) int { return a.from - b.from })
	return found
}

// fixed is the text with the kind of every varying value in its place.
func fixed(text string, values []docValue) string {
	var out strings.Builder
	done := 0
	for _, v := range values {
		out.WriteString(text[done:v.from] + "<" + v.kind + ">")
		done = v.to
	}
	return out.String() + text[done:]
}

// docNames pairs the values of the documentation with those of this run.
type docNames struct{ toRun, toPage map[string]string }

func newDocNames() *docNames { return &docNames{map[string]string{}, map[string]string{}} }

// pair remembers that one stands for the other; false means that one of them
// stands for something else already.
func (n *docNames) pair(inPage, inRun string) bool {
	run, known := n.toRun[inPage]
	shown, seen := n.toPage[inRun]
	if known || seen {
		return run == inRun && shown == inPage
	}
	n.toRun[inPage], n.toPage[inRun] = inRun, inPage
	return true
}

// shortest is how long a value is at least that commands may take up.
const shortest = 10

// inRun puts the values of this run into a command of the page.
func (n *docNames) inRun(command string) string {
	var pairs []string
	for inPage, inRun := range n.toRun {
		if len(inPage) >= shortest {
			pairs = append(pairs, inPage, inRun)
		}
	}
	return strings.NewReplacer(pairs...).Replace(command)
}

// compare says how an output differs from the documented one; "" for not.
func (n *docNames) compare(want, got string) string {
	wanted, gotten := valuesOf(want), valuesOf(got)
	fixedWant, fixedGot := fixed(want, wanted), fixed(got, gotten)
	if fixedWant != fixedGot {
		return fmt.Sprintf("documented:\n%s\nprinted:\n%s\nthe first difference is in\n%s", want, got, firstDifference(fixedWant, fixedGot))
	}
	for i, w := range wanted {
		if w.name && !n.pair(w.text, gotten[i].text) {
			return fmt.Sprintf("the %s %q was %q before or is something else's: printed is %q", w.kind, w.text, n.toRun[w.text], gotten[i].text)
		}
	}
	return ""
}

// align pairs values as well as it can where the texts differ, so that an
// update keeps the page's later commands working.
func (n *docNames) align(want, got string) {
	gotten := valuesOf(got)
	for _, w := range valuesOf(want) {
		i := slices.IndexFunc(gotten, func(g docValue) bool { return w.name && g.kind == w.kind })
		if i >= 0 {
			n.pair(w.text, gotten[i].text)
			gotten = slices.Delete(gotten, i, i+1)
		}
	}
}

func firstDifference(want, got string) string {
	wanted, gotten := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(wanted), len(gotten)) {
		if wanted[i] != gotten[i] {
			return "- " + wanted[i] + "\n+ " + gotten[i]
		}
	}
	return fmt.Sprintf("the number of lines: %d, printed %d", len(wanted), len(gotten))
}

// A comparison that would let wrong documentation pass is worth nothing.
func TestWrongOutputsAreFound(t *testing.T) {
	const right = "HTTP/1.1 200 OK\nEtag: \"abc\"\nX-Request-Id: 0123456789abcdef0123456789abcdef\n\n{\"fence\":\"42\",\"ttlMs\":10}"
	for name, pair := range map[string][2]string{
		"status":         {right, strings.Replace(right, "200", "201", 1)},
		"a member more":  {right, strings.Replace(right, "{", `{"a":1,`, 1)},
		"a header less":  {right, strings.Replace(right, "Etag: \"abc\"\n", "", 1)},
		"weak tag":       {right, strings.Replace(right, `"abc"`, `W/"abc"`, 1)},
		"type of member": {right, strings.Replace(right, `"42"`, `42`, 1)},
		"one documented tag for two": {
			`{"etag":"a"} {"etag":"a"}`, `{"etag":"x"} {"etag":"y"}`,
		},
		"two documented tags for one": {
			`{"etag":"a"} {"etag":"b"}`, `{"etag":"x"} {"etag":"x"}`,
		},
		"value":  {"hello", "hallo"},
		"number": {`{"first":"1"}`, `{"first":"2"}`},
	} {
		if newDocNames().compare(pair[0], pair[1]) == "" {
			t.Errorf("%s: the difference is not found", name)
		}
	}
	other := strings.NewReplacer(`"abc"`, `"xyz"`, "0123456789abcdef0", "f123456789abcdef0", "42", "99", "10", "7").Replace(right)
	if difference := newDocNames().compare(right, other); difference != "" {
		t.Error(difference)
	}
}
