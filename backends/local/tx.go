package local

import (
	"errors"

	bolt "go.etcd.io/bbolt"
)

// tx is what reads and changes see of the store: the file, over it what is on
// its way there, over it what the present group has changed. What it gives is
// the store's memory, not to be written to nor kept after it.
type tx struct {
	added *additions // nil for readers
	young *table
	old   *table // nil = none
	file  *bolt.Tx

	buckets   [bucketCount]*bolt.Bucket
	committed []func()
	sync      bool // wait for the disk even if nothing was changed
}

// additions are the changes of one group, by bucket and key.
type additions [bucketCount]map[string]entry

func (a *additions) empty() bool {
	for _, changed := range a {
		if len(changed) > 0 {
			return false
		}
	}
	return true
}

// onCommit calls do once the changes are on disk and can be read. It runs in
// the committer's goroutine and must not block.
func (t *tx) onCommit(do func()) { t.committed = append(t.committed, do) }

// space is a bucket as a tx sees it, with the methods of bbolt's.
type space struct {
	tx *tx
	id bucketID
}

func bucket(t *tx, id bucketID) space { return space{t, id} }

// Get gives the value of a key, nil when there is none.
func (s space) Get(key []byte) []byte {
	if s.tx.added != nil {
		if e, found := s.tx.added[s.id][string(key)]; found {
			return e.value
		}
	}
	if e, found := s.tx.young.get(s.id, key); found {
		return e.value
	}
	if s.tx.old != nil {
		if e, found := s.tx.old.get(s.id, key); found {
			return e.value
		}
	}
	return s.inFile().Get(key)
}

// Put keeps value, which must not be written to afterwards.
func (s space) Put(key, value []byte) error {
	switch {
	case len(key) == 0 || len(key) > bolt.MaxKeySize:
		return errors.New("a key that the file cannot hold") // nor could the journal ever be settled
	case len(value) > maxValue:
		return errors.New("a value that the journal cannot hold")
	case value == nil:
		value = []byte{}
	}
	return s.change(key, entry{value: value})
}

// Delete removes the key, if it is there.
func (s space) Delete(key []byte) error {
	if s.Get(key) == nil {
		return nil
	}
	return s.change(key, entry{gone: true})
}

func (s space) change(key []byte, e entry) error {
	if s.tx.added == nil {
		return errors.New("a reader cannot write")
	}
	if s.tx.added[s.id] == nil {
		s.tx.added[s.id] = map[string]entry{}
	}
	s.tx.added[s.id][string(key)] = e
	return nil
}

func (s space) inFile() *bolt.Bucket {
	if s.tx.buckets[s.id] == nil {
		s.tx.buckets[s.id] = s.tx.file.Bucket(s.id.name())
	}
	return s.tx.buckets[s.id]
}
