package redis

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

// shared is the server of all tests that do not hurt it.
var shared *servers.Redis

// lastKey numbers the keys, so that tests on the shared server do not meet.
var lastKey atomic.Int64

func TestMain(m *testing.M) { goleak.VerifyTestMain(withServer{m}) }

// withServer runs the tests while the shared server is up.
type withServer struct{ *testing.M }

func (w withServer) Run() int {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	dir, err := os.MkdirTemp("", "redis")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		shared, err = servers.StartRedis(ctx, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "these tests need a real redis-server:", err)
		return 1
	}
	defer shared.Kill()
	fmt.Fprintln(os.Stdout, "real Redis", shared.Version)
	return w.M.Run()
}

// open makes a Conn to addr that ends with the test.
func open(tb testing.TB, addr string) *Conn {
	tb.Helper()
	return openWith(tb, Config{Addresses: []string{addr}})
}

func openWith(tb testing.TB, config Config) *Conn {
	tb.Helper()
	conn, err := Open(tb.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

// fresh is a key that no other test uses.
func fresh(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("%s/%d", tb.Name(), lastKey.Add(1))
}

// wantCode fails the test unless err has the code.
func wantCode(tb testing.TB, err error, code problem.Code) *problem.Error {
	tb.Helper()
	if got := problem.CodeOf(err); got != code {
		tb.Fatalf("got code %q (%v), want %q", got, err, code)
	}
	return problem.From(err)
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return value
	}
}

// fan runs so many goroutines and waits for them.
func fan(count int, work func(i int)) {
	var group sync.WaitGroup
	for i := range count {
		group.Go(func() { work(i) })
	}
	group.Wait()
}

func itoa(n int) string { return strconv.Itoa(n) }
