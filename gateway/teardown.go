package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// teardown is a stack of named steps that undo what was opened, last in,
// first out. New rolls back with it and Stop takes down with it, so that the
// order is written once.
type teardown struct {
	log   *slog.Logger
	steps []step
}

type step struct {
	name string
	undo func(context.Context) error
}

func (t *teardown) push(name string, undo func(context.Context) error) {
	t.steps = append(t.steps, step{name, undo})
}

// pushClose is push for what closes itself without a context.
func (t *teardown) pushClose(name string, undo func() error) {
	t.push(name, func(context.Context) error { return undo() })
}

// run undoes every step, also when one fails, and reports all failures.
func (t *teardown) run(ctx context.Context) error {
	var failures []error
	for _, step := range slices.Backward(t.steps) {
		if err := step.undo(ctx); err != nil {
			t.log.Warn("teardown step failed", "step", step.name, "error", err)
			failures = append(failures, fmt.Errorf("%s: %w", step.name, err))
		}
	}
	t.steps = nil
	return errors.Join(failures...)
}
