package configfile

import "reflect"

// Options are the loader's only ways to the world outside the file, and what
// the command line says over it.
type Options struct {
	LookupEnv func(name string) (string, bool)  // for ${env:NAME}; nil = no variable is set
	ReadFile  func(path string) ([]byte, error) // for ${file:PATH}; nil = no file can be read
	Dev       map[string]string                 // for ${dev:NAME}; nil = not in development mode

	Listen string // in place of server.listen; "" = the file's
	Admin  string // in place of server.admin; "" = the file's
}

// Load reads a file strictly: the name appears in the faults. Either the file
// is returned whole, with defaults filled in, references checked and inline
// connections moved to the table, or every fault that could be found. It
// reads nothing but data and what the expansions in it name.
func Load(name string, data []byte, options Options) (*File, Faults) {
	report := newReport(name)
	root := parse(report, data)
	if root == nil {
		return nil, report.faults.sorted()
	}
	file := &File{expanded: map[string]bool{}}
	decoder := &decoder{report: report, options: options, expanded: file.expanded}
	decoder.file(file, root)
	override(report, file, options)
	checks := &checker{report: report, file: file}
	checks.all()
	if len(report.faults) > 0 {
		return nil, report.faults.sorted()
	}
	settle(file)
	return file, nil
}

// file decodes the whole tree.
func (d *decoder) file(file *File, root *node) {
	d.places[""] = placeOfNode(root)
	d.value(reflect.ValueOf(file).Elem(), root, "", "")
}

// override puts the command line's addresses in before the checks, so that
// they hold for what will be listened on.
func override(report *report, file *File, options Options) {
	for _, flag := range []struct {
		path, text string
		target     *string
	}{
		{"server.listen", options.Listen, &file.Server.Listen},
		{"server.admin", options.Admin, &file.Server.Admin},
	} {
		if flag.text == "" {
			continue
		}
		*flag.target = flag.text
		delete(file.expanded, flag.path)
		if err := checkForm("listen", flag.text); err != nil {
			report.faultf(flag.path, "%s on the command line: %v", quote(flag.text), err)
		}
	}
}
