package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests below run the program as a process of its own: this test binary
// becomes the program when the variable is set.
const asProgram = "OTTOGATE_TEST_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// process is a running `ottogate dev`.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	api string
}

// startDev starts the development mode and waits until it listens.
func startDev(t *testing.T, data string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", data)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var line struct{ Msg, API string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			go func() { _, _ = io.Copy(io.Discard, stdout) }() // ends with the process
			return &process{t: t, cmd: cmd, api: "http://" + line.API}
		}
	}
	t.Fatal("the program ended without listening")
	return nil
}

func (p *process) do(method, path, body string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.api+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// end sends a signal and gives the exit status.
func (p *process) end(s syscall.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case <-done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(15 * time.Second):
		p.t.Fatal("the program does not end")
		return -1
	}
}

// What dev acknowledged is there after an orderly restart and after kill -9.
func TestDevKeepsItsData(t *testing.T) {
	data := t.TempDir()
	for round, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGTERM} {
		p := startDev(t, data)
		if round > 0 {
			if status, body := p.do("GET", "/v1/state/main/kept", ""); status != 200 || body != "value" {
				t.Errorf("round %d: state is %d %q", round, status, body)
			}
			status, body := p.do("GET", "/v1/subscribe/events/kept?from=earliest&wait=5s", "")
			if status != 200 || strings.Count(body, `"data":"event"`) != round {
				t.Errorf("round %d: topic is %d %s", round, status, body)
			}
		}
		if status, body := p.do("PUT", "/v1/state/main/kept", "value"); status != 204 {
			t.Fatalf("put: %d %s", status, body)
		}
		if status, body := p.do("POST", "/v1/publish/events/kept", `"event"`); status != 200 {
			t.Fatalf("publish: %d %s", status, body)
		}
		if code := p.end(signal); signal == syscall.SIGTERM && code != exitFine {
			t.Errorf("round %d: exit %d after SIGTERM", round, code)
		}
	}
}

// The five lines that dev prints work.
func TestDevPrintsLinesThatWork(t *testing.T) {
	p := startDev(t, "")
	var hello strings.Builder
	sayHello(&hello, p.api)
	count := 0
	for line := range strings.Lines(hello.String()) {
		if !strings.HasPrefix(strings.TrimSpace(line), "curl") {
			continue
		}
		count++
		out, err := exec.CommandContext(t.Context(), "bash", "-c", strings.Replace(strings.TrimSpace(line), "curl", "curl -sS --fail-with-body", 1)).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", strings.TrimSpace(line), err, out)
		}
	}
	if count != 5 {
		t.Errorf("%d lines, want 5", count)
	}
	if code := p.end(syscall.SIGINT); code != exitFine {
		t.Errorf("exit %d after SIGINT", code)
	}
}

func TestDevIsolatesItsApps(t *testing.T) {
	p := startDev(t, "")
	as := func(key, method, path string) int {
		request, err := http.NewRequestWithContext(t.Context(), method, p.api+path, strings.NewReader("1"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Api-Key", key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	cases := []struct {
		key, path string
		status    int
	}{
		{"dev-alice", "/v1/state/main/alice/x", 204},
		{"dev-bob", "/v1/state/main/bob/x", 204},
		{"dev-bob", "/v1/state/main/alice/x", 403},
		{"dev-alice", "/v1/state/main/x", 403},
		{"dev-mallory", "/v1/state/main/alice/x", 401},
	}
	for _, c := range cases {
		if got := as(c.key, "PUT", c.path); got != c.status {
			t.Errorf("%s PUT %s: %d, want %d", c.key, c.path, got, c.status)
		}
	}
	if got := as("dev-alice", "POST", "/v1/publish/events/bob.x"); got != 403 {
		t.Errorf("alice publishes to bob's topic: %d", got)
	}
}

// Two processes on one folder would overwrite each other's files.
func TestDevRefusesAFolderInUse(t *testing.T) {
	data := t.TempDir()
	p := startDev(t, data)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", data)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(string(out), "in use") {
		t.Errorf("exit %d: %s", cmd.ProcessState.ExitCode(), out)
	}
	if status, body := p.do("PUT", "/v1/state/main/x", "1"); status != 204 {
		t.Errorf("the first process suffers: %d %s", status, body)
	}
}

// The development mode lets everybody do everything, so nobody else may reach
// it.
func TestDevStaysOnLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:80"} {
		if code, _, stderr := call("dev", "--listen", address); code != exitUsage || !strings.Contains(stderr, "loopback") {
			t.Errorf("%s: exit %d, said %s", address, code, stderr)
		}
	}
}

// A reload that is asked for must not end the process.
func TestSIGHUPDoesNotKill(t *testing.T) {
	p := startDev(t, "")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // the signal arrives
	if status, body := p.do("GET", "/healthz", ""); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if code := p.end(syscall.SIGTERM); code != exitFine {
		t.Errorf("exit %d", code)
	}
}
