package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// threeGroups writes three groups by hand and gives where the last one begins.
func threeGroups(t *testing.T) (path string, l *layers, last int64) {
	t.Helper()
	path = newPath(t)
	l = openByHand(t, path)
	write(t, l, "a", "1", "b", "1")
	write(t, l, "a", "2")
	last = l.journal.end
	write(t, l, "a", "3", "c", strings.Repeat("a longer value ", 10))
	return path, l, last
}

// A crash may tear the last group anywhere: it is there wholly or not at all,
// and all before it is there.
func TestTornLastGroup(t *testing.T) {
	path, l, last := threeGroups(t)
	segment := segmentPath(path, l.journal.number)
	whole, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	tears := map[string]func(cut int64) []byte{
		"cut":     func(cut int64) []byte { return whole[:cut] },
		"zeros":   func(cut int64) []byte { return append(whole[:cut:cut], make([]byte, 300)...) },
		"garbage": func(cut int64) []byte { return append(whole[:cut:cut], noise(300)...) },
		"an older journal": func(cut int64) []byte {
			return append(whole[:cut:cut], frame(nil, l.journal.owner, l.journal.number-1, cut, &additions{})...)
		},
	}
	for name, tear := range tears {
		t.Run(name, func(t *testing.T) {
			for cut := last; cut < l.journal.end; cut += 7 {
				left := crash(t, path)
				if err := os.WriteFile(segmentPath(left, l.journal.number), tear(cut), 0o600); err != nil {
					t.Fatal(err)
				}
				again := openByHand(t, left)
				wantContent(t, again, "a", "2", "b", "1")
				write(t, again, "d", "1")
				wantContent(t, openByHand(t, crash(t, left)), "a", "2", "b", "1", "d", "1")
			}
		})
	}
}

func noise(n int) []byte {
	bytes := make([]byte, n)
	for i := range bytes {
		bytes[i] = byte(rand.Uint32())
	}
	return bytes
}

// A flipped bit in what was acknowledged and is not the last group is damage:
// the store does not start.
func TestDamagedJournalIsRefused(t *testing.T) {
	path, l, last := threeGroups(t)
	for place := range last {
		left := crash(t, path)
		flip(t, segmentPath(left, l.journal.number), place)
		if store, err := openStore(left, usualSizes()); err == nil {
			_ = errors.Join(store.journal.close(), store.file.Close())
			t.Fatalf("byte %d is damaged, and it was opened", place)
		}
	}
}

func flip(t *testing.T, path string, place int64) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[place] ^= 0x10
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// In a segment that is not the newest, the last group was complete too.
func TestDamagedOlderSegmentIsRefused(t *testing.T) {
	path, l, last := threeGroups(t)
	full := l.journal.number
	if err := l.rotate(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, openByHand(t, crash(t, path)), "a", "3", "b", "1", "c", strings.Repeat("a longer value ", 10))
	faults := map[string]func(path string) error{
		"flipped": func(path string) error { flip(t, segmentPath(path, full), last+20); return nil },
		"cut":     func(path string) error { return os.Truncate(segmentPath(path, full), last) },
		"missing": func(path string) error { return os.Remove(segmentPath(path, full)) },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			left := crash(t, path)
			if err := fault(left); err != nil {
				t.Fatal(err)
			}
			store, err := openStore(left, usualSizes())
			if err == nil {
				_ = errors.Join(store.journal.close(), store.file.Close())
			}
			if !errors.Is(err, errDamaged) {
				t.Fatalf("opened with %v", err)
			}
		})
	}
}

