package middleware

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counters are the rate, errors and duration of requests. What has been seen
// once is kept, so that counting again costs one look-up and no allocation.
type counters struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec

	mu   sync.RWMutex
	kept map[sight]series
}

// series are the two metrics of one sight.
type series struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

func newCounters(reg prometheus.Registerer) (*counters, error) {
	c := &counters{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ottogate_http_requests_total",
			Help: "Requests by route template, method, status and app; status 499 means that the client went away.",
		}, []string{"route", "method", "status", "app"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ottogate_http_request_duration_seconds",
			Help:    "Time from the request's headers to the end of the answer, by route template and method.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"route", "method"}),
		kept: make(map[sight]series),
	}
	if err := reg.Register(c.requests); err != nil {
		return nil, err
	}
	return c, reg.Register(c.durations)
}

func (c *counters) count(seen sight, took time.Duration) {
	c.mu.RLock()
	both, known := c.kept[seen]
	c.mu.RUnlock()
	if !known {
		both = c.keep(seen)
	}
	both.requests.Inc()
	both.duration.Observe(took.Seconds())
}

func (c *counters) keep(seen sight) series {
	both := series{
		requests: c.requests.WithLabelValues(seen.route, seen.method, strconv.Itoa(seen.status), seen.app),
		duration: c.durations.WithLabelValues(seen.route, seen.method),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[seen] = both
	return both
}
