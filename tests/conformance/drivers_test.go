// Package conformance says in tests what a building block promises, whichever
// driver stands behind it. A suite is a list of short named checks; every
// check runs on every driver, the embedded ones and the real servers alike, so
// a promise that only one of them keeps is a failing test.
package conformance

import (
	"fmt"
	"testing"
)

// driver is one column of the matrix: a way to get a subject D, which is one
// interface of package backends or several of them together.
type driver[D any] struct {
	name string
	// open gives a ready subject, which t.Cleanup closes, and the version of
	// what stands behind it. What cannot be opened fails t: a missing server
	// is never a reason to skip.
	open func(t *testing.T) (subject D, version string)
}

// check is one promise. Checks of a suite run in parallel on one subject, so
// each keeps to names of its own.
type check[D any] struct {
	name string
	run  func(t *testing.T, subject D)
}

// conform runs every check on every driver. Under breakEnv the subject is
// replaced by a mutant, and the suite has to fail.
func conform[D any](t *testing.T, drivers []driver[D], checks []check[D], mutants []mutant[D]) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) {
			subject, version := d.open(t)
			fmt.Printf("conformance: %s on %s %s\n", t.Name(), d.name, version)
			subject = sabotage(subject, mutants)
			for _, c := range checks {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, subject)
				})
			}
		})
	}
}
