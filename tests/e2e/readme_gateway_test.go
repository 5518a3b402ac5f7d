package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// buildProgram builds the program as it is shipped and gives its folder.
func buildProgram(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	command := exec.CommandContext(t.Context(), "go", "build", "-tags", "nomsgpack", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w", "-o", filepath.Join(folder, "ottogate"), "./cmd/ottogate")
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	return folder
}

// program is the program as a process of its own, which a reader would start.
type program struct {
	folder     string // of the binary
	api, admin string
	log        *logs
}

// startProgram runs a command of the program until the test ends and waits
// until it listens.
func startProgram(t *testing.T, folder string, args ...string) *program {
	t.Helper()
	p := &program{folder: folder, log: &logs{}}
	command := exec.CommandContext(t.Context(), filepath.Join(folder, "ottogate"), args...)
	command.Dir, command.Stdout, command.Stderr = t.TempDir(), p.log, p.log
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) } // t.Context ends before the clean-up
	command.WaitDelay = 15 * time.Second
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Wait() // nil or the context's error
		if code := command.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit status %d after SIGTERM:\n%s", code, p.log)
		}
	})
	p.awaitListening(t)
	return p
}

// startDev is the program as `make run` starts it, on free ports.
func startDev(t *testing.T, folder string) *program {
	t.Helper()
	return startProgram(t, folder, "dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", t.TempDir())
}

// awaitListening reads the log line that tells the addresses.
func (p *program) awaitListening(t *testing.T) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		for line := range strings.Lines(p.log.String()) {
			var told struct{ Msg, API, Admin string }
			if json.Unmarshal([]byte(line), &told) == nil && told.Msg == "listening" {
				p.api, p.admin = told.API, told.Admin
				return
			}
		}
	}
	t.Fatalf("it does not listen:\n%s", p.log)
}

// shell runs a command line as a reader's terminal would. What is printed to
// stderr is shown for the program's own commands only: curl's progress is not
// worth documenting.
func (p *program) shell(t *testing.T, folder, line string) (printed string, failure error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-c", line)
	command.Dir, command.WaitDelay = folder, time.Second
	command.Env = append(os.Environ(), "PATH="+p.folder+":"+os.Getenv("PATH"), "CURL_HOME="+folder, "NO_PROXY=*", "LC_ALL=C")
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if strings.HasPrefix(line, "ottogate ") {
		command.Stderr = &stdout
	}
	err := command.Run()
	const timedOut = 28 // curl's status after --max-time, with which streams end
	if command.ProcessState != nil && command.ProcessState.ExitCode() == timedOut && strings.Contains(line, "--max-time") {
		err = nil
	}
	if err != nil {
		t.Logf("stderr: %s", stderr.String())
	}
	return tidy(stdout.String()), err
}
