package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// The ports that servers get lie below the range from which systems take the
// ports of outgoing connections, so that a stopped server's port is still
// free when it comes back.
const firstPort, lastPort = 20000, 32000

// FreePorts picks count different loopback ports on which nobody listens. The
// choice is random, so that test binaries that run side by side do not meet.
func FreePorts(count int) ([]int, error) {
	var ports []int
	taken := map[int]bool{}
	for range 100 * count {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if taken[port] || !free(port) {
			continue
		}
		taken[port] = true
		if ports = append(ports, port); len(ports) == count {
			return ports, nil
		}
	}
	return nil, errors.New("no free ports")
}

func free(port int) bool {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// onFreePorts starts a server on count free ports. Somebody may take one of
// them before the server does; then it is started once more, on others.
func onFreePorts[S any](count int, start func(ports []int) (S, error)) (S, error) {
	for again := false; ; again = true {
		ports, err := FreePorts(count)
		if err != nil {
			return *new(S), err
		}
		server, err := start(ports)
		if err == nil || again || !errors.Is(err, errPortTaken) {
			return server, err
		}
	}
}

var errPortTaken = errors.New("somebody else took its port")

// saysPortTaken looks for the words of the system in a log; Redis and Java
// pass them on.
func saysPortTaken(log []byte) bool {
	return bytes.Contains(bytes.ToLower(log), []byte("address already in use"))
}

// loopback is the address of a port on 127.0.0.1.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Accepts tells whether somebody accepts TCP connections at address; it is a
// Ready for servers that have no better one.
func Accepts(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		dialer := net.Dialer{Timeout: time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("dial: %w", err)
		}
		return conn.Close()
	}
}
