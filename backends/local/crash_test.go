package local

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
)

// crashEnv makes a child process of this test the writer that gets killed.
const crashEnv = "LOCAL_CRASH_FILE"

// Eight writers in a child process say each key after it was acknowledged; the
// child is killed in the middle. Every key that was said must be there.
func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	if path := os.Getenv(crashEnv); path != "" {
		writeUntilKilled(path)
		return
	}
	path := t.TempDir() + "/local.db"
	for round := range 3 {
		said := killWriter(t, path, 200)
		db := openAt(t, path)
		for _, key := range said {
			item, err := db.State().Get(t.Context(), key, backends.ReadOptions{})
			if err != nil || string(item.Data) != key {
				t.Fatalf("round %d: %q was acknowledged and is lost: %v", round, key, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d acknowledged keys survived", round, len(said))
	}
}

func writeUntilKilled(path string) {
	db, err := Open(context.Background(), Config{Path: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Fprintln(os.Stdout, "failed", err)
		return
	}
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("key-%d-%d-%d", os.Getpid(), w, i)
				if _, err := db.State().Put(context.Background(), key, backends.Value{Data: []byte(key)}, backends.WriteOptions{}); err != nil {
					fmt.Fprintln(os.Stdout, "failed", err)
					return
				}
				fmt.Fprintln(os.Stdout, key)
			}
		})
	}
	writers.Wait()
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
