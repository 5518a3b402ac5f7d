package local

import (
	"context"
	"log/slog"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The sweeper's pace. A step is one change in the committer's groups, so other
// writers wait for one step at most, never for the whole sweep.
const (
	sweepEvery = time.Second
	sweepStep  = 500
)

// sweeper removes expired values and forgotten locks, so that the file does not
// grow with the past. Nobody relies on it to be absent: readers look at the
// expiry themselves.
type sweeper struct {
	db     *DB
	log    *slog.Logger
	cancel context.CancelFunc
	ended  chan struct{}
	place  string // the lock that the next step begins behind
}

// startSweeper runs until stop, or until ctx ends.
func startSweeper(ctx context.Context, db *DB, log *slog.Logger) *sweeper {
	ctx, cancel := context.WithCancel(ctx)
	s := &sweeper{db: db, log: log, cancel: cancel, ended: make(chan struct{})}
	go s.run(ctx)
	return s
}

// stop ends the goroutine and waits for it.
func (s *sweeper) stop() {
	s.cancel()
	<-s.ended
}

func (s *sweeper) run(ctx context.Context) {
	defer close(s.ended)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.report(ctx, s.sweepValues(ctx))
		s.report(ctx, s.sweepLocks(ctx))
	}
}

func (s *sweeper) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		s.log.Warn("sweeping failed, will try again", "error", err)
	}
}

// sweepValues goes on until nothing is due. It looks first: an empty sweep must
// not cost an fsync every second.
func (s *sweeper) sweepValues(ctx context.Context) error {
	for {
		var entries [][]byte
		err := s.db.view(ctx, func(tx *bolt.Tx) error {
			entries = due(tx, now(), sweepStep)
			return nil
		})
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := s.removeValues(ctx, entries); err != nil {
			return err
		}
	}
}

func (s *sweeper) removeValues(ctx context.Context, entries [][]byte) error {
	_, err := commit(ctx, s.db, 0, func(tx *bolt.Tx) (struct{}, error) {
		for _, entry := range entries {
			if err := expire(tx, entry); err != nil {
				return struct{}{}, err
			}
		}
		tx.OnCommit(func() { s.tell(entries) })
		return struct{}{}, nil
	})
	return err
}

// tell is for watches whose timers run late, because the clock was set.
func (s *sweeper) tell(entries [][]byte) {
	for _, entry := range entries {
		s.db.watches.tell(entryKey(entry))
	}
}

// sweepLocks looks at the next few locks only: there is no hurry, and a lock is
// rewritten too often to pay for an index by time.
func (s *sweeper) sweepLocks(ctx context.Context) error {
	var past []string
	err := s.db.view(ctx, func(tx *bolt.Tx) error {
		past, s.place = pastLocks(tx, s.place, now(), sweepStep)
		return nil
	})
	if err != nil || len(past) == 0 {
		return err
	}
	_, err = commit(ctx, s.db, 0, func(tx *bolt.Tx) (struct{}, error) {
		return struct{}{}, forgetLocks(tx, past, now())
	})
	return err
}

// pastLocks finds locks whose last holder need not be remembered, among the
// next limit locks behind place. next is "" after the last one.
func pastLocks(tx *bolt.Tx, place string, present micros, limit int) (past []string, next string) {
	cursor := bucket(tx, lockBucket).Cursor()
	key, stored := seekAfter(cursor, "", place)
	for range limit {
		if key == nil {
			return past, ""
		}
		if g, err := decodeGrant(string(key), stored); err == nil && !g.remembered(present) {
			past = append(past, string(key))
		}
		next = string(key)
		key, stored = cursor.Next()
	}
	return past, next
}

// forgetLocks asks again, as a lock may have been taken in the meantime.
func forgetLocks(tx *bolt.Tx, resources []string, present micros) error {
	for _, resource := range resources {
		g, err := readGrant(tx, resource)
		if err != nil || g.fence == 0 || g.remembered(present) {
			continue
		}
		if err := forget(tx, resource, g); err != nil {
			return err
		}
	}
	return nil
}