// A file that was put in the place of another does not take its journal.
func TestForeignJournalIsRefused(t *testing.T) {
	path, _, _ := threeGroups(t)
	other := newPath(t)
	openByHand(t, other)
	left := crash(t, path)
	file, err := os.ReadFile(other)
	if err == nil {
		err = os.WriteFile(left, file, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(left, usualSizes()); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Fatalf("opened with %v", err)
	}
}

// A value that looks like a frame is not taken for one, as it cannot know whose
// the journal is; nor does it keep the store from opening.
func TestValuesThatLookLikeFrames(t *testing.T) {
	path := newPath(t)
	l := openByHand(t, path)
	ghost := &additions{}
	ghost[metaBucket] = map[string]entry{"t/ghost": {value: []byte("boo")}}
	forged := bytes.Repeat(frame(nil, identity{}, l.journal.number, l.journal.end, ghost), 1000)
	write(t, l, "a", string(forged))
	write(t, l, "b", string(forged))
	left := crash(t, path)
	if err := os.Truncate(segmentPath(left, l.journal.number), l.journal.end-1); err != nil {
		t.Fatal(err)
	}
	wantContent(t, openByHand(t, left), "a", string(forged))
}

// FuzzReplay: whatever stands in a segment, it is read or refused.
func FuzzReplay(f *testing.F) {
	owner := identity{1}
	group := &additions{}
	group[stateBucket] = map[string]entry{"key": {value: []byte("value")}, "gone": {gone: true}}
	head := segmentHead{owner, 1, 0}.encode()
	f.Add(head)
	f.Add(frame(head, owner, 1, headSegment, group))
	f.Fuzz(func(t *testing.T, content []byte) {
		base := newPath(t)
		if err := os.WriteFile(segmentPath(base, 1), content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = replay(base, owner, 0)
		r := replayed{table: &table{}}
		_ = r.changes(content) // the checksum keeps the fuzzer from it
	})
}

// smallDB rotates and settles all the time.
func smallDB(t *testing.T, path string) *DB {
	t.Helper()
	db, err := open(t.Context(), Config{Path: path}, sizes{settle: 16 << 10, most: 64 << 10}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Overwriting a few keys fills the journal, not the memory; the journal does not
// grow for ever.
func TestJournalStaysSmall(t *testing.T) {
	path := newPath(t)
	db := smallDB(t, path)
	for i := range 2000 {
		put(t, db, fmt.Sprint("key", i%3), strings.Repeat("x", 100), backends.WriteOptions{})
	}
	if db.layers.journal.number < 3 {
		t.Fatalf("only %d segments for 2000 writes", db.layers.journal.number)
	}
	files, err := os.ReadDir(strings.TrimSuffix(path, "/local.db"))
	if err != nil || len(files) > 5 { // the file, three segments, a spare one
		t.Fatalf("%d files, %v", len(files), err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(strings.TrimSuffix(path, "/local.db")); len(files) != 1 {
		t.Fatalf("Close left %v", files)
	}
}

// writeUntil writes until it fails, and requires that all before can be read.
func writeUntil(t *testing.T, db *DB, code problem.Code) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	written, err := 0, error(nil)
	for ; err == nil && written < 5000; written++ {
		_, err = db.State().Put(ctx, fmt.Sprint(written), backends.Value{Data: make([]byte, 100)}, backends.WriteOptions{})
	}
	if problem.CodeOf(err) != code || problem.From(err).Unknown || written < 100 {
		t.Fatalf("%d writes, then %v", written, err)
	}
	for i := range written - 1 {
		if _, err := db.State().Get(t.Context(), fmt.Sprint(i), backends.ReadOptions{}); err != nil {
			t.Fatalf("write %d of %d: %v", i, written, err)
		}
	}
}

// While the file is slow, writers go on up to the bound and wait then.
func TestFileThatIsSlow(t *testing.T) {
	db := smallDB(t, newPath(t))
	block, err := db.layers.file.Begin(true) // nobody else writes to the file
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = block.Rollback() }()
		writeUntil(t, db, problem.DeadlineExceeded)
	}()
	put(t, db, "again", "value", backends.WriteOptions{})
}

// While the file cannot be written at all, writers are refused at the bound.
func TestFileThatCannotBeWritten(t *testing.T) {
	path := newPath(t)
	db := smallDB(t, path)
	db.layers.mu.Lock()
	db.layers.young.set(metaBucket, nil, entry{value: []byte("bbolt takes no empty key")})
	db.layers.mu.Unlock()
	writeUntil(t, db, problem.Unavailable)
	if err := db.Close(); err == nil {
		t.Fatal("Close says that all is well")
	}
	if _, err := openAt(t, path).State().Get(t.Context(), "99", backends.ReadOptions{}); err != nil {
		t.Fatalf("what the file did not take was lost: %v", err)
	}
}
