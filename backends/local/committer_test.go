package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// blockCommitter keeps the committer in a transaction until release is called;
// what is submitted in the meantime lands in one group.
func blockCommitter(t *testing.T, db *DB) (release func()) {
	t.Helper()
	inside, leave := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = commit(context.Background(), db, 0, func(*bolt.Tx) (struct{}, error) {
			close(inside)
			<-leave
			return struct{}{}, nil
		})
	}()
	<-inside
	return sync.OnceFunc(func() { close(leave) })
}

// submit hands a change in and waits until it is queued.
func submit(ctx context.Context, db *DB, apply func(*bolt.Tx) (struct{}, error)) <-chan error {
	before := len(db.committer.queue)
	done := make(chan error, 1)
	go func() {
		_, err := commit(ctx, db, 0, apply)
		done <- err
	}()
	for len(db.committer.queue) == before {
		time.Sleep(time.Millisecond)
	}
	return done
}

func putRaw(key, value string) func(*bolt.Tx) (struct{}, error) {
	return func(tx *bolt.Tx) (struct{}, error) {
		return struct{}{}, bucket(tx, metaBucket).Put([]byte(key), []byte(value))
	}
}

func rawValue(t *testing.T, db *DB, key string) (value string) {
	t.Helper()
	if err := db.view(context.Background(), func(tx *bolt.Tx) error {
		value = string(bucket(tx, metaBucket).Get([]byte(key)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return value
}

// Whatever one change does wrong, the one before and the one after it in the
// same group are committed, and its own half-done work is not.
func TestAFailingChangeSparesItsGroup(t *testing.T) {
	faults := map[string]func(*bolt.Tx) error{
		"refusal": func(*bolt.Tx) error { return problem.New(problem.PreconditionFailed, "no") },
		"failure": func(*bolt.Tx) error { return errors.New("halfway") },
		"panic":   func(*bolt.Tx) error { panic("halfway") }, //nolint:forbidigo // the fault under test
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			db := openNew(t)
			release := blockCommitter(t, db)
			first := submit(t.Context(), db, putRaw("first", "1"))
			bad := submit(t.Context(), db, func(tx *bolt.Tx) (struct{}, error) {
				if name != "refusal" { // a refusal comes before the first write
					_, _ = putRaw("bad", "1")(tx)
				}
				return struct{}{}, fault(tx)
			})
			last := submit(t.Context(), db, putRaw("last", "1"))
			release()
			if err := errors.Join(<-first, <-last); err != nil {
				t.Fatal(err)
			}
			if err := <-bad; err == nil || problem.From(err).Unknown {
				t.Fatalf("the bad change was answered with %v", err)
			}
			if got := rawValue(t, db, "first") + rawValue(t, db, "bad") + rawValue(t, db, "last"); got != "11" {
				t.Fatalf("stored %q", got)
			}
		})
	}
}

func TestDeadlineBeforeTheGroupAppliesNothing(t *testing.T) {
	db := openNew(t)
	release := blockCommitter(t, db)
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := <-submit(ctx, db, putRaw("late", "1"))
	wantCode(t, err, problem.DeadlineExceeded)
	if problem.From(err).Unknown {
		t.Fatal("a change that was never taken is said to be of unknown outcome")
	}
	release()
	if err := db.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rawValue(t, db, "late") != "" {
		t.Fatal("it was applied")
	}
}

func TestDeadlineInsideTheGroupIsUnknown(t *testing.T) {
	db := openNew(t)
	ctx, cancel := context.WithCancel(t.Context())
	leave := make(chan struct{})
	_, err := commit(ctx, db, 0, func(*bolt.Tx) (struct{}, error) {
		cancel()
		<-leave
		return struct{}{}, nil
	})
	close(leave)
	wantCode(t, err, problem.ClientClosed)
	if !problem.From(err).Unknown {
		t.Fatal("the outcome is not said to be unknown")
	}
}

func TestUnknownPutTellsItsTag(t *testing.T) {
	err := withTag(errUnknown(context.DeadlineExceeded), "tag")
	if got := problem.From(err); !got.Unknown || got.ETag != "tag" || got.Code != problem.DeadlineExceeded {
		t.Fatalf("%+v", got)
	}
}

func TestFullQueueWaitsForTheDeadlineOnly(t *testing.T) {
	db := openNew(t)
	release := blockCommitter(t, db)
	defer release()
	for range queueLength {
		db.committer.queue <- &change{apply: func(*bolt.Tx) error { return nil }, done: make(chan error, 1)}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	wantCode(t, db.Probe(ctx), problem.DeadlineExceeded)
}

func TestCloseCommitsWhatWasAccepted(t *testing.T) {
	path := t.TempDir() + "/local.db"
	db := openAt(t, path)
	release := blockCommitter(t, db)
	queued := submit(t.Context(), db, putRaw("queued", "1"))
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	<-db.committer.closing
	release()
	if err := errors.Join(<-queued, <-closed); err != nil {
		t.Fatal(err)
	}
	if rawValue(t, openAt(t, path), "queued") != "1" {
		t.Fatal("it was lost")
	}
}

// A failed commit leaves the outcome open for those who wrote, and takes back
// the refusals that rested on it.
func TestFailedCommitIsUnknown(t *testing.T) {
	db := openNew(t)
	if err := db.bolt.Close(); err != nil { // the disk is gone
		t.Fatal(err)
	}
	_, err := db.State().Put(t.Context(), "key", backends.Value{}, backends.WriteOptions{})
	wantCode(t, err, problem.Unavailable)
	if !problem.From(err).Unknown {
		t.Fatal("the outcome is not said to be unknown")
	}
}

func TestWritersFromEverywhere(t *testing.T) {
	db := openNew(t)
	store := db.State()
	var writers sync.WaitGroup
	for w := range 16 {
		writers.Go(func() {
			for i := range 50 {
				key := fmt.Sprintf("%d/%d", w, i)
				if _, err := store.Put(t.Context(), key, backends.Value{Data: []byte(key)}, backends.WriteOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	page, err := store.List(t.Context(), "", backends.ListOptions{Limit: 1000})
	if err != nil || len(page.Items) != 16*50 {
		t.Fatalf("%d keys, %v", len(page.Items), err)
	}
}
