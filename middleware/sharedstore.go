package middleware

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/ulule/limiter/v3"
)

const (
	// storePatience is the longest that a request waits for the shared store.
	storePatience = 50 * time.Millisecond
	// storeRetry is how long the store is left alone after a failure.
	storeRetry = 500 * time.Millisecond
	// openPatience is what opening the store may take, where its client heeds
	// the context.
	openPatience = 2 * time.Second
	// probeKey is a window that no app has.
	probeKey = "/probe"
)

// sharedStore is a limiter.Store that may be away. One failed call takes it
// out of use, so that at most the requests of one moment wait for a dead
// store; a goroutine finds out when it is back.
type sharedStore struct {
	open  func(context.Context) (limiter.Store, error)
	log   *slog.Logger
	up    prometheus.Gauge
	inUse atomic.Pointer[limiter.Store] // nil = away
	lost  chan struct{}                 // wakes the goroutine; holds one
	stop  context.CancelFunc
	done  chan struct{}
}

func openShared(open func(context.Context) (limiter.Store, error), log *slog.Logger, reg prometheus.Registerer) (*sharedStore, error) {
	ctx, stop := context.WithCancel(context.Background())
	s := &sharedStore{
		open: open, log: log, stop: stop,
		lost: make(chan struct{}, 1), done: make(chan struct{}),
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ottogate_rate_limit_store_up",
			Help: "1 while the replicas count together; 0 while each keeps to its share.",
		}),
	}
	if err := reg.Register(s.up); err != nil {
		stop()
		return nil, err
	}
	go s.tend(ctx)
	return s, nil
}

func (s *sharedStore) close() {
	s.stop()
	<-s.done
}

// take counts one request, and says no when the store is away. It blocks for
// storePatience at most. A nil sharedStore is always away.
func (s *sharedStore) take(ctx context.Context, key string, rate limiter.Rate) (limiter.Context, bool) {
	if s == nil {
		return limiter.Context{}, false
	}
	store := s.inUse.Load()
	if store == nil {
		return limiter.Context{}, false
	}
	bounded, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	state, err := (*store).Get(bounded, key, rate)
	if err == nil {
		return state, true
	}
	if ctx.Err() == nil && s.inUse.CompareAndSwap(store, nil) { // else the caller went away, which says nothing of the store
		s.up.Set(0)
		s.log.Warn("the rate limit store is away; each replica keeps to its share", "cause", err.Error())
		s.lost <- struct{}{}
	}
	return limiter.Context{}, false
}

// tend opens the store and, each time that it was lost, finds it again.
func (s *sharedStore) tend(ctx context.Context) {
	defer close(s.done)
	store := s.find(ctx, s.open)
	probe := func(ctx context.Context) (limiter.Store, error) {
		ctx, cancel := context.WithTimeout(ctx, storePatience) // as quick as requests need it
		defer cancel()
		_, err := store.Peek(ctx, probeKey, limiter.Rate{Limit: 1, Period: time.Second})
		return store, err
	}
	for store != nil {
		s.up.Set(1)
		s.log.Info("the rate limit store is in use")
		s.inUse.Store(new(store)) // each time another pointer: a request of the time before must not take this one out of use
		select {
		case <-ctx.Done():
			return
		case <-s.lost:
		}
		pause(ctx)
		store = s.find(ctx, probe)
	}
}

// find tries until the store answers, and gives nil when ctx ends first.
func (s *sharedStore) find(ctx context.Context, try func(context.Context) (limiter.Store, error)) limiter.Store {
	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(ctx, openPatience)
		store, err := try(bounded)
		cancel()
		if err == nil {
			return store
		}
		s.log.Debug("the rate limit store does not answer", "cause", err.Error())
		pause(ctx)
	}
	return nil
}

// pause leaves the store alone for a while, or until ctx ends.
func pause(ctx context.Context) {
	timer := time.NewTimer(storeRetry)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
