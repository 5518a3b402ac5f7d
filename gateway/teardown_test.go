package gateway

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
)

func TestTeardownRunsEveryStepLastInFirstOut(t *testing.T) {
	var order []string
	down := teardown{log: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"first", "second", "third"} {
		down.push(name, func(context.Context) error {
			order = append(order, name)
			if name == "second" {
				return errors.New("broken")
			}
			return nil
		})
	}
	if err := down.run(t.Context()); err == nil || err.Error() != "second: broken" {
		t.Errorf("run said %v", err)
	}
	if want := []string{"third", "second", "first"}; !slices.Equal(order, want) {
		t.Errorf("order %v", order)
	}
	if err := down.run(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("a second run did something: %v %v", err, order)
	}
}
