package configfile

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

// entry is one key that the types know.
type entry struct {
	path   string // with * for names: apps.*.limits.body
	kind   reflect.Type
	tag    reflect.StructTag
	owner  string // Type.Field, for the comment
	driver string // of which it is a key; "" = of all
}

// entries lists every key below a type, blocks before what they hold.
func entries(kind reflect.Type, path, driver string) []entry {
	var list []entry
	for field := range kind.Fields() {
		key, option, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case !field.IsExported(), field.Name == "Inline":
		case option == "inline":
			_, only, _ := strings.Cut(field.Tag.Get("when"), "=")
			list = append(list, entries(pointedAt(field.Type), path, only)...)
		default:
			child := strings.TrimPrefix(path+"."+key, ".")
			list = append(list, entry{child, field.Type, field.Tag, kind.Name() + "." + field.Name, driver})
			if below, suffix := blockIn(field.Type); below != nil {
				list = append(list, entries(below, child+suffix, driver)...)
			}
		}
	}
	return list
}

func pointedAt(kind reflect.Type) reflect.Type {
	if kind.Kind() == reflect.Pointer {
		return kind.Elem()
	}
	return kind
}

// blockIn is the block that a field holds, and what its path adds.
func blockIn(kind reflect.Type) (reflect.Type, string) {
	suffix := ""
	if kind = pointedAt(kind); kind.Kind() == reflect.Map {
		kind, suffix = kind.Elem(), ".*"
	} else if kind.Kind() == reflect.Slice {
		kind, suffix = kind.Elem(), "[]"
	}
	if isBlock(reflect.New(kind).Elem()) {
		return kind, suffix
	}
	return nil, ""
}

func honoured(t *testing.T) []entry {
	t.Helper()
	var list []entry
	for _, e := range entries(reflect.TypeFor[File](), "", "") {
		if !isPlanned(e.path) {
			list = append(list, e)
		}
	}
	if len(list) < 80 {
		t.Fatalf("only %d keys found", len(list))
	}
	return list
}

// TestTags holds every tag against what the loader understands.
func TestTags(t *testing.T) {
	comments := fieldComments(t)
	for _, e := range honoured(t) {
		if comments[e.owner] == "" {
			t.Errorf("%s (%s) has no comment", e.path, e.owner)
		}
		if err := checkForm(e.tag.Get("form"), "x"); err != nil && strings.Contains(err.Error(), "not known") {
			t.Errorf("%s: %v", e.path, err)
		}
		if fallback, ok := e.tag.Lookup("default"); ok && e.kind.Kind() != reflect.Slice {
			value := reflect.New(e.kind).Elem()
			if err := setText(value, fallback); err != nil {
				t.Errorf("%s: default %q: %v", e.path, fallback, err)
			} else if err := checkValue(value, fallback, e.tag); err != nil {
				t.Errorf("%s: default %q: %v", e.path, fallback, err)
			}
		}
		if lowest, highest, ok := strings.Cut(e.tag.Get("range"), ".."); ok {
			for _, bound := range []string{lowest, highest} {
				if err := setText(reflect.New(e.kind).Elem(), bound); err != nil {
					t.Errorf("%s: bound %q: %v", e.path, bound, err)
				}
			}
		}
	}
}

// TestKeysDoNotCollide looks at inlined blocks, whose keys stand beside those
// of the component.
func TestKeysDoNotCollide(t *testing.T) {
	for _, component := range []any{&State{}, &Lock{}, &Sequence{}, &PubSub{}, &Config{}} {
		for _, driver := range []string{"redis", "local", "kafka", "apollo"} {
			seen := map[string]bool{}
			condition := func(c string) bool { return c == "driver" || c == "driver="+driver }
			for _, f := range blockOf(reflect.New(reflect.TypeOf(component).Elem()).Elem(), condition).fields {
				if seen[f.key] {
					t.Errorf("%T with driver %s has the key %s twice", component, driver, f.key)
				}
				seen[f.key] = true
			}
		}
	}
}

