package local

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openAt(tb testing.TB, path string) *DB {
	tb.Helper()
	db, err := Open(tb.Context(), Config{Path: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

func openNew(tb testing.TB) *DB {
	tb.Helper()
	return openAt(tb, filepath.Join(tb.TempDir(), "local.db"))
}

func wantCode(t *testing.T, err error, code problem.Code) {
	t.Helper()
	if problem.CodeOf(err) != code {
		t.Fatalf("error is %v, want code %q", err, code)
	}
}

func TestOpenMakesPrivateFolderAndFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "er")
	openAt(t, filepath.Join(folder, "local.db"))
	for path, want := range map[string]os.FileMode{folder: 0o700, filepath.Join(folder, "local.db"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
}

func TestOpenTwiceFailsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "local.db")
	openAt(t, path)
	begin := time.Now()
	_, err := Open(t.Context(), Config{Path: path}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("second open: %v", err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Fatalf("second open took %v", took)
	}
}

func TestOpenRefusesAnotherFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "local.db")
	db := openAt(t, path)
	_, err := commit(t.Context(), db, 0, func(tx *bolt.Tx) (struct{}, error) {
		return struct{}{}, bucket(tx, metaBucket).Put([]byte(formatKey), []byte("99"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: path}, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("a file of format 99 was opened")
	}
}

func TestOpenRefusesAFileThatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "local.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: path}, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("it was opened")
	}
}

func TestOpenWithoutPath(t *testing.T) {
	if _, err := Open(t.Context(), Config{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("it was opened")
	}
}

func TestProbeTellsOpenFromClosed(t *testing.T) {
	db := openNew(t)
	if err := db.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	wantCode(t, db.Probe(t.Context()), problem.Unavailable)
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	db := openNew(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("second close: %v", err)
	}
	_, err := db.State().Get(t.Context(), "key", backends.ReadOptions{})
	wantCode(t, err, problem.Unavailable)
	_, err = db.State().Put(t.Context(), "key", backends.Value{}, backends.WriteOptions{})
	wantCode(t, err, problem.Unavailable)
}
