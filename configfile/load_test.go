package configfile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ottogate/ottogate/configfile"
)

// TestComponentsShareConnections looks at what components of a file point to.
func TestComponentsShareConnections(t *testing.T) {
	data, err := os.ReadFile("testdata/inline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file, faults := configfile.Load("inline.yaml", data, configfile.Options{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if file.State["one"].Connection != "shared" || file.State["two"].Connection != "shared" {
		t.Error("one and two do not share a connection")
	}
	if name := file.State["three"].Connection; file.Connections[name].Local.Path != "/data/three.db" || file.State["three"].Inline != nil {
		t.Error("the inline connection of three is not in the table")
	}
	if file.Connections["plain"].Redis.TLS != nil || !file.Connections["secure"].Redis.TLS.Enabled || file.Connections["shared"].Redis.TLS != nil {
		t.Error("tls is not on exactly where it is enabled")
	}
}

// TestTenFaults counts what the other golden files cannot: that there is one
// fault per mistake, each with a line and a column.
func TestTenFaults(t *testing.T) {
	data, err := os.ReadFile("testdata/ten-faults.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, faults := configfile.Load("ten-faults.yaml", data, configfile.Options{})
	if len(faults) != 10 {
		t.Errorf("%d faults, not ten:\n%v", len(faults), faults)
	}
	lines := strings.Split(string(data), "\n")
	for _, fault := range faults {
		if fault.Line < 1 || fault.Line > len(lines) || fault.Column < 1 || fault.Column > len(lines[fault.Line-1]) {
			t.Errorf("no such place: %v", fault)
		}
	}
}

// TestCommandLineAddresses: what the flags say is checked like the file.
func TestCommandLineAddresses(t *testing.T) {
	text := []byte("server: { listen: \":8080\" }\n")
	for _, c := range []struct{ listen, admin, fault string }{
		{"127.0.0.1:0", "127.0.0.1:0", ""},
		{"", "0.0.0.0:9090", "needs admin.token"},
		{"127.0.0.1:9090", "", "same address"},
		{"8080", "", "needs host:port"},
	} {
		file, faults := configfile.Load("f", text, configfile.Options{Listen: c.listen, Admin: c.admin})
		switch {
		case c.fault != "" && !strings.Contains(faults.Error(), c.fault):
			t.Errorf("%q, %q: %v", c.listen, c.admin, faults)
		case c.fault == "" && (len(faults) > 0 || file.Server.Listen != c.listen || file.Server.Admin != c.admin):
			t.Errorf("%q, %q: %v", c.listen, c.admin, faults)
		}
	}
}

func TestTooLargeAFile(t *testing.T) {
	_, faults := configfile.Load("f", []byte(strings.Repeat("# \n", 2<<20)), configfile.Options{})
	if len(faults) != 1 || !strings.Contains(faults.Error(), "larger than 4MiB") {
		t.Error(faults)
	}
}

// FuzzLoad wants no panic, a fault with a place or a file that can be shown,
// and never the canary.
func FuzzLoad(f *testing.F) {
	seeds, _ := filepath.Glob("testdata/*.yaml")
	for _, seed := range append(seeds, "../configs/ottogate.yaml") {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), canary) {
			return // what the input itself holds proves nothing
		}
		file, faults := configfile.Load("f", data, testOptions(true))
		if (file == nil) != (len(faults) > 0) {
			t.Fatal("neither a file nor faults, or both")
		}
		for _, fault := range faults {
			if fault.Line < 1 || fault.Column < 1 || fault.Message == "" {
				t.Fatalf("a fault without a place: %+v", fault)
			}
		}
		if strings.Contains(faults.Error(), canary) {
			t.Fatal("a fault shows the secret")
		}
		if file != nil {
			showsNothing(t, file)
		}
	})
}

func showsNothing(t *testing.T, file *configfile.File) {
	t.Helper()
	asJSON, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(asJSON)+string(asYAML), canary) {
		t.Fatal("the view shows the secret")
	}
}
