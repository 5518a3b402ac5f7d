package gateway

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ottogate/ottogate/problem"
)

// Times of the health probes.
const (
	probeTimeout = time.Second // one backend's answer
	probeReuse   = time.Second // how long a verdict stands, so that probes do not become load
)

// status is the word that readiness and its components answer.
type status string

const (
	statusInit status = "INIT"
	statusUp   status = "UP"
	statusDown status = "DOWN"
)

// health asks the components' backends, live, whenever somebody asks it.
type health struct {
	probes map[string]probe

	draining atomic.Bool
	started  atomic.Bool

	mutex  sync.Mutex // held while the probes are asked
	last   verdict
	lastAt time.Time
}

type probe struct {
	required bool
	ask      func(context.Context) error
}

// componentHealth is what readiness tells of one component.
type componentHealth struct {
	Status   status `json:"status"`
	Required bool   `json:"required"`
	Error    string `json:"error,omitempty"`
}

// verdict is the readiness of the whole gateway.
type verdict struct {
	Status     status                     `json:"status"`
	Reason     string                     `json:"reason,omitempty"`
	Components map[string]componentHealth `json:"components,omitempty"`
}

func newHealth() *health { return &health{probes: map[string]probe{}} }

func (h *health) add(component string, required bool, ask func(context.Context) error) {
	h.probes[component] = probe{required: required, ask: ask}
}

// start ends INIT; drain turns readiness off for good.
func (h *health) start() { h.started.Store(true) }
func (h *health) drain() { h.draining.Store(true) }

// names lists the watched components in order.
func (h *health) names() []string {
	names := make([]string, 0, len(h.probes))
	for name := range h.probes {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// check gives the readiness; it blocks for probeTimeout at most, and callers
// at the same time share one round of probes.
func (h *health) check(ctx context.Context) verdict {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if time.Since(h.lastAt) > probeReuse {
		h.last, h.lastAt = h.ask(ctx), time.Now()
	}
	out := h.last
	switch {
	case h.draining.Load():
		out.Status, out.Reason = statusDown, "draining"
	case !h.started.Load():
		out.Status = statusInit
	}
	return out
}

func (h *health) ask(ctx context.Context) verdict {
	// The verdict is shared with other callers, so one that leaves must not
	// make every component look dead.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	var (
		mutex sync.Mutex
		wait  sync.WaitGroup
	)
	found := verdict{Status: statusUp, Components: make(map[string]componentHealth, len(h.probes))}
	for name, p := range h.probes {
		wait.Go(func() {
			one := componentHealth{Status: statusUp, Required: p.required}
			if err := p.ask(ctx); err != nil {
				one.Status, one.Error = statusDown, reasonOf(err)
			}
			mutex.Lock()
			defer mutex.Unlock()
			found.Components[name] = one
			if one.Status == statusDown && p.required {
				found.Status = statusDown
			}
		})
	}
	wait.Wait()
	return found
}

// reasonOf is what a probe's failure may tell: probes need no token.
func reasonOf(err error) string {
	document := problem.DocumentOf(err, "")
	if document.Detail != "" {
		return document.Detail
	}
	return document.Title
}
