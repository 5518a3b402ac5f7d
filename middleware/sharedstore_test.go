package middleware

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/ulule/limiter/v3"
)

// awkward is a store that refuses the key "refused" and answers "late" only
// when it is let go, with a failure too. Other keys have no limit.
type awkward struct {
	limiter.Store
	asked, letGo chan struct{}
}

func (a *awkward) Peek(context.Context, string, limiter.Rate) (limiter.Context, error) {
	return limiter.Context{}, nil
}

func (a *awkward) Get(_ context.Context, key string, _ limiter.Rate) (limiter.Context, error) {
	switch key {
	case "refused":
		return limiter.Context{}, errors.New("refused")
	case "late":
		close(a.asked)
		<-a.letGo
		return limiter.Context{}, errors.New("late")
	default:
		return limiter.Context{}, nil
	}
}

// A request that began before the store was lost and found again fails with
// the old connection: that says nothing of the new one.
func TestALateFailureSparesTheStoreThatCameBack(t *testing.T) {
	store := &awkward{asked: make(chan struct{}), letGo: make(chan struct{})}
	shared, err := openShared(func(context.Context) (limiter.Store, error) { return store, nil }, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer shared.close()
	rate := limiter.Rate{Limit: 10, Period: time.Hour}
	inUse := func() bool { return shared.inUse.Load() != nil }
	eventually(t, "the store is in use", inUse)

	late := make(chan bool)
	go func() {
		_, ok := shared.take(context.Background(), "late", rate)
		late <- ok
	}()
	<-store.asked
	if _, ok := shared.take(t.Context(), "refused", rate); ok || inUse() {
		t.Fatal("a store that fails is in use")
	}
	eventually(t, "the store is in use again", inUse)
	close(store.letGo)
	if <-late {
		t.Error("the late request was counted")
	}
	if _, ok := shared.take(t.Context(), "other", rate); !ok {
		t.Error("a failure of the time before took the store out of use")
	}
}
