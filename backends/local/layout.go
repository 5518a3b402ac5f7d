package local

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// bucketID names a bucket in memory and in the journal. The numbers are part
// of the journal's format.
type bucketID byte

// The buckets.
const (
	stateBucket    bucketID = iota // key → sealed state record
	expiryBucket                   // expiry (8 bytes) + key → nothing
	lockBucket                     // resource → sealed lock record
	sequenceBucket                 // key → sealed last number
	fenceBucket                    // resource → sealed newest token of a write
	metaBucket
	bucketCount
)

// name is the bucket's in the file.
func (id bucketID) name() []byte {
	return []byte([bucketCount]string{"state", "expiry", "lock", "sequence", "fence", "meta"}[id])
}

// Keys of the meta bucket. The first three are written to the file alone, never
// by way of the journal.
const (
	formatKey     = "format"
	identityKey   = "identity"    // random, tells whose a journal is
	settledKey    = "settled"     // number of the last segment that is wholly in the file
	fenceFloorKey = "fence-floor" // the largest fence of all forgotten locks
)

// format is the version of the layout; 1 had no journal. A file with an unknown
// one is refused, not guessed at.
const format = "2"

// prepareFile lays a new file out, brings one of an older format up to this
// one, and refuses any other.
func prepareFile(file *bolt.DB) error {
	var found string
	err := file.View(func(tx *bolt.Tx) error {
		if meta := tx.Bucket(metaBucket.name()); meta != nil {
			found = string(meta.Get([]byte(formatKey)))
		}
		return nil
	})
	switch {
	case err != nil || found == format:
		return err
	case found == "" || found == "1":
		return file.Update(layOut)
	}
	return fmt.Errorf("the file has format %q, this version knows %q", found, format)
}

func layOut(tx *bolt.Tx) error {
	for id := range bucketCount {
		if _, err := tx.CreateBucketIfNotExists(id.name()); err != nil {
			return err
		}
	}
	var own identity
	_, _ = rand.Read(own[:]) // never fails, see crypto/rand
	meta := tx.Bucket(metaBucket.name())
	if err := meta.Put([]byte(identityKey), own[:]); err != nil {
		return err
	}
	return meta.Put([]byte(formatKey), []byte(format))
}

// journalOf tells whose journal belongs to the file, and up to which segment it
// is in the file already.
func journalOf(file *bolt.DB) (owner identity, settled uint64, err error) {
	err = file.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBucket.name())
		if copy(owner[:], meta.Get([]byte(identityKey))) != len(owner) {
			return errors.New("the file has no identity")
		}
		if number := meta.Get([]byte(settledKey)); len(number) == 8 {
			settled = binary.BigEndian.Uint64(number)
		}
		return nil
	})
	return owner, settled, err
}

// markSettled belongs into the transaction that brings a segment's content.
func markSettled(tx *bolt.Tx, number uint64) error {
	return tx.Bucket(metaBucket.name()).Put([]byte(settledKey), binary.BigEndian.AppendUint64(nil, number))
}
