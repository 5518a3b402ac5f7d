// Package conformance says in tests what a building block promises, whichever
// driver stands behind it. A suite is a list of short named checks; every
// check runs on every driver, the embedded ones and the real servers alike, so
// a promise that only one of them keeps is a failing test.
package conformance

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ottogate/ottogate/backends/local"
	"github.com/ottogate/ottogate/backends/redis"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

// driver is one column of the matrix: a way to get a subject D, which is one
// interface of package backends or several of them together.
type driver[D any] struct {
	name string
	// open gives a ready subject, which t.Cleanup closes, and the version of
	// what stands behind it. What cannot be opened fails t: a missing server
	// is never a reason to skip.
	open func(t *testing.T) (subject D, version string)
}

// check is one promise. Checks of a suite run in parallel on one subject, so
// each keeps to names of its own.
type check[D any] struct {
	name string
	run  func(t *testing.T, subject D)
}

// conform runs every check on every driver. Under breakEnv the subject is
// replaced by a mutant, and the suite has to fail.
func conform[D any](t *testing.T, drivers []driver[D], checks []check[D], mutants []mutant[D]) {
	for _, d := range drivers {
		t.Run(d.name, func(t *testing.T) {
			subject, version := d.open(t)
			fmt.Fprintf(os.Stdout, "conformance: %s on %s %s\n", t.Name(), d.name, version)
			subject = sabotage(subject, mutants)
			for _, c := range checks {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, subject)
				})
			}
		})
	}
}

// openLocal opens a new database file of the embedded driver.
func openLocal(t *testing.T) (db *local.DB, version string) {
	t.Helper()
	return openLocalAt(t, filepath.Join(t.TempDir(), "local.db")), "bbolt " + required(t, "go.etcd.io/bbolt")
}

func openLocalAt(t *testing.T, path string) *local.DB {
	t.Helper()
	db, err := local.Open(context.Background(), local.Config{Path: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// openRedis starts a real Redis and connects to it.
func openRedis(t *testing.T) (conn *redis.Conn, version string) {
	t.Helper()
	server := servers.NewRedis(t)
	return connectRedis(t, server.Addr), server.Version
}

func connectRedis(t *testing.T, address string) *redis.Conn {
	t.Helper()
	conn, err := redis.Open(context.Background(), redis.Config{Addresses: []string{address}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// required is the version of a library that go.mod asks for; test binaries do
// not carry it.
func required(t *testing.T, module string) string {
	t.Helper()
	text := must(os.ReadFile(filepath.Join("..", "..", "go.mod")))(t)
	_, rest, _ := strings.Cut(string(text), module+" ")
	version, _, _ := strings.Cut(rest, "\n")
	return version
}

// named is a key or resource of the running check alone.
func named(t *testing.T, name string) string {
	t.Helper()
	return t.Name() + "/" + name
}

// must takes a result that has to be there.
func must[V any](value V, err error) func(t *testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// wantCode fails unless err is a problem of the given code.
func wantCode(t *testing.T, err error, code problem.Code) {
	t.Helper()
	if problem.CodeOf(err) != code {
		t.Fatalf("error is %v, want code %q", err, code)
	}
}
