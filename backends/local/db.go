// Package local keeps state, locks and sequences in one bbolt file: the
// embedded driver, for one process without any server. Every write is on disk
// before it is acknowledged and survives kill -9.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/ottogate/ottogate/backends"
)

// Config says where the database is.
type Config struct {
	Path string // the file; it is made with mode 0600 and its folder with 0700 when missing
}

// DB is an open database file. All blocks of a process share one. It is safe
// for concurrent use.
type DB struct {
	bolt      *bolt.DB
	committer *committer
	sweeper   *sweeper
	watches   *watches
	closing   sync.Once
	closed    error // of the first Close
}

var _ backends.Prober = (*DB)(nil)

// Open opens the file, or makes it. A file that another process has open is an
// error at once: two processes cannot share one. The DB runs two goroutines
// until Close.
func Open(ctx context.Context, config Config, log *slog.Logger) (*DB, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	store, err := openFile(config.Path)
	if err != nil {
		return nil, fmt.Errorf("local store %q: %w", config.Path, err)
	}
	if err := prepareFile(store); err != nil {
		return nil, fmt.Errorf("local store %q: %w", config.Path, errors.Join(err, store.Close()))
	}
	db := &DB{bolt: store, committer: startCommitter(store, log), watches: newWatches()}
	db.sweeper = startSweeper(context.WithoutCancel(ctx), db, log)
	return db, nil
}

// openFile turns bbolt's panics over a damaged file into an error.
func openFile(path string) (store *bolt.DB, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("the file is damaged: %v", fault)
		}
	}()
	if path == "" {
		return nil, errors.New("no path is configured")
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	_, missing := os.Stat(path)
	// bbolt waits for ever without a Timeout; a tiny one means a single try.
	store, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Nanosecond, FreelistType: bolt.FreelistMapType, NoStatistics: true})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, errors.New("another process has the file open")
	}
	if err != nil || missing == nil {
		return store, err
	}
	return store, syncFolder(folder)
}

// syncFolder makes a new file's name as durable as its content.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// State gives the database's state store; all of them are the same.
func (db *DB) State() *State { return &State{db} }

// Locker gives the database's locks; all of them are the same.
func (db *DB) Locker() *Locker { return &Locker{db} }

// Sequencer gives the database's sequences; all of them are the same.
func (db *DB) Sequencer() *Sequencer { return &Sequencer{db} }

// Probe commits an empty transaction: it waits for the disk, as a write does.
func (db *DB) Probe(ctx context.Context) error {
	_, err := commit(ctx, db, 0, func(*bolt.Tx) (struct{}, error) { return struct{}{}, nil })
	return err
}

// Close commits what was accepted, ends the goroutines and closes the file.
// Calls after it fail with problem.Unavailable. Closing twice is harmless.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.watches.end()
		db.sweeper.stop()
		db.committer.stop()
		db.closed = db.bolt.Close()
	})
	return db.closed
}
