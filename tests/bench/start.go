package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ottogate/ottogate/tests/servers"
)

// buildOthers builds the two servers that the gateway is compared with, with
// the flags that it is built with itself.
func (b *bed) buildOthers(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-tags", "nomsgpack", "-trimpath", "-ldflags", "-s -w",
		"-o", b.folder("bin")+"/", "./tests/bench/bare", "./tests/bench/naive")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", build.Args, err, output)
	}
	return nil
}

func (b *bed) startUpstream(ctx context.Context) (err error) {
	if b.upstream, err = b.startBare(ctx, "upstream"); err == nil {
		b.toClose = append(b.toClose, b.upstream.Kill)
	}
	return err
}

// startSubjects starts what is compared, the yardstick first.
func (b *bed) startSubjects(ctx context.Context) ([]*subject, error) {
	bare, err := b.startBare(ctx, "bare")
	if err != nil {
		return nil, err
	}
	b.toClose = append(b.toClose, bare.Kill)
	naive, err := b.startNaive(ctx)
	if err != nil {
		return nil, err
	}
	b.toClose = append(b.toClose, naive.Kill)
	gateway, _, err := b.startGateway(ctx)
	if err != nil {
		return nil, err
	}
	b.toClose = append(b.toClose, gateway.Kill)
	return []*subject{bare, naive, gateway}, nil
}

func (b *bed) startBare(ctx context.Context, name string) (*subject, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s, _, err := launch(ctx, name, address, "/readyz", servers.Command{
		Path: filepath.Join(b.dir, "bin", "bare"), Args: []string{"-listen", address}, Dir: b.dir, Log: b.log(name),
	})
	return s, err
}

// startNaive runs in a folder of its own, because agollo writes backups into
// the working directory. Its request log goes nowhere, like the gateway's.
func (b *bed) startNaive(ctx context.Context) (*subject, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s, _, err := launch(ctx, "naive", address, "/readyz", servers.Command{
		Path: filepath.Join(b.dir, "bin", "naive"), Dir: b.folder("naive"), Log: os.DevNull,
		Args: []string{
			"-listen", address, "-redis", b.redis.Addr, "-kafka", b.kafka.Addr,
			"-apollo", b.apollo.URL(), "-upstream", b.upstream.url,
		},
	})
	return s, err
}

// startGateway runs `serve` with everything on that a production gateway has
// on: an API key, rules, a limit, metrics and the access log.
func (b *bed) startGateway(ctx context.Context) (*subject, time.Duration, error) {
	addresses, err := freeAddresses(2)
	if err != nil {
		return nil, 0, err
	}
	return b.serve(ctx, addresses)
}

// startSoaked is startGateway that also tells the admin listener's address.
func (b *bed) startSoaked(ctx context.Context) (s *subject, admin string, err error) {
	addresses, err := freeAddresses(2)
	if err != nil {
		return nil, "", err
	}
	s, _, err = b.serve(ctx, addresses)
	return s, addresses[1], err
}

// serve listens at the first address, and for administration at the second.
func (b *bed) serve(ctx context.Context, addresses []string) (*subject, time.Duration, error) {
	config := filepath.Join(b.dir, "gateway.yaml")
	if err := os.WriteFile(config, []byte(b.config()), 0o600); err != nil {
		return nil, 0, err
	}
	return launch(ctx, "ottogate", addresses[0], "/readyz", servers.Command{
		Path: b.gateway, Dir: b.dir, Log: os.DevNull,
		Args: []string{"serve", "--config", config, "--listen", addresses[0], "--admin", addresses[1]},
	})
}

// startDev runs `dev` on a fresh data folder.
func (b *bed) startDev(ctx context.Context) (*subject, time.Duration, error) {
	addresses, err := freeAddresses(2)
	if err != nil {
		return nil, 0, err
	}
	data, err := os.MkdirTemp(b.dir, "dev-")
	if err != nil {
		return nil, 0, err
	}
	return launch(ctx, "dev", addresses[0], "/readyz", servers.Command{
		Path: b.gateway, Dir: b.dir, Log: b.log("dev"),
		Args: []string{"dev", "--data", data, "--listen", addresses[0], "--admin", addresses[1]},
	})
}

func (b *bed) config() string {
	return fmt.Sprintf(`
namespace: bench
server: { drain: { delay: 0s, timeout: 1s } }
apps:
  demo:
    keys: ["sha256:%x"]
    allow: ["state.* main/**", "lock main/**", "sequence main/**", "publish events/*", "config.read apollo/**", "invoke echo/**"]
    limits: { requests: 10000000/s, concurrency: 100000 }
connections:
  redis:  { driver: redis, addresses: [%q] }
  kafka:  { driver: kafka, brokers: [%q] }
  apollo: { driver: apollo, configService: %q }
state:    { main: { connection: redis } }
lock:     { main: { connection: redis } }
sequence: { main: { connection: redis } }
pubsub:   { events: { connection: kafka } }
config:   { apollo: { connection: apollo } }
invoke:   { services: { echo: { endpoints: [%q] } } }
`, sha256.Sum256([]byte(apiKey)), b.redis.Addr, b.kafka.Addr, b.apollo.URL(), b.upstream.url)
}

func (b *bed) log(name string) string { return filepath.Join(b.dir, name+".log") }

func freeAddress() (string, error) {
	addresses, err := freeAddresses(1)
	if err != nil {
		return "", err
	}
	return addresses[0], nil
}

func freeAddresses(count int) ([]string, error) {
	ports, err := servers.FreePorts(count)
	addresses := make([]string, len(ports))
	for i, port := range ports {
		addresses[i] = "127.0.0.1:" + strconv.Itoa(port)
	}
	return addresses, err
}
