package configfile_test

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/ottogate/ottogate/configfile"
)

// TestSecretNeverShows tries every way that Go code writes a value.
func TestSecretNeverShows(t *testing.T) {
	secret := configfile.Secret(canary)
	holder := struct{ Password configfile.Secret }{secret}
	var written strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%T"} {
		fmt.Fprintf(&written, verb+verb+verb, secret, holder, &holder)
	}
	slog.New(slog.NewTextHandler(&written, nil)).Info("text", "secret", secret, "holder", holder)
	slog.New(slog.NewJSONHandler(&written, nil)).Info("json", "secret", secret, "holder", holder)
	asJSON, _ := json.Marshal(map[string]any{"a": secret, "b": holder})
	asYAML, _ := yaml.Marshal(holder)
	written.Write(asJSON)
	written.Write(asYAML)
	if text := written.String(); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
		t.Errorf("shown: %s", text)
	}
	if secret.Reveal() != canary || configfile.Secret("").String() != "" {
		t.Error("Reveal or the empty secret is wrong")
	}
}

// TestFileNeverShowsSecrets does the same with a whole file.
func TestFileNeverShowsSecrets(t *testing.T) {
	text := `{connections: {r: {driver: redis, addresses: ["${env:HOST}:1"], username: "${env:PASSWORD}", password: ` + canary + `}}}`
	file, faults := configfile.Load("f", []byte(text), testOptions(false))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if got := file.Connections["r"].Redis; got.Username != canary || got.Password.Reveal() != canary || got.Addresses[0] != canary+".internal:1" {
		t.Errorf("the settings themselves are not whole: %q", got.Username)
	}
	var written strings.Builder
	fmt.Fprintf(&written, "%v %+v %#v %s %v", file, file, file, *file, []configfile.File{*file})
	slog.New(slog.NewJSONHandler(&written, nil)).Info("file", "file", file, "copy", *file)
	asJSON, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(*file)
	if err != nil {
		t.Fatal(err)
	}
	written.Write(asJSON)
	written.Write(asYAML)
	if strings.Contains(written.String(), canary) {
		t.Errorf("shown: %s", written.String())
	}
	if !strings.Contains(string(asJSON), `"addresses":["***"]`) {
		t.Errorf("JSON: %s", asJSON)
	}
}

// TestScalarsReadWhatTheyWrite draws values, writes and reads them.
func TestScalarsReadWhatTheyWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := configfile.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "duration"))
		roundTrip(t, duration, new(configfile.Duration))
		size := configfile.ByteSize(rapid.Int64Range(0, 1<<61).Draw(t, "size"))
		roundTrip(t, size, new(configfile.ByteSize))
	})
}

type readable interface {
	encoding.TextUnmarshaler
	fmt.Stringer
}

func roundTrip(t *rapid.T, value fmt.Stringer, into readable) {
	t.Helper()
	if err := into.UnmarshalText([]byte(value.String())); err != nil || into.String() != value.String() {
		t.Fatalf("%v is read %v: %v", value, into, err)
	}
}

func TestShortForms(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"1h": configfile.Duration(time.Hour), "1m30s": configfile.Duration(90 * time.Second), "0s": configfile.Duration(0),
		"10m": configfile.Duration(10 * time.Minute), "1h10m": configfile.Duration(70 * time.Minute), "1h0m5s": configfile.Duration(time.Hour + 5*time.Second),
		"1023B": configfile.ByteSize(1023), "4MiB": configfile.ByteSize(4 << 20), "0B": configfile.ByteSize(0),
		"10%": configfile.Percent(0.1), "0.5%": configfile.Percent(0.005), "100%": configfile.Percent(1), "29%": configfile.Percent(0.29),
		"literal:a:b": configfile.Keys{Scope: configfile.ScopeLiteral, Prefix: "a:b"},
	} {
		if got.String() != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}
