package servers

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startPatience bounds a start in helpers that have no context of their own.
const startPatience = 20 * time.Second

// Redis is one running redis-server. Data live in its folder only when args
// ask for it (--appendonly yes); by default nothing survives a Restart.
type Redis struct {
	*Process
	Addr    string // host:port on loopback, the same over restarts
	Version string // as the server itself tells it, e.g. 7.0.15

	command Command
}

// StartRedis starts redis-server on a free loopback port with its files in
// dir. args are further options in redis-server's own words, for example
// "--requirepass", "secret".
func StartRedis(ctx context.Context, dir string, args ...string) (*Redis, error) {
	return onFreePorts(1, func(ports []int) (*Redis, error) {
		return startRedisOn(ctx, dir, ports[0], args...)
	})
}

func startRedisOn(ctx context.Context, dir string, port int, args ...string) (*Redis, error) {
	version, err := redisVersion(ctx)
	if err != nil {
		return nil, err
	}
	r := &Redis{Addr: loopback(port), Version: version}
	r.command = Command{
		Path: "redis-server", Dir: dir, Log: filepath.Join(dir, fmt.Sprintf("redis-%d.log", port)),
		Args:  append(redisDefaults(dir, port), args...),
		Ready: func(ctx context.Context) error { return redisAnswers(ctx, r.Addr) },
	}
	if err := r.Restart(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

func redisDefaults(dir string, port int) []string {
	return []string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction",
	}
}

// Restart starts the server again on the same port, after ending it if it
// still runs.
func (r *Redis) Restart(ctx context.Context) error {
	if r.Process != nil {
		r.Stop()
	}
	process, err := Start(ctx, r.command)
	if err != nil {
		return err
	}
	r.Process = process
	return nil
}

// NewRedis starts a redis-server that ends with the test. It fails the test
// when the server cannot be started, a missing binary included.
func NewRedis(tb testing.TB, args ...string) *Redis {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	r, err := StartRedis(ctx, tb.TempDir(), args...)
	if err != nil {
		tb.Fatalf("real Redis: %v (install redis-server)", err)
	}
	tb.Cleanup(func() { r.Kill() }) // the process of then, not of now
	return r
}

// redisVersion asks the binary, so that it works where clients need a password.
func redisVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "redis-server", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("redis-server --version: %w", err)
	}
	for word := range strings.FieldsSeq(string(out)) {
		if version, ok := strings.CutPrefix(word, "v="); ok {
			return version, nil
		}
	}
	return "", fmt.Errorf("redis-server --version said %q", out)
}

// redisAnswers is nil once the server answers PING with anything but LOADING;
// a request for a password is an answer too.
func redisAnswers(ctx context.Context, addr string) error {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "+PONG") && !strings.HasPrefix(line, "-NOAUTH") {
		err = fmt.Errorf("redis answered %q", line)
	}
	return err
}

// subfolder makes a folder for one server of several.
func subfolder(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	return path, os.MkdirAll(path, 0o700)
}
