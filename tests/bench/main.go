// Command bench compares the gateway with a bare net/http server and with a
// naive gateway, all on the same real backends in one run. The rounds are
// interleaved, so that a busy machine is unfair to all alike; only ratios of
// the same round and CPU time per request mean anything. `make bench` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// plan is what the command line asks for.
type plan struct {
	gateway     string // path of the binary
	rounds      int
	each        time.Duration // of load per round, route and subject
	connections int
	only        *regexp.Regexp // names of routes
	soak        time.Duration  // 0 = compare
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, out io.Writer) error {
	plan, err := parse(arguments)
	if err != nil {
		return err
	}
	raw, err := openRaw(arguments)
	if err != nil {
		return err
	}
	defer raw.Close()
	bed, err := openBed(ctx, plan)
	if err != nil {
		return err
	}
	defer bed.close()
	if plan.soak > 0 {
		return soak(ctx, bed, plan, raw, out)
	}
	return compare(ctx, bed, plan, raw, out)
}

func parse(arguments []string) (plan, error) {
	var p plan
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&p.gateway, "gateway", "bin/ottogate", "the gateway's binary")
	flags.IntVar(&p.rounds, "rounds", 7, "rounds per route, at least 1")
	flags.DurationVar(&p.each, "each", 2*time.Second, "load per round, route and subject, in whole seconds")
	flags.IntVar(&p.connections, "connections", 64, "connections of the load generator")
	flags.DurationVar(&p.soak, "soak", 0, "mixed load on the gateway alone for so long")
	only := flags.String("only", "", "regular expression of the routes to measure")
	short := flags.Bool("short", false, "3 rounds of 1 s: a look, not a measurement")
	if err := flags.Parse(arguments); err != nil {
		return p, err
	}
	if *short {
		p.rounds, p.each = 3, time.Second
	}
	if p.rounds < 1 || p.connections < 1 || p.each < time.Second {
		return p, errors.New("at least one round, one connection and one second are needed")
	}
	var err error
	p.only, err = regexp.Compile(*only)
	return p, err
}

// openRaw begins the file that keeps every command and its whole output.
func openRaw(arguments []string) (*os.File, error) {
	if err := os.MkdirAll(".cache/bench", 0o755); err != nil {
		return nil, err
	}
	raw, err := os.Create(".cache/bench/" + time.Now().UTC().Format("20060102T150405Z") + ".txt")
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(raw, "bench %q\n%s\n", arguments, machine())
	return raw, err
}
