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
	row(out, head)
	for i := range head {
		head[i] = "---"
	}
	row(out, head)
}

// printRow prints the medians over the rounds, and the extremes as spread. A
// ratio is taken within each round.
func printRow(out io.Writer, route route, results [][]result) {
	cells := []string{route.name}
	for i, rounds := range results {
		var ratios, micros []float64
		for n, one := range rounds {
			ratios = append(ratios, one.perSecond/results[0][n].perSecond)
			micros = append(micros, float64(one.cpu)/float64(time.Microsecond))
		}
		if i > 0 {
			cells = append(cells, middle(ratios, "%.2f"), spread(ratios, "%.2f"))
		}
		cells = append(cells, middle(micros, "%.1f"), spread(micros, "%.1f"))
	}
	row(out, cells)
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
