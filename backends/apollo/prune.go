package apollo

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ottogate/ottogate/backends"
)

// prune bounds the folder: of more than most files the oldest are removed, but
// none of a group in memory.
func (d *disk) prune(most int, held func() []backends.GroupRef, log *slog.Logger) {
	if d.folder == "" {
		return
	}
	entries, err := os.ReadDir(d.folder)
	if err != nil || len(entries) <= most {
		d.report(err, log)
		return
	}
	files := d.unheld(entries, held())
	for _, file := range files[:min(len(entries)-most, len(files))] {
		d.report(os.Remove(file.path), log)
	}
}

// file is one of the folder.
type file struct {
	path      string
	confirmed time.Time
}

// unheld gives the files of groups that are not in memory, oldest first.
func (d *disk) unheld(entries []fs.DirEntry, held []backends.GroupRef) (files []file) {
	known := make(map[string]bool, len(held))
	for _, ref := range held {
		known[filepath.Base(d.path(ref))] = true
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasSuffix(entry.Name(), ".json") && !known[entry.Name()] {
			files = append(files, file{filepath.Join(d.folder, entry.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return a.confirmed.Compare(b.confirmed) })
	return files
}
