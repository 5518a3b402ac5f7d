package conformance

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// breakEnv names the mutant that a run of this package shall test in place of
// the sound driver. By hand:
//
//	CONFORMANCE_BREAK=state-ignores-conditions go test -run TestState ./tests/conformance
const breakEnv = "CONFORMANCE_BREAK"

// mutant is a deliberately broken driver. A suite that does not notice it
// proves nothing, so each names the check that has to fail.
type mutant[D any] struct {
	name     string // the value of breakEnv
	caughtBy string // full name of the failing test, as in TestState/local/create once
	wrap     func(sound D) (broken D)
}

// sabotage gives the subject broken in the way that breakEnv names, or sound.
func sabotage[D any](subject D, mutants []mutant[D]) D {
	for _, m := range mutants {
		if m.name == os.Getenv(breakEnv) {
			return m.wrap(subject)
		}
	}
	return subject
}

// expectCaught runs this test binary once per mutant, limited to the check that
// has to notice it, and fails when that check passes.
func expectCaught[D any](t *testing.T, mutants []mutant[D]) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			output, err := runBroken(t, m.name, m.caughtBy)
			failure := "--- FAIL: " + strings.ReplaceAll(m.caughtBy, " ", "_")
			if err == nil || !strings.Contains(output, failure) {
				t.Fatalf("%s was not noticed by %q (%v):\n%s", m.name, m.caughtBy, err, output)
			}
			t.Logf("noticed:\n%s", output)
		})
	}
}

// runBroken is `CONFORMANCE_BREAK=name go test -run test` without the compiler.
func runBroken(t *testing.T, name, test string) (output string, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, "-test.run="+exactly(test), "-rapid.nofailfile") // this failure is no regression to keep
	cmd.Env = append(os.Environ(), breakEnv+"="+name)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// exactly is the -run pattern that selects one test by its full name.
func exactly(test string) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(strings.ReplaceAll(part, " ", "_")) + "$"
	}
	return strings.Join(parts, "/")
}
