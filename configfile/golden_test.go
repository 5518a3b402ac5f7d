package configfile_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ottogate/ottogate/configfile"
)

var update = flag.Bool("update", false, "write the golden files and the reference anew")

// canary is what the tests' environment keeps secret: it must not appear in
// any fault and not in any view of a file.
const canary = "s3cr3t"

func testOptions(dev bool) configfile.Options {
	environment := map[string]string{
		"NAMESPACE": "team-a", "PORT": "8080", "TIMEOUT": "3s", "DRIVER": "redis", "TRUE": "true",
		"HOST": canary + ".internal", "PASSWORD": canary,
		"REDIS_PASSWORD": canary, "KAFKA_PASSWORD": canary, "ORDERS_APOLLO_SECRET": canary, "APOLLO_TOKEN": canary,
	}
	files := map[string]string{"/run/secrets/admin": canary + "\n", "/huge": strings.Repeat("x", 1<<20)}
	options := configfile.Options{
		LookupEnv: func(name string) (string, bool) { value, ok := environment[name]; return value, ok },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("no such file")
		},
	}
	if dev {
		options.Dev = map[string]string{"kafka": "127.0.0.1:9092", "apollo": "127.0.0.1:8090", "echo": "127.0.0.1:8091"}
	}
	return options
}

// TestGolden holds every testdata/*.yaml against its .golden: the faults, or
// the effective file as it shows itself.
func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(inputs) == 0 {
		t.Fatal("no inputs", err)
	}
	for _, input := range inputs {
		name := filepath.Base(input)
		t.Run(name, func(t *testing.T) {
			got := loaded(t, input, testOptions(strings.HasPrefix(name, "dev")))
			if strings.Contains(got, canary) {
				t.Errorf("shows a secret:\n%s", got)
			}
			compare(t, strings.TrimSuffix(input, ".yaml")+".golden", got)
		})
	}
}

func loaded(t *testing.T, path string, options configfile.Options) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, faults := configfile.Load(filepath.Base(path), data, options)
	if len(faults) > 0 {
		if file != nil {
			t.Error("a file with faults was returned")
		}
		return faults.Error() + "\n"
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update ./configfile writes it", err)
	}
	if string(want) != got {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
	}
}
