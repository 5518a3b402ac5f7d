package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// result is what one subject did in one round.
type result struct {
	perSecond float64       // units per second: a lock's two requests are one
	cpu       time.Duration // of the server, per unit
}

// measure loads one route of one subject once and keeps the raw output.
func measure(ctx context.Context, subject *subject, route route, plan plan, dir string, raw io.Writer) (result, error) {
	script := filepath.Join(dir, "route.lua")
	if err := os.WriteFile(script, []byte(route.script(strconv.FormatInt(time.Now().UnixNano(), 36))), 0o600); err != nil {
		return result{}, err
	}
	before, err := cpuTime(subject.PID())
	if err != nil {
		return result{}, err
	}
	command := exec.CommandContext(ctx, "wrk", "-t1", fmt.Sprintf("-c%d", plan.connections),
		fmt.Sprintf("-d%d", int(plan.each.Seconds())), "--latency", "-s", script, subject.url+route.path)
	output, err := command.CombinedOutput()
	after, cpuErr := cpuTime(subject.PID())
	if _, rawErr := fmt.Fprintf(raw, "\n## %s, %s: %v; server CPU %v\n%s", route.name, subject.name, command.Args, after-before, output); rawErr != nil {
		return result{}, rawErr
	}
	if err != nil {
		return result{}, fmt.Errorf("wrk: %w: %s", err, output)
	}
	if cpuErr != nil {
		return result{}, cpuErr
	}
	return evaluate(string(output), after-before, route)
}

var (
	totals  = regexp.MustCompile(`(\d+) requests in ([\d.]+)(ms|s|m),`)
	refused = regexp.MustCompile(`Non-2xx or 3xx responses: \d+|Socket errors: .*`)
)

// evaluate reads wrk's report. A run with a single wrong answer is no
// measurement: errors are cheap.
func evaluate(output string, cpu time.Duration, route route) (result, error) {
	if fault := refused.FindString(output); fault != "" {
		return result{}, fmt.Errorf("%s: %s", route.name, fault)
	}
	match := totals.FindStringSubmatch(output)
	if match == nil {
		return result{}, fmt.Errorf("cannot read wrk's report: %s", output)
	}
	units, err := strconv.ParseFloat(match[1], 64)
	if err != nil {
		return result{}, err
	}
	took, err := time.ParseDuration(match[2] + match[3])
	if err != nil {
		return result{}, err
	}
	if route.pair() {
		units /= 2
	}
	if units < 1 {
		return result{}, fmt.Errorf("%s: no request was answered", route.name)
	}
	return result{perSecond: units / took.Seconds(), cpu: time.Duration(float64(cpu) / units)}, nil
}
