package e2e

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// updateDocs writes what the examples print into the documentation, and the
// tables that are made from the code:
//
//	go test ./tests/e2e -run TestDocumentation -update
var updateDocs = flag.Bool("update", false, "write what the examples print into the documentation")

// Every example of the README and of docs/ prints what is shown below it, on a
// gateway that was just started. Each page has a gateway of its own, and its
// examples run from top to bottom.
func TestDocumentation(t *testing.T) {
	folder := buildProgram(t)
	for _, name := range documents(t) {
		p := readPage(t, name)
		for _, fault := range p.faults {
			t.Error(fault)
		}
		if len(p.examples) > 0 && len(p.faults) == 0 {
			t.Run(name, func(t *testing.T) { runPage(t, p, startDev(t, folder)) })
		}
	}
	t.Run("from dev to serve", func(t *testing.T) { serveReadme(t, folder) })
}

// The addresses that examples call.
const (
	shownAPI   = "127.0.0.1:8080"
	shownAdmin = "127.0.0.1:9090"
)

func runPage(t *testing.T, p *docPage, gateway *program) {
	t.Helper()
	folder := t.TempDir()
	for name, text := range p.files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known := newDocNames()
	known.pair(shownAPI, gateway.api)
	known.pair(shownAdmin, gateway.admin)
	wrong := false
	results := make([]docExample, 0, len(p.examples))
	for _, e := range p.examples {
		result, ok := runExample(t, p, e, gateway, folder, known)
		results, wrong = append(results, result), wrong || !ok
	}
	if wrong && *updateDocs {
		p.rewrite(t, results)
	}
}

// runExample gives the example as it should be documented, and whether it is.
func runExample(t *testing.T, p *docPage, e docExample, gateway *program, folder string, known *docNames) (result docExample, ok bool) {
	t.Helper()
	printed, err := gateway.shell(t, folder, known.inRun(e.command))
	difference := ""
	if err == nil {
		difference = known.compare(e.want, printed)
	}
	switch {
	case err != nil:
		t.Errorf("%s:%d: %s: %v, printed %s", p.name, e.first+1, e.command, err, printed)
	case difference != "" && !*updateDocs:
		t.Errorf("%s:%d: %s\n%s", p.name, e.first+1, e.command, difference)
	case difference != "":
		known.align(e.want, printed)
	}
	shown := strings.NewReplacer(gateway.api, shownAPI, gateway.admin, shownAdmin)
	e.command, e.want = shown.Replace(known.inRun(e.command)), shown.Replace(printed)
	return e, difference == "" && err == nil
}

// serveReadme runs the file with which the README goes from dev to serve, with
// the addresses of real servers in it and the key that `keys new` makes.
func serveReadme(t *testing.T, folder string) {
	t.Helper()
	key, hash := newKey(t, folder, "orders")
	text := strings.NewReplacer("keys: []", `keys: ["`+hash+`"]`,
		"redis:6379", shared.redis.Addr, "kafka:9092", shared.kafka.Addr, "http://payments:8081", shared.echo.URL(),
	).Replace(readPage(t, "README.md").files["gateway.yaml"])
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := startProgram(t, folder, "serve", "--config", path, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	createTopic(t, "orders.readme")
	r := &replica{t: t, url: "http://" + gateway.api, log: gateway.log}
	r.do("GET", "/v1/whoami", "").wantProblem(t, 401, "unauthenticated")
	r.do("PUT", "/v1/state/main/readme", "1", "X-Api-Key", key).want(t, 204)
	r.do("POST", "/v1/lock/main/readme", "", "X-Api-Key", key).want(t, 200)
	r.do("POST", "/v1/publish/events/orders.readme", "1", "X-Api-Key", key).want(t, 200)
	r.do("GET", "/v1/invoke/payments/x", "", "X-Api-Key", key).want(t, 200)
	r.do("GET", "/readyz", "").want(t, 200)
}

// newKey reads the key and its hash from what the program prints.
func newKey(t *testing.T, folder, app string) (key, hash string) {
	t.Helper()
	printed, err := exec.CommandContext(t.Context(), filepath.Join(folder, "ottogate"), "keys", "new", "--app", app).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range valuesOf(string(printed)) {
		switch v.kind {
		case "key":
			key = v.text
		case "hash":
			hash = v.text
		}
	}
	return key, hash
}
