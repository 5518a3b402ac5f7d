package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ottogate/ottogate/problem"
)

func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failure error
		h := newHealth()
		h.add("state/main", true, func(context.Context) error { return failure })
		h.add("pubsub/events", false, func(context.Context) error { return errors.New("dial 10.0.0.1") })
		if got := h.check(t.Context()); got.Status != statusInit {
			t.Errorf("before the start it is %s", got.Status)
		}
		h.start()
		got := h.check(t.Context())
		if got.Status != statusUp || got.Components["pubsub/events"].Status != statusDown {
			t.Errorf("one that is not required counts: %+v", got)
		}
		if told := got.Components["pubsub/events"].Error; told != "Internal error" {
			t.Errorf("internal text is told: %q", told)
		}
		failure = problem.New(problem.Unavailable, "redis is down")
		if got := h.check(t.Context()); got.Status != statusUp {
			t.Error("a verdict does not stand for a moment")
		}
		time.Sleep(probeReuse + time.Millisecond)
		got = h.check(t.Context())
		if got.Status != statusDown || got.Components["state/main"].Error != "redis is down" {
			t.Errorf("a required one that is down does not count: %+v", got)
		}
		failure = nil
		time.Sleep(probeReuse + time.Millisecond)
		h.drain()
		if got := h.check(t.Context()); got.Status != statusDown || got.Reason != "draining" {
			t.Errorf("draining it is %+v", got)
		}
	})
}

// A probe that hangs costs its time and no more, and one that leaves does not
// spoil the verdict of the others.
func TestReadinessIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth()
		h.add("slow", true, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		h.add("fine", true, func(ctx context.Context) error { return ctx.Err() })
		h.start()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		got := h.check(gone)
		if took := time.Since(began); took != probeTimeout {
			t.Errorf("took %s", took)
		}
		if got.Status != statusDown || got.Components["fine"].Status != statusUp {
			t.Errorf("%+v", got)
		}
	})
}
