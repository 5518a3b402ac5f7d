package apollo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ottogate/ottogate/backends"
)

// disk keeps the last known good content of every group, a file each. A file
// is only ever replaced whole, so that a crash leaves the old or the new one;
// its modification time is when Apollo last confirmed the content.
type disk struct {
	folder  string // "" = nothing is kept
	origin  string // the Apollo that the files are of
	failing atomic.Bool
}

// document is a file. All that the name is a hash of stands in it in clear, so
// that a file can be told from another and an operator can read it.
type document struct {
	Origin  string            `json:"origin"`
	App     string            `json:"app"`
	Cluster string            `json:"cluster"`
	Label   string            `json:"label"`
	Group   string            `json:"group"`
	Version string            `json:"version"`
	Items   map[string]string `json:"items"`
}

// kept is what a file held.
type kept struct {
	snapshot  *backends.Snapshot
	confirmed time.Time
}

func (k *kept) base() *backends.Snapshot {
	if k == nil {
		return nil
	}
	return k.snapshot
}

// abandoned is the age from which a half-written file is nobody's any more.
const abandoned = time.Minute

func openDisk(folder, origin string) (*disk, error) {
	d := &disk{folder: folder, origin: origin}
	if folder == "" {
		return d, nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasSuffix(entry.Name(), ".tmp") && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(folder, entry.Name())) // tried again at the next start
		}
	}
	return d, nil
}

func (d *disk) path(ref backends.GroupRef) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{d.origin, ref.App, ref.Cluster, ref.Label, ref.Group}, "\x00")))
	return filepath.Join(d.folder, hex.EncodeToString(sum[:])+".json")
}

func (d *disk) document(snapshot *backends.Snapshot) document {
	ref := snapshot.Ref
	return document{d.origin, ref.App, ref.Cluster, ref.Label, ref.Group, snapshot.Version, snapshot.Items}
}

// read gives what is kept of a group, nil when that is nothing of use.
func (d *disk) read(ref backends.GroupRef, log *slog.Logger) *kept {
	if d.folder == "" {
		return nil
	}
	found, err := d.open(ref)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			log.Warn("apollo: a snapshot on disk is of no use", "app", ref.App, "group", ref.Group, "error", err)
		}
		return nil
	}
	return found
}

func (d *disk) open(ref backends.GroupRef) (*kept, error) {
	path := d.path(ref)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var held document
	if json.Unmarshal(raw, &held) != nil {
		return nil, errors.New("it does not parse") // the cause may quote a value
	}
	snapshot := &backends.Snapshot{Ref: ref, Version: held.Version, Items: held.Items}
	if want := d.document(snapshot); held.identity() != want.identity() || held.Version == "" || held.Items == nil {
		return nil, errors.New("it is of another group, or incomplete")
	}
	return &kept{snapshot, info.ModTime()}, nil
}

func (d document) identity() [5]string {
	return [5]string{d.Origin, d.App, d.Cluster, d.Label, d.Group}
}

// write replaces the group's file. A failure is logged once until a write
// succeeds again: the group is served from memory all the same.
func (d *disk) write(snapshot *backends.Snapshot, log *slog.Logger) {
	if d.folder == "" {
		return
	}
	raw, err := json.Marshal(d.document(snapshot))
	if err == nil {
		err = d.replace(d.path(snapshot.Ref), raw)
	}
	d.report(err, log)
}

// replace writes beside the file, makes that durable, and renames. The mode of
// a temporary file is 0600.
func (d *disk) replace(path string, content []byte) error {
	file, err := os.CreateTemp(d.folder, "*.tmp")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return d.syncFolder()
}

// syncFolder makes a rename durable.
func (d *disk) syncFolder() error {
	folder, err := os.Open(d.folder)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// touch notes that Apollo has confirmed what the file holds. It says whether
// there was a file.
func (d *disk) touch(ref backends.GroupRef, now time.Time) bool {
	return d.folder == "" || os.Chtimes(d.path(ref), now, now) == nil
}

// remove forgets a group that Apollo does not have any more.
func (d *disk) remove(ref backends.GroupRef, log *slog.Logger) {
	if d.folder == "" {
		return
	}
	if err := os.Remove(d.path(ref)); !errors.Is(err, fs.ErrNotExist) {
		d.report(err, log)
	}
}

func (d *disk) report(err error, log *slog.Logger) {
	failed := err != nil
	if d.failing.Swap(failed) == failed {
		return
	}
	if failed {
		log.Error("apollo: snapshots cannot be kept on disk", "error", err)
	} else {
		log.Info("apollo: snapshots are kept on disk again")
	}
}
