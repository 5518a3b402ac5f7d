package local

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Here the layers are driven by hand, without the goroutines, so that a crash
// can be put between any two steps: what a crash leaves is a copy of the files.

func openByHand(tb testing.TB, path string) *layers {
	tb.Helper()
	l, err := openStore(path, usualSizes())
	if err != nil {
		tb.Fatal(err)
	}
	l.settler = &settler{work: make(chan struct{}, 1)}
	tb.Cleanup(func() { _ = errors.Join(l.journal.close(), l.file.Close()) })
	return l
}

// write makes a group of key=value pairs; an empty value removes the key.
func write(tb testing.TB, l *layers, pairs ...string) {
	tb.Helper()
	tx, err := l.begin()
	if err != nil {
		tb.Fatal(err)
	}
	changeAll(tb, tx, pairs...)
	if err := l.end(tx); err != nil {
		tb.Fatal(err)
	}
}

func changeAll(tb testing.TB, tx *tx, pairs ...string) {
	tb.Helper()
	for pair := range slices.Chunk(pairs, 2) {
		var err error
		if pair[1] == "" {
			err = bucket(tx, metaBucket).Delete([]byte("t/" + pair[0]))
		} else {
			err = bucket(tx, metaBucket).Put([]byte("t/"+pair[0]), []byte(pair[1]))
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// content reads everything, by cursor, and by Get too.
func content(tb testing.TB, l *layers) map[string]string {
	tb.Helper()
	found := map[string]string{}
	err := l.view(func(tx *tx) error {
		last := ""
		cursor := bucket(tx, metaBucket).Cursor()
		for key, value := cursor.Seek([]byte("t/")); key != nil && hasPrefix(key, "t/"); key, value = cursor.Next() {
			if string(key) <= last {
				return fmt.Errorf("%q comes after %q", key, last)
			}
			if got := bucket(tx, metaBucket).Get(key); !bytes.Equal(got, value) {
				return fmt.Errorf("%q is %q by cursor and %q by Get", key, value, got)
			}
			last = string(key)
			found[last[2:]] = string(value)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

func wantContent(tb testing.TB, l *layers, pairs ...string) {
	tb.Helper()
	want := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		want[pair[0]] = pair[1]
	}
	if got := content(tb, l); !maps.Equal(got, want) {
		tb.Fatalf("content %q, want %q", got, want)
	}
}

// crash copies the files as they are into a new folder.
func crash(tb testing.TB, path string) (copied string) {
	tb.Helper()
	folder := tb.TempDir()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range files {
		bytes, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, filepath.Base(name)), bytes, 0o600)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return filepath.Join(folder, filepath.Base(path))
}

func newPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "local.db")
}

// A crash between any two steps on the way into the file loses nothing and
// brings nothing back.
func TestCrashBetweenAnyTwoSteps(t *testing.T) {
	path := newPath(t)
	l := openByHand(t, path)
	check := func(step string, pairs ...string) {
		t.Helper()
		wantContent(t, l, pairs...)
		t.Run(step, func(t *testing.T) {
			left := openByHand(t, crash(t, path))
			wantContent(t, left, pairs...)
			if err := left.settle(); err != nil { // and goes on
				t.Fatal(err)
			}
			write(t, left, "more", "m")
			wantContent(t, left, append([]string{"more", "m"}, pairs...)...)
		})
	}
	check("nothing written")
	write(t, l, "a", "1", "b", "1", "gone", "1")
	check("written", "a", "1", "b", "1", "gone", "1")
	write(t, l, "a", "2", "gone", "")
	check("written over", "a", "2", "b", "1")
	if err := l.rotate(); err != nil {
		t.Fatal(err)
	}
	check("rotated", "a", "2", "b", "1")
	write(t, l, "b", "", "c", "1")
	check("written behind", "a", "2", "c", "1")
	before, err := l.bringIn(l.old, l.upTo)
	if err != nil {
		t.Fatal(err)
	}
	check("brought into the file", "a", "2", "c", "1")
	l.old = nil
	if err := giveUp(path, before+1, l.upTo); err != nil {
		t.Fatal(err)
	}
	check("segment given up", "a", "2", "c", "1")
	if err := l.rotate(); err != nil { // into the spare one
		t.Fatal(err)
	}
	check("rotated again", "a", "2", "c", "1")
	write(t, l, "a", "", "d", "1")
	check("written to a segment with a past", "c", "1", "d", "1")
	if err := errors.Join(l.settle(), l.settleAll()); err != nil {
		t.Fatal(err)
	}
	if rest, _ := filepath.Glob(path + ".journal-0*"); len(rest) != 0 {
		t.Fatalf("segments are left: %q", rest)
	}
	wantContent(t, openByHand(t, crash(t, path)), "c", "1", "d", "1")
}

// A crash while the next segment is made leaves one that is not begun: absent,
// empty, cut short, or still with the head that the spare one had.
func TestCrashWhileASegmentIsMade(t *testing.T) {
	path := newPath(t)
	l := openByHand(t, path)
	write(t, l, "a", "1")
	other := segmentHead{l.journal.owner, 99, 7}.encode()
	for name, head := range map[string][]byte{
		"empty": {}, "short": other[:9], "stale": other, "zeros": make([]byte, headSegment), "stale with frames": append(other, frame(nil, l.journal.owner, 99, headSegment, &additions{})...),
	} {
		t.Run(name, func(t *testing.T) {
			left := crash(t, path)
			if err := os.WriteFile(segmentPath(left, l.journal.number+1), head, 0o600); err != nil {
				t.Fatal(err)
			}
			again := openByHand(t, left)
			wantContent(t, again, "a", "1")
			write(t, again, "b", "1")
			wantContent(t, openByHand(t, crash(t, left)), "a", "1", "b", "1")
		})
	}
}

// A group whose append failed, but which stands on the disk all the same, is of
// unknown outcome until another is written over it.
func TestFailedAppendIsWrittenOver(t *testing.T) {
	path := newPath(t)
	l := openByHand(t, path)
	write(t, l, "a", "1")
	failed := &additions{}
	failed[metaBucket] = map[string]entry{"t/a": {value: []byte("a long value that was never acknowledged")}}
	ghost := frame(nil, l.journal.owner, l.journal.number, l.journal.end, failed)
	if _, err := l.journal.segment.WriteAt(ghost, l.journal.end); err != nil {
		t.Fatal(err)
	}
	t.Run("rotated", func(t *testing.T) {
		rotated := crash(t, path)
		head := segmentHead{l.journal.owner, l.journal.number + 1, l.journal.end}
		if err := os.WriteFile(segmentPath(rotated, head.number), head.encode(), 0o600); err != nil {
			t.Fatal(err)
		}
		wantContent(t, openByHand(t, rotated), "a", "1")
	})
	write(t, l, "b", "1")
	wantContent(t, openByHand(t, crash(t, path)), "a", "1", "b", "1")
}

// Whatever happens in whatever order, the layers are a map.
func TestLayersAreAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		path := newPath(t)
		l, held := openByHand(t, path), map[string]string{}
		keys := rapid.SampledFrom([]string{"a", "aa", "ab", "b", "ba", "\xff", "\x00", "c"})
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				pairs := []string{}
				for range rapid.IntRange(1, 6).Draw(rt, "changes") {
					key, value := keys.Draw(rt, "key"), rapid.StringN(0, 9, -1).Draw(rt, "value")
					pairs = append(pairs, key, value)
					if held[key] = value; value == "" {
						delete(held, key)
					}
				}
				write(t, l, pairs...)
			},
			"abandon": func(rt *rapid.T) {
				tx, err := l.begin()
				if err != nil {
					rt.Fatal(err)
				}
				changeAll(t, tx, "a", "abandoned", "b", "")
				l.abandon(tx)
			},
			"rotate": func(rt *rapid.T) {
				if l.old == nil {
					_ = l.rotate()
				}
			},
			"settle": func(rt *rapid.T) {
				if err := l.settle(); err != nil {
					rt.Fatal(err)
				}
			},
			"crash": func(*rapid.T) {
				path = crash(t, path)
				l = openByHand(t, path)
			},
			"": func(rt *rapid.T) {
				if got := content(t, l); !maps.Equal(got, held) {
					rt.Fatalf("content %q, want %q", got, held)
				}
			},
		})
	})
}
