package configfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with the file.
type Fault struct {
	File         string
	Line, Column int    // from 1
	Path         string // of the key, as `server.limits.body`; empty for the file as a whole
	Message      string
}

// String is the fault as compilers write theirs.
func (f Fault) String() string {
	place := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Path == "" {
		return place + f.Message
	}
	return place + f.Path + ": " + f.Message
}

// Faults are all faults of a file, ordered by their place. An empty one means
// that the file is fine; do not store that in an error.
type Faults []Fault //nolint:errname // a list that is an error, not an error that is a list

// Error lists the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// sorted orders the faults by place and drops repetitions.
func (f Faults) sorted() Faults {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	return slices.Compact(f)
}

// place is where in the file something stands.
type place struct{ line, column int }

// report collects faults and remembers where each path stands and which are
// faulty, so that checks that come after the decoding can name places too and
// do not tell a mistake twice.
type report struct {
	file   string
	faults Faults
	places map[string]place
	faulty map[string]bool // paths with a fault at them or within them
}

func newReport(file string) *report {
	return &report{file: file, places: map[string]place{}, faulty: map[string]bool{}}
}

func (r *report) faultAtf(at place, path, format string, args ...any) {
	r.faults = append(r.faults, Fault{File: r.file, Line: at.line, Column: at.column, Path: path, Message: fmt.Sprintf(format, args...)})
	for around, inside := path, true; inside; around, inside = parentOf(around) {
		r.faulty[around] = true
	}
}

// faultf reports at the place of path or, for a key that is absent, at that of
// the nearest block around it.
func (r *report) faultf(path, format string, args ...any) {
	r.faultAtf(r.placeOf(path), path, format, args...)
}

func (r *report) placeOf(path string) place {
	for around, inside := path, true; inside; around, inside = parentOf(around) {
		if at, ok := r.places[around]; ok {
			return at
		}
	}
	return cmp.Or(r.places[""], place{1, 1})
}

// parentOf cuts the last key or index off a path. A dot in a quoted name only
// adds parents that nothing has.
func parentOf(path string) (string, bool) {
	cut := strings.LastIndexAny(path, ".[")
	if cut < 0 {
		return "", false
	}
	return path[:cut], true
}
