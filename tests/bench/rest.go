package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// starts is how often a start is timed; settle is how long a process is left
// alone before its memory is read.
const (
	starts = 5
	settle = 2 * time.Second
)

// The goals of `serve`; `dev` carries its stand-ins and has none.
const (
	startGoal    = 100 // ms
	residentGoal = 20  // MB
)

// atRest prints what the gateway costs before the first request: start,
// memory, size.
func atRest(ctx context.Context, bed *bed, plan plan, out io.Writer) error {
	fmt.Fprintln(out)
	row(out, []string{"at rest", "start to ready, ms", "spread", "idle RSS, MB", "goals", "kept"})
	row(out, []string{"---", "---", "---", "---", "---", "---"})
	for _, kind := range []struct {
		name  string
		start func(context.Context) (*subject, time.Duration, error)
	}{{"serve", bed.startGateway}, {"dev", bed.startDev}} {
		millis, resident, err := timeStarts(ctx, kind.start)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		cells := []string{kind.name, middle(millis, "%.0f"), spread(millis, "%.0f"), fmt.Sprintf("%.1f", resident), "", ""}
		if kind.name == "serve" {
			cells[4] = fmt.Sprintf("≤ %d ms, ≤ %d MB", startGoal, residentGoal)
			cells[5] = map[bool]string{true: "yes", false: "no"}[median(millis) <= startGoal && resident <= residentGoal]
		}
		row(out, cells)
	}
	info, err := os.Stat(plan.gateway)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nbinary: %.1f MB\n", float64(info.Size())/1e6)
	return nil
}

func timeStarts(ctx context.Context, start func(context.Context) (*subject, time.Duration, error)) (millis []float64, resident float64, err error) {
	for i := range starts {
		subject, took, err := start(ctx)
		if err != nil {
			return nil, 0, err
		}
		millis = append(millis, float64(took)/float64(time.Millisecond))
		if i == starts-1 {
			time.Sleep(settle)
			resident, err = residentMB(subject.PID())
		}
		subject.Stop()
		if err != nil {
			return nil, 0, err
		}
	}
	return millis, resident, nil
}
