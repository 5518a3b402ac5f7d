// Package backends says what a backend must do: one small interface per
// building block, its contract in the comment. Abilities that only some
// backends have are separate interfaces found by type assertion.
//
// What holds for all of them: every method is safe for concurrent use; it
// blocks at most until ctx ends and then returns promptly with ctx's error or
// a problem.Error; failures are *problem.Error values whose code says what
// happened, with problem.Unavailable for a backend that is down; nothing that
// may have been applied is retried. A write whose fate is not known returns an
// Error with Unknown set. Keys, resources and topics arrive complete: the
// namespace's and app's prefixes are already in them.
package backends

import "context"

// Prober is implemented by connections whose health can be asked for.
type Prober interface {
	// Probe asks the backend itself, live; nil means that it works.
	Probe(ctx context.Context) error
}
