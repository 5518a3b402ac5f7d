package local

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
)

// crashEnv makes a child process of this test the writer that gets killed.
const crashEnv = "LOCAL_CRASH_FILE"

// Nine writers in a child process say what was acknowledged; the child is killed
// in the middle of its groups. All that was said must be there, and transactions
// wholly or not at all.
func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	if path := os.Getenv(crashEnv); path != "" {
		writeUntilKilled(path)
		return
	}
	path := t.TempDir() + "/local.db"
	for round := range 5 {
		said := killWriter(t, path, 400*(round+1))
		db := openAt(t, path)
		for _, what := range said {
			wantKept(t, db, what)
		}
		wantPairs(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d acknowledged writes survived", round, len(said))
	}
}

// wantKept takes what the child said: "key k", or "count n" of the counter.
func wantKept(t *testing.T, db *DB, said string) {
	t.Helper()
	kind, what, _ := strings.Cut(said, " ")
	if kind == "count" {
		kind, what = "count", "counter"
	}
	item, err := db.State().Get(t.Context(), what, backends.ReadOptions{})
	if err != nil {
		t.Fatalf("%q was acknowledged and is lost: %v", said, err)
	}
	if kind == "key" && string(item.Data) != what {
		t.Fatalf("%q holds %q", what, item.Data)
	}
	if n, _ := strconv.Atoi(strings.TrimPrefix(said, "count ")); kind == "count" {
		if held, err := strconv.Atoi(string(item.Data)); err != nil || held < n {
			t.Fatalf("the counter was said to be %d and is %q", n, item.Data)
		}
	}
}

// wantPairs: both keys of a transaction hold the same.
func wantPairs(t *testing.T, db *DB) {
	t.Helper()
	left, right := pairs(t, db, "left/"), pairs(t, db, "right/")
	if len(left) == 0 || !maps.Equal(left, right) {
		t.Fatalf("%d and %d halves of transactions, or they differ", len(left), len(right))
	}
}

func pairs(t *testing.T, db *DB, prefix string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for cursor, more := "", true; more; more = cursor != "" {
		page, err := db.State().List(t.Context(), prefix, backends.ListOptions{Limit: 1000, Cursor: cursor, Values: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			found[strings.TrimPrefix(item.Key, prefix)] = string(item.Data)
		}
		cursor = page.Cursor
	}
	return found
}

func writeUntilKilled(path string) {
	db, err := Open(context.Background(), Config{Path: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Fprintln(os.Stdout, "failed", err)
		return
	}
	var writers sync.WaitGroup
	for w := range 9 {
		writers.Go(func() {
			for i := 0; ; i++ {
				said, err := writeOnce(db.State(), w, i)
				if err != nil {
					fmt.Fprintln(os.Stdout, "failed", err)
					return
				}
				fmt.Fprintln(os.Stdout, said)
			}
		})
	}
	writers.Wait()
}

func writeOnce(store *State, writer, i int) (said string, err error) {
	ctx, name := context.Background(), fmt.Sprintf("%d-%d-%d", os.Getpid(), writer, i)
	switch writer % 3 {
	case 0:
		_, err = store.Transact(ctx, []backends.Operation{
			putting("left/"+name, name, backends.WriteOptions{}), putting("right/"+name, name, backends.WriteOptions{}),
			putting("right/same", name, backends.WriteOptions{}), putting("left/same", name, backends.WriteOptions{}),
		})
		return "transaction left/" + name, err
	case 1:
		value, _, err := store.Increment(ctx, "counter", backends.Increment{By: 1}, backends.WriteOptions{})
		return fmt.Sprint("count ", value), err
	default:
		_, err = store.Put(ctx, "key-"+name, backends.Value{Data: []byte("key-" + name)}, backends.WriteOptions{})
		return "key key-" + name, err
	}
}

// killWriter starts the child, kills it after it said enough keys, and gives
// all that it said.
func killWriter(t *testing.T, path string, enough int) (said []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAcknowledgedWritesSurviveKill$")
	child.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // the rest of a torn line was not said
			break
		}
		if said = append(said, strings.TrimSpace(line)); len(said) == enough {
			_ = child.Process.Kill()
		}
	}
	_ = child.Wait()
	if len(said) < enough {
		t.Fatalf("the writer said only %q", said)
	}
	return said
}
