package capture

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func newTestFolder(t *testing.T, fileSize, diskLimit int64) *folder {
	t.Helper()
	f := &folder{path: filepath.Join(t.TempDir(), "captures"), fileSize: fileSize, diskLimit: diskLimit}
	t.Cleanup(f.close)
	return f
}

func mustAppend(t *testing.T, f *folder, text string) {
	t.Helper()
	if err := f.append([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreRotatedBySize(t *testing.T) {
	f := newTestFolder(t, 10, 1000)
	for range 5 {
		mustAppend(t, f, "1234\n")
	}
	found, err := captures(f.path)
	if err != nil || len(found) != 3 || found[0].size != 10 || found[2].size != 5 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestOldestGoesWhenTheLimitIsReached(t *testing.T) {
	f := newTestFolder(t, 10, 30)
	foreign := filepath.Join(f.path, "notes.txt")
	mustAppend(t, f, "first...\n\n")
	if err := os.WriteFile(foreign, bytes.Repeat([]byte("x"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		mustAppend(t, f, "123456789\n")
		found, _ := captures(f.path)
		total := int64(0)
		for _, capture := range found {
			total += capture.size
		}
		if total > 30 {
			t.Fatalf("%d bytes in the folder", total)
		}
	}
	found, _ := captures(f.path)
	first, err := os.ReadFile(filepath.Join(f.path, found[0].name))
	if err != nil || len(found) != 3 || string(first) != "123456789\n" {
		t.Errorf("%v, %q, %v", found, first, err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a file of somebody else is gone: %v", err)
	}
}

func TestLimitHoldsForASingleLine(t *testing.T) {
	f := newTestFolder(t, 10, 20)
	if err := f.append(make([]byte, 21)); err == nil {
		t.Error("more was written than the folder may hold")
	}
	mustAppend(t, f, "small\n")
}

func TestLimitCountsEarlierRuns(t *testing.T) {
	f := newTestFolder(t, 10, 20)
	mustAppend(t, f, "123456789\n")
	mustAppend(t, f, "123456789\n")
	f.close()
	again := &folder{path: f.path, fileSize: 10, diskLimit: 20}
	t.Cleanup(again.close)
	mustAppend(t, again, "123456789\n")
	if found, _ := captures(f.path); len(found) != 2 {
		t.Errorf("%v", found)
	}
}

func TestRemovedFolderIsMadeAgain(t *testing.T) {
	f := newTestFolder(t, 1000, 10000)
	mustAppend(t, f, "one\n")
	if err := os.RemoveAll(f.path); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, f, "two\n")
	found, err := captures(f.path)
	if err != nil || len(found) != 1 || found[0].size != 4 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestMissingParentIsNotMade(t *testing.T) {
	f := newTestFolder(t, 1000, 10000)
	parent := f.path
	f.path = filepath.Join(parent, "child")
	if err := f.append([]byte("x\n")); err == nil {
		t.Error("a folder was made where a mount may be missing")
	}
	if _, err := os.Stat(parent); err == nil {
		t.Error("the parent exists now")
	}
}

func TestFailedWriteLeavesNoHalfLine(t *testing.T) {
	f := newTestFolder(t, 1000, 10000)
	mustAppend(t, f, "whole\n")
	name := f.file.Name()
	readOnly, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.file.Close()
	f.file = readOnly // every write fails from here, like on a full disk
	if err := f.append([]byte("lost\n")); err == nil {
		t.Fatal("the write should have failed")
	}
	mustAppend(t, f, "next\n")
	if text, _ := os.ReadFile(name); string(text) != "whole\n" {
		t.Errorf("%q", text)
	}
}
