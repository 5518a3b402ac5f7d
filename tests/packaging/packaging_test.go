// Package packaging checks, without a container engine, that the Dockerfile,
// the compose file and the configuration that goes with it fit together.
package packaging

import (
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/ottogate/ottogate/configfile"
)

const root = "../../"

func composeProject(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{root + "docker-compose.yml"})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func composeConfig(t *testing.T) *configfile.File {
	t.Helper()
	file, faults := configfile.Load("configs/compose.yaml", read(t, "configs/compose.yaml"), configfile.Options{})
	for _, fault := range faults {
		t.Error(fault)
	}
	if file == nil {
		t.FailNow()
	}
	return file
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(root + path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestComposeFileHasEveryService(t *testing.T) {
	names := composeProject(t).ServiceNames()
	slices.Sort(names)
	if want := []string{"apollo", "echo", "gateway", "kafka", "redis"}; !slices.Equal(names, want) {
		t.Errorf("services %v, want %v", names, want)
	}
}

func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	for name, service := range composeProject(t).Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q", name, port.Published, port.HostIP)
			}
		}
	}
}

func TestComposeGatewayHasNoPrivileges(t *testing.T) {
	gateway := composeProject(t).Services["gateway"]
	if !gateway.ReadOnly || !slices.Contains(gateway.CapDrop, "ALL") || !slices.Contains(gateway.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("read-only %v, dropped %v, options %v", gateway.ReadOnly, gateway.CapDrop, gateway.SecurityOpt)
	}
}

func TestComposeGatewayReadsTheCheckedConfiguration(t *testing.T) {
	gateway := composeProject(t).Services["gateway"]
	command := strings.Join(gateway.Command, " ")
	mounted := slices.ContainsFunc(gateway.Volumes, func(volume types.ServiceVolumeConfig) bool {
		return strings.HasSuffix(volume.Source, "/configs/compose.yaml") && strings.HasSuffix(command, " "+volume.Target)
	})
	if !mounted {
		t.Errorf("command %q does not read configs/compose.yaml from %v", command, gateway.Volumes)
	}
}

func TestConfigurationNamesServicesOfTheComposeFile(t *testing.T) {
	project, config := composeProject(t), composeConfig(t)
	var addresses []string
	for _, connection := range config.Connections {
		switch {
		case connection.Redis != nil:
			addresses = append(addresses, connection.Redis.Addresses...)
		case connection.Kafka != nil:
			addresses = append(addresses, connection.Kafka.Brokers...)
		case connection.Apollo != nil:
			addresses = append(addresses, hostPort(t, connection.Apollo.ConfigService))
		}
	}
	for _, service := range config.Invoke.Services {
		for _, endpoint := range service.Endpoints {
			addresses = append(addresses, hostPort(t, endpoint))
		}
	}
	if len(addresses) != 4 {
		t.Errorf("%d addresses: %v", len(addresses), addresses)
	}
	for _, address := range addresses {
		host, _, err := net.SplitHostPort(address)
		if _, known := project.Services[host]; !known || err != nil {
			t.Errorf("%s is no service of docker-compose.yml (%v)", address, err)
		}
	}
}

func hostPort(t *testing.T, text string) string {
	t.Helper()
	parsed, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Host
}

func TestGatewayPortIsThePublishedOne(t *testing.T) {
	_, listen, err := net.SplitHostPort(composeConfig(t).Server.Listen)
	if err != nil {
		t.Fatal(err)
	}
	ports := composeProject(t).Services["gateway"].Ports
	if len(ports) != 1 || listen != "8080" || ports[0].Target != 8080 {
		t.Errorf("listens on %s, published: %v", listen, ports)
	}
}

func TestImageIsMinimalAndNotRoot(t *testing.T) {
	text := string(read(t, "Dockerfile"))
	last := text[strings.LastIndex(text, "\nFROM "):]
	for _, want := range []string{"FROM scratch\n", "\nUSER 65532:65532\n", "ca-certificates.crt", "ENTRYPOINT [\"/ottogate\"]"} {
		if !strings.Contains(last, want) {
			t.Errorf("the last stage lacks %q", want)
		}
	}
}

func TestImageIsBuiltLikeTheBinary(t *testing.T) {
	dockerfile, makefile := string(read(t, "Dockerfile")), string(read(t, "Makefile"))
	for _, flag := range []string{"CGO_ENABLED=0", "nomsgpack", "-trimpath", "-s -w -X main.version=", "./cmd/ottogate"} {
		if !strings.Contains(dockerfile, flag) || !strings.Contains(makefile, flag) {
			t.Errorf("%q is not in both Dockerfile and Makefile", flag)
		}
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(read(t, "go.mod"))
	if version == nil || !strings.Contains(dockerfile, "golang:"+string(version[1])+"-") {
		t.Errorf("the image's Go is not that of go.mod, %s", version)
	}
}
