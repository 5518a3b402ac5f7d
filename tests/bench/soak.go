package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"
)

// sample is what the gateway held at one moment of a soak.
type sample struct {
	at                                    time.Duration
	resident, goroutines, openDescriptors float64
}

// soak loads all routes of the gateway in turn for plan.soak and prints how
// memory, goroutines and descriptors went. A wrong answer ends it.
func soak(ctx context.Context, bed *bed, plan plan, raw *os.File, out io.Writer) error {
	gateway, admin, err := bed.startSoaked(ctx)
	if err != nil {
		return err
	}
	defer gateway.Kill()
	var samples []sample
	for begin := time.Now(); time.Since(begin) < plan.soak; {
		for _, route := range routes {
			if _, err := measureRoute(ctx, []*subject{gateway}, route, plan.once(), bed.dir, raw); err != nil {
				return err
			}
		}
		one, err := take(ctx, gateway, admin)
		if err != nil {
			return err
		}
		one.at = time.Since(begin)
		samples = append(samples, one)
		fmt.Fprintf(out, "%8s  %6.1f MB  %5.0f goroutines  %5.0f descriptors\n",
			one.at.Round(time.Second), one.resident, one.goroutines, one.openDescriptors)
	}
	printSlopes(out, samples)
	return nil
}

// once is the plan with a single round.
func (p plan) once() plan {
	p.rounds = 1
	return p
}

// take looks at the gateway a moment after the load, when what is only in use
// has been given back.
func take(ctx context.Context, gateway *subject, admin string) (sample, error) {
	time.Sleep(settle)
	resident, err := residentMB(gateway.PID())
	if err != nil {
		return sample{}, err
	}
	open, err := descriptors(gateway.PID())
	if err != nil {
		return sample{}, err
	}
	goroutines, err := metric(ctx, admin, "go_goroutines")
	return sample{resident: resident, goroutines: goroutines, openDescriptors: float64(open)}, err
}

func metric(ctx context.Context, admin, name string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	match := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("/metrics has no %s", name)
	}
	return strconv.ParseFloat(string(match[1]), 64)
}

func printSlopes(out io.Writer, samples []sample) {
	fmt.Fprintf(out, "\nslope per hour over %d samples, the first tenth left out: %+.2f MB, %+.1f goroutines, %+.1f descriptors\n",
		len(samples),
		slope(samples, func(s sample) float64 { return s.resident }),
		slope(samples, func(s sample) float64 { return s.goroutines }),
		slope(samples, func(s sample) float64 { return s.openDescriptors }))
}

// slope is that of the least-squares line, per hour. The first tenth is the
// warming up of pools and caches.
func slope(samples []sample, of func(sample) float64) float64 {
	samples = samples[len(samples)/10:]
	var n, sumX, sumY, sumXX, sumXY float64
	for _, s := range samples {
		x, y := s.at.Hours(), of(s)
		n, sumX, sumY, sumXX, sumXY = n+1, sumX+x, sumY+y, sumXX+x*x, sumXY+x*y
	}
	if spread := n*sumXX - sumX*sumX; spread > 0 {
		return (n*sumXY - sumX*sumY) / spread
	}
	return 0
}
