package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

const report = `Running 1s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  2000 requests in 1.00s, 1.00MB read
Requests/sec:   2000.00
`

func TestReportIsRead(t *testing.T) {
	got, err := evaluate(report, 20*time.Millisecond, route{})
	if err != nil || got.perSecond != 2000 || got.cpu != 10*time.Microsecond {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPairIsOneUnit(t *testing.T) {
	got, err := evaluate(report, 20*time.Millisecond, route{query: "?owner=x"})
	if err != nil || got.perSecond != 1000 || got.cpu != 20*time.Microsecond {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWrongAnswersAreNoMeasurement(t *testing.T) {
	for _, fault := range []string{"  Non-2xx or 3xx responses: 1\n", "  Socket errors: connect 0, read 3, write 0, timeout 0\n"} {
		if _, err := evaluate(report+fault, 0, route{}); err == nil {
			t.Errorf("taken as a measurement:\n%s", fault)
		}
	}
	if _, err := evaluate("wrk said nothing", 0, route{}); err == nil {
		t.Error("an empty report was taken as a measurement")
	}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{5, 1, 3}); got != 3 {
		t.Errorf("odd: %v", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("even: %v", got)
	}
}

func TestGoalsAreJudgedByMedians(t *testing.T) {
	same := func(perSecond float64, cpu time.Duration) []result {
		return []result{{perSecond, cpu}, {perSecond, cpu}, {perSecond / 100, cpu * 100}} // one bad round
	}
	results := [][]result{{{100, 10 * time.Microsecond}, {100, 10 * time.Microsecond}, {100, 10 * time.Microsecond}}, same(40, 0), same(70, 20*time.Microsecond)}
	for want, goals := range map[string]goals{
		"":    {},
		"yes": {bare: 0.7, naive: 1.75, cpu: 2, micros: 20},
		"no: ≥ 0.71 × bare, ≥ 1.8 × naive, CPU ≤ 1.99 × bare, ≤ 19 µs": {bare: 0.71, naive: 1.8, cpu: 1.99, micros: 19},
	} {
		if got := goals.judge(results); got != want {
			t.Errorf("%+v: %q, want %q", goals, got, want)
		}
	}
}

func TestSlope(t *testing.T) {
	var samples []sample
	for minute := range 60 {
		samples = append(samples, sample{at: time.Duration(minute) * time.Minute, resident: 20 + float64(minute)/60})
	}
	if got := slope(samples, func(s sample) float64 { return s.resident }); got < 0.99 || got > 1.01 {
		t.Errorf("one MB per hour was measured as %v", got)
	}
	if got := slope(samples[:1], func(s sample) float64 { return s.resident }); got != 0 {
		t.Errorf("one point has slope %v", got)
	}
}

func TestScriptsNameTheirRoute(t *testing.T) {
	for _, route := range routes {
		script := route.script("run")
		if !strings.Contains(script, route.method) || !strings.Contains(script, apiKey) {
			t.Errorf("%s: %s", route.name, script)
		}
	}
}

func TestOwnProcessIsMeasured(t *testing.T) {
	resident, err := residentMB(os.Getpid())
	if err != nil || resident < 1 {
		t.Errorf("%v MB, %v", resident, err)
	}
	for begin := time.Now(); time.Since(begin) < 50*time.Millisecond; { // be busy for some ticks
	}
	if spent, err := cpuTime(os.Getpid()); err != nil || spent == 0 {
		t.Errorf("%v, %v", spent, err)
	}
	if open, err := descriptors(os.Getpid()); err != nil || open < 3 {
		t.Errorf("%d descriptors, %v", open, err)
	}
}
