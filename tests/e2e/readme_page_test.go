package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the top of the repository.
const root = "../.."

// docPage is a Markdown file with the examples in it.
type docPage struct {
	name     string // from the top of the repository
	lines    []string
	examples []docExample
	files    map[string]string // blocks that begin with `# name.yaml`
	faults   []string
}

// docExample is a command of a console block and what it prints. Its lines in the
// page are [first, output) and [output, end), counted from 0.
type docExample struct {
	command            string
	want               string
	first, output, end int
}

// elsewhere are the example lines that need more than `ottogate dev`: nothing
// runs them here. The packaging tests hold the compose file to its promises.
func elsewhere() []string {
	return []string{"curl -H 'X-Api-Key: compose-demo' http://127.0.0.1:8080/v1/invoke/echo/api"}
}

// documents lists README.md and everything in docs/.
func documents(t *testing.T) []string {
	t.Helper()
	names := []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry os.DirEntry, err error) error {
		if name, within := strings.CutPrefix(path, root+"/"); err == nil && within && strings.HasSuffix(name, ".md") && !entry.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func readPage(t *testing.T, name string) *docPage {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return parsePage(name, string(text))
}

// parsePage finds the fenced blocks and what is in them.
func parsePage(name, text string) *docPage {
	p := &docPage{name: name, lines: strings.Split(text, "\n"), files: map[string]string{}}
	for i := 0; i < len(p.lines); i++ {
		kind, open := strings.CutPrefix(p.lines[i], "```")
		if !open {
			continue
		}
		end := i + 1
		for end < len(p.lines) && !strings.HasPrefix(p.lines[end], "```") {
			end++
		}
		p.block(strings.TrimSpace(kind), i+1, end)
		i = end
	}
	return p
}

func (p *docPage) faultf(line int, format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf("%s:%d: %s", p.name, line+1, fmt.Sprintf(format, args...)))
}

// fileName is the first line of a block that is a file of the examples.
var fileName = regexp.MustCompile(`^# ([a-z-]+\.yaml)$`)

func (p *docPage) block(kind string, first, end int) {
	if kind == "console" {
		p.console(first, end)
		return
	}
	if first < end {
		if name := fileName.FindStringSubmatch(p.lines[first]); name != nil {
			p.files[name[1]] = strings.Join(p.lines[first:end], "\n") + "\n"
		}
	}
	for i := first; i < end; i++ {
		line := strings.TrimSpace(p.lines[i])
		if isExample(strings.TrimPrefix(line, "$ ")) && !slices.Contains(elsewhere(), line) {
			p.faultf(i, "an example outside of a console block is not run: %s", line)
		}
	}
}

func isExample(command string) bool {
	return strings.HasPrefix(command, "curl ") || strings.HasPrefix(command, "ottogate ")
}

// console reads commands, which begin with `$ ` and go on behind a backslash
// at the end of a line, each with its output.
func (p *docPage) console(first, end int) {
	for i := first; i < end; {
		command, ok := strings.CutPrefix(p.lines[i], "$ ")
		if !ok {
			p.faultf(i, "a console block begins with something else than a command")
			return
		}
		e := docExample{command: command, first: i}
		for i++; strings.HasSuffix(e.command, `\`) && i < end; i++ {
			e.command += "\n" + p.lines[i]
		}
		for e.output = i; i < end && !strings.HasPrefix(p.lines[i], "$ "); i++ {
		}
		e.end = i
		e.want = tidy(strings.Join(p.lines[e.output:e.end], "\n"))
		p.examples = append(p.examples, e)
		p.check(e)
	}
}

// check holds an example to the rules that need no gateway.
func (p *docPage) check(e docExample) {
	switch {
	case !isExample(e.command):
		p.faultf(e.first, "an example begins with curl or ottogate: %s", e.command)
	case e.want == "":
		p.faultf(e.first, "the example does not show what it prints (curl -i prints something always): %s", e.command)
	case streams(e.command) && !strings.Contains(e.command, "--max-time"):
		p.faultf(e.first, "a stream needs --max-time: %s", e.command)
	}
}

func streams(command string) bool {
	return strings.Contains(command, "event-stream") || strings.Contains(command, "stream=true")
}

// tidy makes a terminal's output comparable: no carriage returns, and no empty
// lines at the end.
func tidy(output string) string {
	return strings.TrimRight(strings.ReplaceAll(output, "\r", ""), "\n ")
}

// rewrite puts commands and outputs into the page's file.
func (p *docPage) rewrite(t *testing.T, results []docExample) {
	t.Helper()
	var text []string
	done := 0
	for _, e := range results {
		text = append(text, p.lines[done:e.first]...)
		text = append(text, "$ "+e.command, e.want)
		done = e.end
	}
	text = append(text, p.lines[done:]...)
	if err := os.WriteFile(filepath.Join(root, p.name), []byte(strings.Join(text, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPagesAreReadStrictly(t *testing.T) {
	for name, text := range map[string]string{
		"no expectation":        "```console\n$ curl http://127.0.0.1:8080/\n```\n",
		"the last one has none": "```console\n$ curl a\nb\n$ curl c\n```\n",
		"not a console block":   "```sh\ncurl http://127.0.0.1:8080/\n```\n",
		"no block kind":         "```\n$ ottogate version\n```\n",
		"another command":       "```console\n$ rm -rf x\ny\n```\n",
		"endless stream":        "```console\n$ curl -N -H 'Accept: text/event-stream' x\nid: 1\n```\n",
		"output first":          "```console\nhello\n```\n",
	} {
		if p := parsePage("x.md", text); len(p.faults) != 1 {
			t.Errorf("%s: faults %q, want one", name, p.faults)
		}
	}
	good := parsePage("x.md", "text\n```yaml\n# a.yaml\nb: c\n```\n```console\n$ curl \\\n  x\nout\n\n$ ottogate version\nv\n```\n")
	if len(good.faults) != 0 || len(good.examples) != 2 || good.examples[0].command != "curl \\\n  x" || good.examples[0].want != "out" || good.files["a.yaml"] != "# a.yaml\nb: c\n" {
		t.Errorf("%+v", good)
	}
}
