package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/ottogate/ottogate/configfile"
	"github.com/ottogate/ottogate/gateway"
)

// serve runs the gateway until SIGTERM or SIGINT, drains, and exits 0; a
// second signal exits at once.
func serve(args []string, stdout, stderr io.Writer) int {
	set := flags("serve", stderr)
	path := set.String("config", "", "configuration file (required)")
	listen := set.String("listen", "", "address of the public listener; overrides the file")
	admin := set.String("admin", "", "address of the admin listener; overrides the file")
	if code, done := parse(set, args, stderr); done {
		return code
	}
	file, code := load(*path, *listen, *admin, nil, stderr)
	if file == nil {
		return code
	}
	tuneMemory()
	ctx, stop := untilSignal(stderr)
	defer stop()
	return runGateway(ctx, file, stdout, stderr, nil)
}

// load reads and checks a configuration file and applies the flags that
// override it; every fault is printed.
func load(path, listen, admin string, stand map[string]string, stderr io.Writer) (*configfile.File, int) {
	if path == "" {
		fmt.Fprintln(stderr, "ottogate: --config FILE is required")
		return nil, exitUsage
	}
	text, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(stderr, "ottogate:", err)
		return nil, exitUsage
	}
	return parseFile(path, text, listen, admin, stand, stderr)
}

func parseFile(name string, text []byte, listen, admin string, stand map[string]string, stderr io.Writer) (*configfile.File, int) {
	file, faults := configfile.Load(name, text, configfile.Options{
		LookupEnv: os.LookupEnv, ReadFile: os.ReadFile, Dev: stand, Listen: listen, Admin: admin,
	})
	if len(faults) > 0 {
		fmt.Fprintln(stderr, faults.Error())
		return nil, exitUsage
	}
	return file, exitFine
}

// runGateway runs a gateway until ctx ends; started is called once it listens.
func runGateway(ctx context.Context, file *configfile.File, stdout, stderr io.Writer, started func(*gateway.Gateway)) int {
	g, err := gateway.New(ctx, file, gateway.Options{Version: build(), Log: stdout})
	if err != nil {
		fmt.Fprintln(stderr, "ottogate:", err)
		return exitFailed
	}
	if started == nil {
		err = g.Run(ctx)
	} else {
		g.Start()
		started(g)
		err = g.Wait(ctx)
	}
	if err != nil {
		fmt.Fprintln(stderr, "ottogate:", err)
		return exitFailed
	}
	return exitFine
}

// untilSignal ends its context at the first SIGTERM or SIGINT and the process
// at the second. SIGHUP asks for a reload, which this version does not do: it
// says so, and does not die of it.
func untilSignal(stderr io.Writer) (context.Context, context.CancelFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // lives as long as the process, which it may end
		for received := range signals {
			switch {
			case received == syscall.SIGHUP:
				fmt.Fprintln(stderr, "ottogate: SIGHUP: this version does not reload; restart it to apply changes")
			case ctx.Err() == nil:
				cancel()
			default:
				os.Exit(exitFailed)
			}
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}
