package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ottogate/ottogate/handlers"
	"github.com/ottogate/ottogate/problem"
)

// The page of problems has every code with the texts that the gateway serves.
func TestDocumentationOfProblems(t *testing.T) {
	const name, end = "docs/problems.md", "<!-- problems: end -->"
	path := filepath.Join(root, name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "-->\n")
	want := head + "-->\n" + problemTable() + end + "\n"
	if *updateDocs {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s is not what problem.Kinds() says: run with -update\n%s", name, firstDifference(want, string(text)))
	}
}

func problemTable() string {
	var table strings.Builder
	table.WriteString("\n| status | code | retriable | what happened | what to do |\n|---|---|---|---|---|\n")
	for _, kind := range problem.Kinds() {
		retriable := ""
		if kind.Retriable {
			retriable = "yes"
		}
		fmt.Fprintf(&table, "| %d | `%s` | %s | %s | %s |\n", kind.Status, kind.Code, retriable, kind.Meaning, kind.Advice)
	}
	return table.String() + "\n"
}

// The README's list of what is not there yet is complete and has nothing in
// it that is there, and the routes in it do say 501.
func TestDocumentationOfPlannedRoutes(t *testing.T) {
	text := strings.Join(readPage(t, "README.md").lines, "\n")
	_, section, found := strings.Cut(text, "\n## Not yet\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("the README has no section Not yet")
	}
	listed := regexp.MustCompile("[A-Z]+ /v1/[^`]+").FindAllString(section, -1)
	r := start(t, settings{})
	for _, route := range plannedRoutes() {
		method, path, _ := strings.Cut(route, " ")
		if !slices.Contains(listed, route) {
			t.Errorf("README.md does not list %s", route)
		}
		r.do(method, regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "main"), "").wantProblem(t, 501, "not-implemented")
	}
	for _, route := range listed {
		if !slices.Contains(plannedRoutes(), route) {
			t.Errorf("README.md lists %s, which is not planned any more", route)
		}
	}
}

// plannedRoutes are method and path of every route that answers 501.
func plannedRoutes() []string {
	var planned []string
	for _, block := range [][]handlers.Route{
		(&handlers.State{}).Routes(), (&handlers.Lock{}).Routes(), (&handlers.Sequence{}).Routes(),
		(&handlers.PubSub{}).Routes(), (&handlers.Config{}).Routes(), (&handlers.Invoke{}).Routes(),
	} {
		for _, route := range block {
			if route.Planned {
				planned = append(planned, route.Method+" "+regexp.MustCompile(`[:*](\w+)`).ReplaceAllString(route.Path, "{$1}"))
			}
		}
	}
	return planned
}

// Every link between pages leads somewhere, headings included.
func TestDocumentationLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, name := range documents(t) {
		for i, line := range readPage(t, name).lines {
			for _, found := range link.FindAllStringSubmatch(line, -1) {
				if fault := deadLink(t, name, found[1]); fault != "" {
					t.Errorf("%s:%d: %s: %s", name, i+1, found[1], fault)
				}
			}
		}
	}
}

func deadLink(t *testing.T, from, target string) string {
	t.Helper()
	if strings.Contains(target, "://") {
		return ""
	}
	file, heading, _ := strings.Cut(target, "#")
	path := filepath.Join(filepath.Dir(from), file)
	if file == "" {
		path = from
	}
	if _, err := os.Stat(filepath.Join(root, path)); err != nil {
		return "no such file"
	}
	if heading != "" && !slices.Contains(headings(readPage(t, path)), heading) {
		return "the page has no such heading"
	}
	return ""
}

// headings are the anchors of a page's headings.
func headings(p *docPage) []string {
	var anchors []string
	for _, line := range p.lines {
		if title := strings.TrimLeft(line, "#"); title != line && strings.HasPrefix(title, " ") {
			plain := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			anchors = append(anchors, strings.ReplaceAll(plain, " ", "-"))
		}
	}
	return anchors
}

// docs/architecture.md names every room of the house and no other: each entry
// of its list begins with a folder.
func TestDocumentationOfRooms(t *testing.T) {
	named := regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)/` \\|").FindAllStringSubmatch(strings.Join(readPage(t, "docs/architecture.md").lines, "\n"), -1)
	var rooms []string
	for _, match := range named {
		rooms = append(rooms, match[1])
		if stat, err := os.Stat(filepath.Join(root, match[1])); err != nil || !stat.IsDir() {
			t.Errorf("docs/architecture.md names %s/, which is not there", match[1])
		}
	}
	for _, room := range append(subfolders(t, "."), subfolders(t, "backends")...) {
		if !slices.Contains(rooms, room) {
			t.Errorf("docs/architecture.md does not name %s/", room)
		}
	}
}

// subfolders lists the folders below one that belong to the repository: not
// what is built or downloaded, nor what begins with a dot.
func subfolders(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && entry.Name() != "bin" {
			found = append(found, filepath.Join(folder, entry.Name()))
		}
	}
	return found
}
