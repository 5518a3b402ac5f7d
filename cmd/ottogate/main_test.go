package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// call runs the program in this process.
func call(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

func TestCheckListsEveryFaultWithItsPlace(t *testing.T) {
	code, _, stderr := call("check", "--config", "../../configfile/testdata/ten-faults.yaml")
	faults := regexp.MustCompile(`(?m)^\S*ten-faults\.yaml:\d+:\d+: .+$`).FindAllString(stderr, -1)
	if code != exitUsage || len(faults) != 10 {
		t.Fatalf("exit %d, %d faults:\n%s", code, len(faults), stderr)
	}
}

func TestCheckAcceptsTheReference(t *testing.T) {
	t.Setenv("REDIS_PASSWORD", "secret")
	code, stdout, stderr := call("check", "--config", "../../configs/ottogate.yaml")
	if code != exitFine || !strings.Contains(stdout, "no faults") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
}

func TestCheckSaysWhoMayDoWhat(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ottogate.yaml")
	err := os.WriteFile(file, []byte(`
namespace: test
apps:
  orders: { allow: ["state.read main/orders/**", "invoke GET payments/**"] }
connections: { local: { driver: local, path: x.db } }
state: { main: { connection: local } }
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		do   string
		code int
		text string
	}{
		{"GET /v1/state/main/orders/1", exitFine, `yes: orders may GET /v1/state/main/orders/1 by the rule "state.read main/orders/**"`},
		{"PUT /v1/state/main/orders/1", exitFailed, "no rule gives state.write on main/orders/1"},
		{"get /v1/state/main/orders%2F1", exitFine, "yes:"},
		{"GET /v1/state/main/other", exitFailed, "no:"},
		{"GET /v1/state/main?prefix=orders/", exitFine, "yes:"},
		{"GET /v1/state/main?prefix=o", exitFailed, "no:"},
		{"GET /v1/invoke/payments/x", exitFine, "yes:"},
		{"POST /v1/invoke/payments/x", exitFailed, "no:"},
		{"GET /v1/whoami", exitFine, "no right is needed"},
		{"GET /healthz", exitFine, "no right is needed"},
		{"GET /v1/nothing", exitUsage, "there is no route"},
		{"nonsense", exitUsage, "is not a method and a path"},
	}
	for _, c := range cases {
		code, stdout, stderr := call("check", "--config", file, "--app", "orders", "--do", c.do)
		if code != c.code || !strings.Contains(stdout+stderr, c.text) {
			t.Errorf("%s: exit %d, said %s%s", c.do, code, stdout, stderr)
		}
	}
	if code, _, stderr := call("check", "--config", file, "--app", "nobody", "--do", "GET /v1/whoami"); code != exitUsage || !strings.Contains(stderr, "no app") {
		t.Errorf("unknown app: exit %d, said %s", code, stderr)
	}
}

func TestKeysNewPrintsTheKeyOnceAndItsHash(t *testing.T) {
	code, stdout, _ := call("keys", "new", "--app", "orders")
	if code != exitFine || strings.Count(stdout, "otg_orders_") != 1 || !regexp.MustCompile(`"sha256:[0-9a-f]{64}"`).MatchString(stdout) {
		t.Fatalf("exit %d: %s", code, stdout)
	}
	if code, _, _ := call("keys", "new"); code != exitUsage {
		t.Errorf("without an app: exit %d", code)
	}
}

func TestUsage(t *testing.T) {
	cases := map[string]struct {
		args []string
		code int
	}{
		"nothing":           {nil, exitUsage},
		"unknown command":   {[]string{"fly"}, exitUsage},
		"help":              {[]string{"help"}, exitFine},
		"version":           {[]string{"version"}, exitFine},
		"version and more":  {[]string{"version", "x"}, exitUsage},
		"help of a command": {[]string{"serve", "-h"}, exitFine},
		"no config":         {[]string{"serve"}, exitUsage},
		"absent config":     {[]string{"serve", "--config", "/nonexistent.yaml"}, exitUsage},
		"unknown flag":      {[]string{"serve", "--fly"}, exitUsage},
		"extra argument":    {[]string{"openapi", "x"}, exitUsage},
		"openapi":           {[]string{"openapi", "--yaml"}, exitFine},
		"planned command":   {[]string{"replay", "x"}, exitFailed},
	}
	for name, c := range cases {
		if code, stdout, stderr := call(c.args...); code != c.code || stdout+stderr == "" {
			t.Errorf("%s: exit %d, want %d: %s%s", name, code, c.code, stdout, stderr)
		}
	}
}
