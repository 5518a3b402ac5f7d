package main

import (
	"fmt"
	"strings"
)

// goals are what the gateway is meant to reach on a route; zero = no goal. The
// order of the subjects is that of startSubjects: bare, naive, the gateway.
type goals struct {
	bare   float64 // at least so many units for one of the bare server
	naive  float64 // at least so many for one of the naive gateway
	cpu    float64 // at most so much CPU per unit for one of the bare server
	micros float64 // at most so many µs of CPU per unit
}

// goal is one of them.
type goal struct {
	text string
	kept func(results [][]result) bool
}

func (g goals) list() []goal {
	var all []goal
	add := func(wanted float64, text string, kept func(bare, naive, gateway []result) bool) {
		if wanted > 0 {
			all = append(all, goal{fmt.Sprintf(text, wanted), func(r [][]result) bool { return kept(r[0], r[1], r[2]) }})
		}
	}
	add(g.bare, "≥ %.2f × bare", func(bare, _, gateway []result) bool { return median(ratios(gateway, bare, result.rate)) >= g.bare })
	add(g.naive, "≥ %.1f × naive", func(_, naive, gateway []result) bool { return median(ratios(gateway, naive, result.rate)) >= g.naive })
	add(g.cpu, "CPU ≤ %.2f × bare", func(bare, _, gateway []result) bool { return median(ratios(gateway, bare, result.micros)) <= g.cpu })
	add(g.micros, "≤ %.0f µs", func(_, _, gateway []result) bool { return median(values(gateway, result.micros)) <= g.micros })
	return all
}

func (g goals) String() string {
	list := g.list()
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = one.text
	}
	return strings.Join(texts, ", ")
}

// judge is "yes", the goals that were missed, or nothing without goals.
func (g goals) judge(results [][]result) string {
	list := g.list()
	var missed []string
	for _, one := range list {
		if !one.kept(results) {
			missed = append(missed, one.text)
		}
	}
	switch {
	case len(list) == 0:
		return ""
	case len(missed) == 0:
		return "yes"
	default:
		return "no: " + strings.Join(missed, ", ")
	}
}
