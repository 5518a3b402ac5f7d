package main

import (
	"context"
	"fmt"
	"io"
	"os"
)

// compare measures every route of every subject in interleaved rounds, prints
// each row when it is done, and then what the gateway weighs at rest.
func compare(ctx context.Context, bed *bed, plan plan, raw *os.File, out io.Writer) error {
	subjects, err := bed.startSubjects(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n%d rounds of %s per route and subject, interleaved, wrk with %d connections\n\n",
		machine(), plan.rounds, plan.each, plan.connections)
	printHead(out, subjects)
	for _, route := range routes {
		if !plan.only.MatchString(route.name) {
			continue
		}
		results, err := measureRoute(ctx, subjects, route, plan, bed.dir, raw)
		if err != nil {
			return err
		}
		printRow(out, route, results)
	}
	for _, subject := range subjects {
		subject.Stop()
	}
	if err := atRest(ctx, bed, plan, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nraw output: %s\n", raw.Name())
	return nil
}

// measureRoute gives each subject's results by round. The order rotates from
// round to round, so that nobody always comes after the same neighbour.
func measureRoute(ctx context.Context, subjects []*subject, route route, plan plan, dir string, raw io.Writer) ([][]result, error) {
	for _, subject := range subjects {
		if err := warm(ctx, subject, route); err != nil {
			return nil, err
		}
	}
	results := make([][]result, len(subjects))
	for round := range plan.rounds {
		for i := range subjects {
			i = (i + round) % len(subjects)
			one, err := measure(ctx, subjects[i], route, plan, dir, raw)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", subjects[i].name, err)
			}
			results[i] = append(results[i], one)
		}
	}
	return results, nil
}

// warm makes what the route reads, and opens connections to the backends.
func warm(ctx context.Context, subject *subject, route route) error {
	for _, other := range routes {
		if other.name == "state PUT" && route.name == "state GET" {
			if err := subject.try(ctx, other); err != nil {
				return err
			}
		}
	}
	return subject.try(ctx, route)
}
