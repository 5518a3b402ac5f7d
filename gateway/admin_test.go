package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ottogate/ottogate/configfile"
	"github.com/ottogate/ottogate/gateway"
)

// buffer collects a gateway's log.
type buffer struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}

// start runs a gateway without any component on a configuration's head.
func start(t *testing.T, config string) (admin string, log *buffer) {
	t.Helper()
	file, faults := configfile.Load("test.yaml", []byte(config), configfile.Options{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0"})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	log = &buffer{}
	g, err := gateway.New(t.Context(), file, gateway.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	t.Cleanup(func() {
		if err := g.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + g.AdminAddr(), log
}

func call(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

const quick = "namespace: t\nserver: { drain: { delay: 0s } }\n"

func TestAdminRoutes(t *testing.T) {
	admin, _ := start(t, quick)
	cases := []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"GET", "/actuator/health/liveness", "", 200, `{"status":"UP"}`},
		{"GET", "/actuator/health/readiness", "", 200, `"status":"UP"`},
		{"GET", "/actuator/info", "", 200, `"namespace":"t"`},
		{"GET", "/actuator/config", "", 200, `"namespace":"t"`},
		{"GET", "/actuator/loggers", "", 200, `"level":"info"`},
		{"POST", "/actuator/loggers", `{"level":"loud"}`, 400, `"pointer":"/level"`},
		{"POST", "/actuator/loggers", `{"level":"debug"}`, 200, `"level":"debug"`},
		{"GET", "/metrics", "", 200, "go_goroutines"},
		{"GET", "/nowhere", "", 404, `"code":"no-such-route"`},
		{"DELETE", "/actuator/info", "", 405, `"code":"method-not-allowed"`},
	}
	for _, c := range cases {
		response, text := call(t, c.method, admin+c.path, c.body)
		if response.StatusCode != c.status || !strings.Contains(text, c.text) {
			t.Errorf("%s %s: %d %.200s", c.method, c.path, response.StatusCode, text)
		}
		if c.status == 405 && !strings.Contains(response.Header.Get("Allow"), "GET") {
			t.Errorf("405 without Allow: %v", response.Header)
		}
	}
}

func TestAdminNeedsItsToken(t *testing.T) {
	admin, _ := start(t, quick+"admin: { token: \"s3cret-token\" }\n")
	for header, status := range map[string]int{"": 401, "Bearer wrong": 401, "s3cret-token": 401, "Bearer s3cret-token": 200} {
		response, text := call(t, "GET", admin+"/actuator/config", "", "Authorization", header)
		if response.StatusCode != status || strings.Contains(text, "s3cret") {
			t.Errorf("%q: %d %s", header, response.StatusCode, text)
		}
	}
	if response, _ := call(t, "GET", admin+"/actuator/health/readiness", ""); response.StatusCode != 200 {
		t.Errorf("a probe needs a token: %d", response.StatusCode)
	}
	if response, _ := call(t, "GET", admin+"/actuator/info", "", "Authorization", "Bearer s3cret-token", "Origin", "https://evil.example"); response.StatusCode != 403 {
		t.Errorf("a page of another origin gets %d", response.StatusCode)
	}
}

// A foreign name that resolves to this machine is not loopback.
func TestAdminRefusesReboundNames(t *testing.T) {
	admin, _ := start(t, quick)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, admin+"/actuator/config", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "evil.example"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 401 {
		t.Errorf("status %d", response.StatusCode)
	}
}

// Whoever starts the process waits for this line, whatever the level is.
func TestListeningIsSaidAtEveryLevel(t *testing.T) {
	_, log := start(t, quick+"log: { level: error }\n")
	var line struct{ Msg, API, Admin string }
	first, _, _ := strings.Cut(log.String(), "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.Msg != "listening" || line.API == "" || line.Admin == "" {
		t.Errorf("%q: %v", first, err)
	}
}

// A start that fails leaves nothing open, so that it can be tried again.
func TestFailedStartRollsBack(t *testing.T) {
	file, faults := configfile.Load("test.yaml", []byte(quick), configfile.Options{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0"})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	file.Server.Admin = "256.0.0.1:1"
	if g, err := gateway.New(t.Context(), file, gateway.Options{Log: io.Discard}); err == nil {
		t.Fatalf("%v started on an address that does not exist", g)
	}
}
