package main

import (
	"context"
	_ "embed" // the configuration
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/ottogate/ottogate/devstack"
	"github.com/ottogate/ottogate/gateway"
)

//go:embed dev.yaml
var devConfig []byte

// dev starts the stand-ins and then a normal gateway that points at them. It
// writes nothing outside its data folder.
func dev(args []string, stdout, stderr io.Writer) int {
	set := flags("dev", stderr)
	listen := set.String("listen", "", "address of the public listener (default 127.0.0.1:8080)")
	admin := set.String("admin", "", "address of the admin listener (default 127.0.0.1:9090)")
	data := set.String("data", ".ottogate", "folder that keeps the data; empty is a temporary one")
	path := set.String("config", "", "configuration to run in place of the built-in one")
	if code, done := parse(set, args, stderr); done {
		return code
	}
	if *path == "" && !onLoopback(*listen) {
		fmt.Fprintf(stderr, "ottogate: %s is not a loopback address: the development mode lets everybody do everything; use --config with rules of your own, or serve\n", *listen)
		return exitUsage
	}
	tuneMemory()
	ctx, stop := untilSignal(stderr)
	defer stop()
	stack, err := startStack(ctx, *data)
	if err != nil {
		fmt.Fprintln(stderr, "ottogate:", err)
		return exitFailed
	}
	code := runDev(ctx, stack, *path, *listen, *admin, stdout, stderr)
	if err := stack.stop(); err != nil {
		fmt.Fprintln(stderr, "ottogate:", err)
		return exitFailed
	}
	return code
}

// onLoopback says whether only this machine can reach an address; an empty one
// is the default.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return address == "" || (err == nil && (host == "localhost" || (ip != nil && ip.IsLoopback())))
}

func runDev(ctx context.Context, stack *stack, path, listen, admin string, stdout, stderr io.Writer) int {
	name, text := "dev.yaml", devConfig
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			fmt.Fprintln(stderr, "ottogate:", err)
			return exitUsage
		}
		name = path
	}
	file, code := parseFile(name, text, listen, admin, stack.names(), stderr)
	if file == nil {
		return code
	}
	return runGateway(ctx, file, stdout, stderr, func(g *gateway.Gateway) { sayHello(stdout, "http://"+g.Addr()) })
}

// sayHello prints five lines that work.
func sayHello(stdout io.Writer, url string) {
	fmt.Fprintf(stdout, `
Ottogate is ready. Try, in another terminal:

  curl -X PUT  %[1]s/v1/state/main/greeting -d '"hello"'
  curl         %[1]s/v1/state/main/greeting
  curl         %[1]s/v1/publish/events/orders.created -d '{"order":1}'
  curl         %[1]s/v1/config/apollo/application/greeting
  curl         %[1]s/v1/invoke/echo/hello?who=you

All routes: %[1]s/docs/

`, url)
}

// stack is the stand-ins of one development run.
type stack struct {
	data    string
	discard bool // the data folder is a temporary one
	lock    *os.File
	kafka   *devstack.Kafka
	apollo  *devstack.Apollo
	echo    *devstack.Echo
}

// startStack starts all stand-ins; data may be empty for a temporary folder.
func startStack(ctx context.Context, data string) (*stack, error) {
	s := &stack{data: data}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *stack) start(ctx context.Context) (err error) {
	if s.data == "" {
		if s.data, err = os.MkdirTemp("", "ottogate-dev-"); err != nil {
			return err
		}
		s.discard = true
	}
	if s.data, err = filepath.Abs(s.data); err != nil {
		return err
	}
	if err = os.MkdirAll(s.data, 0o700); err != nil {
		return err
	}
	if s.lock, err = lockFolder(s.data); err != nil {
		return err
	}
	// The stand-ins must outlive the drain, which begins when ctx ends.
	ctx = context.WithoutCancel(ctx)
	if s.kafka, err = devstack.StartKafka(ctx, devstack.KafkaConfig{DataDir: filepath.Join(s.data, "kafka")}); err != nil {
		return err
	}
	s.apollo, err = devstack.StartApollo(ctx, devstack.ApolloConfig{
		DataFile: filepath.Join(s.data, "apollo.json"), Seed: devstack.ApolloDemo(),
	})
	if err != nil {
		return err
	}
	s.echo, err = devstack.StartEcho(ctx, "127.0.0.1:0")
	return err
}

// names are the ${dev:…} values of a configuration.
func (s *stack) names() map[string]string {
	return map[string]string{"data": s.data, "kafka": s.kafka.Addr(), "apollo": s.apollo.URL(), "echo": s.echo.URL()}
}

// stop stops what was started and removes a temporary folder.
func (s *stack) stop() error {
	var failures []error
	if s.echo != nil {
		s.echo.Stop()
	}
	if s.apollo != nil {
		failures = append(failures, s.apollo.Stop())
	}
	if s.kafka != nil {
		s.kafka.Stop()
	}
	if s.lock != nil {
		failures = append(failures, s.lock.Close())
	}
	if s.discard {
		failures = append(failures, os.RemoveAll(s.data))
	}
	return errors.Join(failures...)
}
