package local

import (
	"log/slog"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// settleAgain is the pause after the file could not be written.
const settleAgain = time.Second

// settler brings the old table into the file, in its own goroutine, whenever
// there is one.
type settler struct {
	layers  *layers
	log     *slog.Logger
	work    chan struct{} // holds one: there is an old table
	closing chan struct{}
	ended   chan struct{}

	mu      sync.Mutex
	failure error         // of the latest try
	tried   chan struct{} // closed after the next try
}

func startSettler(l *layers, log *slog.Logger) *settler {
	s := &settler{
		layers: l, log: log, work: make(chan struct{}, 1),
		closing: make(chan struct{}), ended: make(chan struct{}), tried: make(chan struct{}),
	}
	go s.run()
	return s
}

// stop waits for the end of the goroutine; the committer has ended.
func (s *settler) stop() {
	close(s.closing)
	<-s.ended
}

func (s *settler) wake() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// next gives what is closed after the next try, and the failure of the latest.
func (s *settler) next() (tried <-chan struct{}, failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried, s.failure
}

func (s *settler) run() {
	defer close(s.ended)
	for {
		select {
		case <-s.work:
		case <-s.closing:
			return
		}
		for !s.try() {
			select {
			case <-time.After(settleAgain):
			case <-s.closing:
				return
			}
		}
	}
}

func (s *settler) try() (done bool) {
	err := s.layers.settle()
	if err != nil {
		s.log.Error("the journal could not be brought into the file, will try again", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
	close(s.tried)
	s.tried = make(chan struct{})
	return err == nil
}

// settle writes the old table into the file, in one transaction, and forgets
// its segments. A crash at any point leaves either the segments to be replayed
// or a file that says that it has them.
func (l *layers) settle() error {
	l.mu.RLock()
	old, upTo := l.old, l.upTo
	l.mu.RUnlock()
	if old == nil {
		return nil
	}
	before, err := l.bringIn(old, upTo)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.old = nil
	l.mu.Unlock()
	return giveUp(l.journal.base, before+1, upTo)
}

// bringIn gives the number up to which the file was settled before.
func (l *layers) bringIn(old *table, upTo uint64) (before uint64, err error) {
	if _, before, err = journalOf(l.file); err != nil {
		return 0, err
	}
	return before, l.file.Update(func(file *bolt.Tx) error {
		for id := range bucketCount {
			if err := bringInto(file.Bucket(id.name()), &old.lists[id]); err != nil {
				return err
			}
		}
		return markSettled(file, upTo)
	})
}

func bringInto(bucket *bolt.Bucket, changes *list) error {
	for n := changes.head[0]; n != nil; n = n.next[0] {
		var err error
		if n.gone {
			err = bucket.Delete(n.key)
		} else {
			err = bucket.Put(n.key, n.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
