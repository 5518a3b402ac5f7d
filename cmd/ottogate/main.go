// Command ottogate is the program: it reads flags and signals and makes one
// call into the gateway.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/ottogate/ottogate/gateway"
)

// Set by the build: -ldflags "-X main.version=… -X main.commit=…".
var (
	version = "dev"
	commit  = ""
)

// Exit statuses of the program.
const (
	exitFine   = 0
	exitFailed = 1 // it ran and failed, or the answer is no
	exitUsage  = 2 // wrong usage or configuration
)

const usage = `ottogate gives applications the building blocks of a platform over plain HTTP.

  ottogate serve --config FILE             run the gateway
  ottogate dev                             run it with everything it needs, for trying
  ottogate check --config FILE             check a configuration, list every fault
  ottogate check --config FILE --app A --do 'PUT /v1/state/main/x'
                                           say whether app A may, and by which rule
  ottogate keys new --app A                make an API key
  ottogate openapi [--yaml]                print the specification
  ottogate version                         print version, commit and Go version

Each command explains its flags with -h.
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without the process: arguments in, exit status out.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch command, rest := args[0], args[1:]; command {
	case "serve":
		return serve(rest, stdout, stderr)
	case "dev":
		return dev(rest, stdout, stderr)
	case "check":
		return check(rest, stdout, stderr)
	case "keys":
		return keys(rest, stdout, stderr)
	case "openapi":
		return spec(rest, stdout, stderr)
	case "version":
		return sayVersion(rest, stdout, stderr)
	case "replay":
		fmt.Fprintln(stderr, "ottogate: this version does not implement replay yet")
		return exitFailed
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return exitFine
	default:
		fmt.Fprintf(stderr, "ottogate: unknown command %q\n\n%s", command, usage)
		return exitUsage
	}
}

func sayVersion(args []string, stdout, stderr io.Writer) int {
	if code, done := parse(flags("version", stderr), args, stderr); done {
		return code
	}
	fmt.Fprintf(stdout, "ottogate %s %s %s\n", version, build().Commit, runtime.Version())
	return exitFine
}

// flags makes a flag set that reports instead of exiting.
func flags(command string, stderr io.Writer) *flag.FlagSet {
	set := flag.NewFlagSet("ottogate "+command, flag.ContinueOnError)
	set.SetOutput(stderr)
	return set
}

// parse reads the flags; done is true when the program should exit with code.
func parse(set *flag.FlagSet, args []string, stderr io.Writer) (code int, done bool) {
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitFine, true
	case err != nil:
		return exitUsage, true
	case set.NArg() > 0:
		fmt.Fprintf(stderr, "ottogate: unexpected argument %q\n", set.Arg(0))
		return exitUsage, true
	default:
		return 0, false
	}
}

// build says which program this is; the commit comes from the build or from
// the version control stamp.
func build() gateway.Version {
	found := gateway.Version{Version: version, Commit: commit, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if found.Commit != "" || !ok {
		return found
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			found.Commit = setting.Value
		}
	}
	return found
}
