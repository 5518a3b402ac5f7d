package capture

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names of capture files sort by the time of their creation.
const (
	filePrefix = "tcpcopy-"
	fileSuffix = ".jsonl"
	fileTime   = "20060102T150405.000000000Z"
)

var errFolderFull = errors.New("the folder's limit leaves no room")

// folder is the directory of captures: one file being written, older ones that
// are deleted, oldest first, when the limit asks for it. It belongs to the
// writer's goroutine. Nothing is fsynced: a capture is a sample, and the last
// moments before a power cut may be missing.
type folder struct {
	path                string
	fileSize, diskLimit int64

	file   *os.File // nil = none open
	length int64    // of file
	older  []sized  // the other captures, oldest first
}

type sized struct {
	name string
	size int64
}

func newFolder(config Config) *folder {
	return &folder{path: config.Directory, fileSize: config.FileSize, diskLimit: config.DiskLimit}
}

// append writes whole lines to the current file, begins a new one where
// needed, and keeps all captures together within the limit. After an error
// nothing of lines is in the folder, and the next call starts afresh.
func (f *folder) append(lines []byte) error {
	if f.file != nil && (f.length+int64(len(lines)) > f.fileSize || f.removed()) {
		f.close()
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if err := f.makeRoom(int64(len(lines))); err != nil {
		return err
	}
	if _, err := f.file.Write(lines); err != nil {
		f.undo()
		return err
	}
	f.length += int64(len(lines))
	return nil
}

// undo takes back a write that ended half-way. The file stays in use, so that
// a disk that stays full does not collect an empty file with every try.
func (f *folder) undo() {
	if f.file.Truncate(f.length) != nil {
		f.close()
	}
}

// open begins a file that only its owner can read. The folder is made if it is
// missing, its parent is not: a mount that is gone must not fill another disk.
func (f *folder) open() error {
	if err := os.Mkdir(f.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	older, err := captures(f.path)
	if err != nil {
		return err
	}
	name := filePrefix + time.Now().UTC().Format(fileTime) + "-" + rand.Text()[:6] + fileSuffix
	file, err := os.OpenFile(filepath.Join(f.path, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	f.file, f.length, f.older = file, 0, older
	return nil
}

// makeRoom deletes the oldest captures until more bytes fit.
func (f *folder) makeRoom(more int64) error {
	total := f.length + more
	for _, capture := range f.older {
		total += capture.size
	}
	for total > f.diskLimit && len(f.older) > 0 {
		oldest := f.older[0]
		if err := os.Remove(filepath.Join(f.path, oldest.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		f.older = f.older[1:]
		total -= oldest.size
	}
	if total > f.diskLimit {
		return fmt.Errorf("%w: %d of %d bytes", errFolderFull, total, f.diskLimit)
	}
	return nil
}

// removed says whether the file that is being written is no longer the one at
// its path, as when somebody has emptied the folder.
func (f *folder) removed() bool {
	atPath, err := os.Stat(f.file.Name())
	if err != nil {
		return true
	}
	open, err := f.file.Stat()
	return err != nil || !os.SameFile(atPath, open)
}

func (f *folder) close() {
	if f.file != nil {
		_ = f.file.Close() // its lines are written; there is nothing to save
		f.file, f.length = nil, 0
	}
}

// captures lists the capture files of a folder, oldest first; other files are
// none of ours and are neither counted nor deleted.
func captures(path string) ([]sized, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var found []sized
	for _, entry := range entries {
		name := entry.Name()
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasPrefix(name, filePrefix) || !strings.HasSuffix(name, fileSuffix) {
			continue
		}
		found = append(found, sized{name, info.Size()})
	}
	slices.SortFunc(found, func(a, b sized) int { return strings.Compare(a.name, b.name) })
	return found, nil
}