// TestPlannedKeysAreRefused writes every planned key into a file.
func TestPlannedKeysAreRefused(t *testing.T) {
	for _, row := range planned() {
		t.Run(row, func(t *testing.T) { refusesPlanned(t, row) })
	}
}

func refusesPlanned(t *testing.T, row string) {
	t.Helper()
	path, value, choice := strings.Cut(row, "=")
	keys := strings.Split(strings.ReplaceAll(path, "*", "x"), ".")
	leaf := "{}"
	if choice {
		leaf = fmt.Sprintf("%q", strings.TrimSuffix(value, "*"))
	}
	var text strings.Builder
	for depth, key := range keys {
		text.WriteString("\n" + strings.Repeat("  ", depth) + key + ":")
	}
	_, faults := Load("f", []byte(text.String()+" "+leaf+"\n"), Options{})
	for _, fault := range faults {
		if strings.HasSuffix(fault.Message, notImplemented) && fault.Path == strings.Join(keys, ".") {
			return
		}
	}
	t.Errorf("is not refused: %v", faults)
}

// TestReferenceFile loads configs/ottogate.yaml as it stands, then with all
// that is switched off switched on, and looks for every key in that.
func TestReferenceFile(t *testing.T) {
	data, err := os.ReadFile("../configs/ottogate.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, faults := Load("ottogate.yaml", data, Options{}); len(faults) > 0 {
		t.Errorf("as it stands:\n%v", faults)
	}
	options := Options{
		LookupEnv: func(string) (string, bool) { return "value", true },
		ReadFile:  func(string) ([]byte, error) { return []byte("value"), nil },
	}
	everything := switchedOn(string(data))
	if _, faults := Load("ottogate.yaml", []byte(everything), options); len(faults) > 0 {
		t.Fatalf("with everything switched on:\n%v", faults)
	}
	written := writtenKeys(t, everything)
	for _, e := range honoured(t) {
		if !written[e.path] {
			t.Errorf("configs/ottogate.yaml lacks %s", e.path)
		}
	}
}

// switchedOn removes the # before settings: prose has one space behind it.
func switchedOn(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if setting, off := strings.CutPrefix(line, "#"); off && (strings.HasPrefix(setting, "  ") || !strings.HasPrefix(setting, " ")) {
			lines[i] = setting
		}
	}
	return strings.Join(lines, "\n")
}

// writtenKeys lists the paths of a file as entries writes them.
func writtenKeys(t *testing.T, text string) map[string]bool {
	t.Helper()
	report := newReport("")
	root := parse(report, []byte(text))
	if root == nil {
		t.Fatal(report.faults)
	}
	decoder := &decoder{report: report, expanded: map[string]bool{}}
	decoder.file(&File{}, root)
	written := map[string]bool{}
	for path := range report.places {
		for _, e := range entries(reflect.TypeFor[File](), "", "") {
			if matchesPath(strings.ReplaceAll(e.path, "[]", "[*]"), indexed(path)) {
				written[e.path] = true
			}
		}
	}
	return written
}

// indexed replaces every index of a path by a star.
func indexed(path string) string {
	head, rest, found := strings.Cut(path, "[")
	if !found {
		return path
	}
	_, tail, _ := strings.Cut(rest, "]")
	return head + "[*]" + indexed(tail)
}

// fieldComments reads the comments that are the reference, by Type.Field.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	comments := map[string]string{}
	for _, path := range []string{"types.go", "types_connections.go", "types_components.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				addComments(comments, spec)
			}
			return true
		})
	}
	return comments
}

func addComments(comments map[string]string, spec *ast.TypeSpec) {
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range structure.Fields.List {
		for _, name := range field.Names {
			text := strings.Join(strings.Fields(field.Doc.Text()), " ")
			comments[spec.Name.Name+"."+name.Name] = strings.TrimPrefix(text, name.Name+" ")
		}
	}
}
