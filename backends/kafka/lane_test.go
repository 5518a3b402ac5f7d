package kafka

import (
	"context"
	"testing"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// endings are a caller's ended deadline and a lost session.
func endings(t *testing.T) map[string]func() (context.Context, *lane) {
	return map[string]func() (context.Context, *lane){
		"deadline": func() (context.Context, *lane) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx, &lane{session: newSession()}
		},
		"loss": func() (context.Context, *lane) {
			l := &lane{session: newSession()}
			l.session.giveUp()
			return t.Context(), l
		},
	}
}

// TestAnswerThatLandedIsPreferred: select takes any branch that is ready, so
// that each ending is tried often enough to be taken.
func TestAnswerThatLandedIsPreferred(t *testing.T) {
	want := backends.Receipt{Partition: 3, Offset: 1042}
	refusal := problem.New(problem.BodyTooLarge, "the record is larger than the topic allows")
	for name, ending := range endings(t) {
		for range 100 {
			ctx, l := ending()
			f := &flight{landed: make(chan landing, 1)}
			f.landed <- landing{receipt: want}
			if got, err := l.wait(ctx, f); err != nil || got != want {
				t.Fatalf("%s: got %+v, %v; the record is at %+v", name, got, err, want)
			}
			f.landed <- landing{err: refusal}
			if _, err := l.wait(ctx, f); problem.CodeOf(err) != problem.BodyTooLarge {
				t.Fatalf("%s: %v, but the broker refused the record", name, err)
			}
		}
	}
}

func TestFateOfARecordWithoutAnswerIsUnknown(t *testing.T) {
	for name, ending := range endings(t) {
		ctx, l := ending()
		got, err := l.wait(ctx, &flight{landed: make(chan landing, 1)})
		if failure := problem.From(err); failure == nil || !failure.Unknown || got != (backends.Receipt{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
