package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// printHead begins the table. The first subject is the one that the others
// are divided by.
func printHead(out io.Writer, subjects []*subject) {
	head := []string{"route"}
	for i, subject := range subjects {
		if i > 0 {
			head = append(head, subject.name+" ÷ "+subjects[0].name, "spread")
		}
		head = append(head, subject.name+" CPU µs", "spread")
	}
	head = append(head, "goals", "kept")
	row(out, head)
	for i := range head {
		head[i] = "---"
	}
	row(out, head)
}

// printRow prints the medians over the rounds, and the extremes as spread, then
// the gateway's goals and whether its medians keep them. A ratio is taken
// within each round.
func printRow(out io.Writer, route route, results [][]result) {
	cells := []string{route.name}
	for i, rounds := range results {
		if i > 0 {
			ratios := ratios(rounds, results[0], result.rate)
			cells = append(cells, middle(ratios, "%.2f"), spread(ratios, "%.2f"))
		}
		micros := values(rounds, result.micros)
		cells = append(cells, middle(micros, "%.1f"), spread(micros, "%.1f"))
	}
	row(out, append(cells, route.goals.String(), route.goals.judge(results)))
}

func (r result) rate() float64   { return r.perSecond }
func (r result) micros() float64 { return float64(r.cpu) / float64(time.Microsecond) }

func values(rounds []result, of func(result) float64) []float64 {
	all := make([]float64, len(rounds))
	for n, one := range rounds {
		all[n] = of(one)
	}
	return all
}

// ratios divides what two subjects did in the same round.
func ratios(rounds, by []result, of func(result) float64) []float64 {
	all := make([]float64, len(rounds))
	for n, one := range rounds {
		all[n] = of(one) / of(by[n])
	}
	return all
}

func row(out io.Writer, cells []string) {
	fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
}

func middle(values []float64, format string) string {
	return fmt.Sprintf(format, median(values))
}

func spread(values []float64, format string) string {
	return fmt.Sprintf(format+"–"+format, slices.Min(values), slices.Max(values))
}

// median of an even number of values is the mean of the middle two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
