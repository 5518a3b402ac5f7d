package upstream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
)

// balancer chooses an endpoint. Implementations are safe for concurrent use
// and never block.
type balancer interface {
	// pick chooses one of at least one candidates.
	pick(candidates []*endpoint) *endpoint
}

// newBalancer makes the balancer of this kind; the empty one is p2c.
func newBalancer(kind string) (balancer, error) {
	switch kind {
	case "", "p2c":
		return p2c{}, nil
	case "roundRobin":
		return &roundRobin{}, nil
	default:
		return nil, fmt.Errorf("balance %q is not built; there are p2c and roundRobin", kind)
	}
}

// choose picks among the endpoints that were not tried yet; nil when all were.
func (s *service) choose(tried []*endpoint) *endpoint {
	if len(tried) == 0 {
		return s.balancer.pick(s.endpoints)
	}
	var left []*endpoint
	for _, e := range s.endpoints {
		if !slices.Contains(tried, e) {
			left = append(left, e)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return s.balancer.pick(left)
}

// p2c takes the less loaded of two endpoints drawn at random: nearly as even
// as looking at all of them, without herding onto one (Mitzenmacher, "The
// Power of Two Choices in Randomized Load Balancing", 2001).
type p2c struct{}

func (p2c) pick(candidates []*endpoint) *endpoint {
	n := len(candidates)
	if n == 1 {
		return candidates[0]
	}
	first := rand.IntN(n)
	second := (first + 1 + rand.IntN(n-1)) % n
	a, b := candidates[first], candidates[second]
	if b.load.Load() < a.load.Load() {
		return b
	}
	return a
}

// roundRobin takes them in turn.
type roundRobin struct{ turn atomic.Uint64 }

func (b *roundRobin) pick(candidates []*endpoint) *endpoint {
	return candidates[(b.turn.Add(1)-1)%uint64(len(candidates))]
}
