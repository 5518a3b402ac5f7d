package local

import (
	"errors"
	"os"
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/problem"
)

// sizes bound what the journal has and the file has not yet, in bytes. Larger
// ones let the file follow in larger and so cheaper steps, and take more memory.
type sizes struct {
	settle int // begin to bring it into the file
	most   int // let writers wait until the file has followed
}

func usualSizes() sizes { return sizes{settle: 16 << 20, most: 64 << 20} }

// behind is how far the file is, by memory or by journal, whichever is more: a
// few keys written over and over fill the journal alone.
func (l *layers) behind() int { return max(l.young.size, int(l.journal.end)) }

// layers are the store: the file, the old table that the settler brings into
// it, the young table that takes what the committer has written to the journal.
// Readers see all three; nothing is read before it is on disk.
type layers struct {
	file    *bolt.DB
	journal *journal // the committer's
	sizes   sizes

	mu    sync.RWMutex // held by readers while they read, by those who change what follows
	young *table
	old   *table // nil = none
	upTo  uint64 // the last segment with something of old

	settler *settler
}

// openLayers replays the journal beside the file. What it finds becomes the old
// table: the settler brings it into the file while the store serves already.
func openLayers(base string, file *bolt.DB, bounds sizes) (*layers, error) {
	owner, settled, err := journalOf(file)
	if err != nil {
		return nil, err
	}
	found, err := replay(base, owner, settled)
	if err != nil {
		return nil, err
	}
	j, err := startJournal(base, owner, found.last, found.end)
	if err != nil {
		return nil, err
	}
	l := &layers{file: file, journal: j, sizes: bounds, young: &table{}}
	if found.last > settled {
		l.old, l.upTo = found.table, found.last
	}
	return l, nil
}

// view runs a reader.
func (l *layers) view(read func(*tx) error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.file.View(func(file *bolt.Tx) error {
		return read(&tx{young: l.young, old: l.old, file: file})
	})
}

// begin starts a group. Its failure has changed nothing.
func (l *layers) begin() (*tx, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	file, err := l.file.Begin(false)
	if err != nil {
		return nil, err
	}
	return &tx{added: &additions{}, young: l.young, old: l.old, file: file}, nil
}

// makeRoom is called between groups. It waits while the file is too far behind,
// but not for a file that cannot be written.
func (l *layers) makeRoom() error {
	for l.behind() >= l.sizes.settle {
		tried, failure := l.settler.next() // before looking, so that no try is missed
		switch {
		case !l.settling():
			return l.rotate()
		case l.behind() < l.sizes.most:
			return nil
		case failure != nil:
			return problem.Wrap(problem.Unavailable, failure, "the embedded store cannot write to its file")
		}
		<-tried
	}
	return nil
}

func (l *layers) settling() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.old != nil
}

// rotate hands the young table to the settler. There is no hurry while there is
// room: a failure counts only then.
func (l *layers) rotate() error {
	full := l.journal.number
	if err := l.journal.rotate(); err != nil {
		if l.behind() < l.sizes.most {
			return nil
		}
		return err
	}
	l.mu.Lock()
	l.old, l.young, l.upTo = l.young, &table{}, full
	l.mu.Unlock()
	l.settler.wake()
	return nil
}

// abandon ends a group without a trace.
func (l *layers) abandon(t *tx) { _ = t.file.Rollback() }

// end brings a group to disk and lets readers see it. After a failure it may be
// on disk or not, and is not seen.
func (l *layers) end(t *tx) error {
	l.abandon(t) // of the file it has read only
	if t.sync || !t.added.empty() {
		if err := l.journal.append(t.added); err != nil {
			return err
		}
		l.publish(t.added)
	}
	for _, do := range t.committed {
		do()
	}
	return nil
}

func (l *layers) publish(group *additions) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, changes := range group {
		for key, e := range changes {
			l.young.set(bucketID(id), []byte(key), e)
		}
	}
}

// close brings everything into the file. The committer and the settler have
// ended. What cannot be brought there stays in the journal for the next open.
func (l *layers) close() error {
	settled := l.settleAll()
	if settled == nil {
		_ = os.Remove(sparePath(l.journal.base))
	}
	return errors.Join(settled, l.journal.close(), l.file.Close())
}

func (l *layers) settleAll() error {
	if err := l.settle(); err != nil {
		return err
	}
	if l.young.size == 0 {
		return os.Remove(segmentPath(l.journal.base, l.journal.number))
	}
	l.old, l.upTo = l.young, l.journal.number
	return l.settle()
}
