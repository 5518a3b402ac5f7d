package main

import (
	"fmt"
	"io"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/gateway"
	"github.com/ottogate/ottogate/openapi"
)

// check validates a file as serve would; with --app and --do it says whether
// the app may, and by which rule: 0 yes, 1 no, 2 a bad file or question.
func check(args []string, stdout, stderr io.Writer) int {
	set := flags("check", stderr)
	path := set.String("config", "", "configuration file (required)")
	app := set.String("app", "", "app to ask about")
	what := set.String("do", "", "request to ask about, such as 'PUT /v1/state/main/x'")
	if code, done := parse(set, args, stderr); done {
		return code
	}
	if (*app == "") != (*what == "") {
		fmt.Fprintln(stderr, "ottogate: --app and --do belong together")
		return exitUsage
	}
	file, code := load(*path, "", "", nil, stderr)
	switch {
	case file == nil:
		return code
	case *app == "":
		fmt.Fprintf(stdout, "%s: no faults\n", *path)
		return exitFine
	}
	found, err := gateway.Explain(file, *app, *what)
	if err != nil {
		fmt.Fprintln(stderr, "ottogate:", err)
		return exitUsage
	}
	return sayDecision(stdout, *app, *what, found)
}

func sayDecision(stdout io.Writer, app, what string, found gateway.Explanation) int {
	switch {
	case found.Allowed && found.Rule == "":
		fmt.Fprintf(stdout, "yes: %s may %s (no right is needed)\n", app, what)
	case found.Allowed:
		fmt.Fprintf(stdout, "yes: %s may %s by the rule %q\n", app, what, found.Rule)
	default:
		fmt.Fprintf(stdout, "no: %s may not %s; no rule gives %s on %s\n", app, what, found.Request.Action, found.Request.Resource)
		return exitFailed
	}
	return exitFine
}

// keys makes an API key: the key itself once, and the line for the file.
func keys(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] != "new" {
		fmt.Fprintln(stderr, "usage: ottogate keys new --app A")
		return exitUsage
	}
	set := flags("keys new", stderr)
	app := set.String("app", "", "app that the key proves (required)")
	if code, done := parse(set, args[1:], stderr); done {
		return code
	}
	key, line, err := access.NewKey(*app)
	if err != nil {
		fmt.Fprintln(stderr, "ottogate:", err)
		return exitUsage
	}
	fmt.Fprintf(stdout, "The key, shown this once:\n  %s\nThe line for apps.%s.keys:\n  - %q\n", key, *app, line)
	return exitFine
}

// spec prints the specification.
func spec(args []string, stdout, stderr io.Writer) int {
	set := flags("openapi", stderr)
	yaml := set.Bool("yaml", false, "print YAML instead of JSON")
	if code, done := parse(set, args, stderr); done {
		return code
	}
	text := openapi.JSON()
	if *yaml {
		text = openapi.YAML()
	}
	if _, err := stdout.Write(text); err != nil {
		return exitFailed
	}
	return exitFine
}
