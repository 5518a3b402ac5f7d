package local

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// The buckets of the file.
const (
	stateBucket    = "state"    // key → sealed state record
	expiryBucket   = "expiry"   // expiry (8 bytes) + key → nothing
	lockBucket     = "lock"     // resource → sealed lock record
	sequenceBucket = "sequence" // key → sealed last number
	metaBucket     = "meta"
)

// Keys of the meta bucket.
const (
	formatKey     = "format"
	fenceFloorKey = "fence-floor" // the largest fence of all forgotten locks
)

// format is the version of the layout. A file with another one is refused, not
// guessed at.
const format = "1"

// prepare lays a new file out and refuses one that a different layout wrote.
func prepare(store *bolt.DB) error {
	var found string
	err := store.View(func(tx *bolt.Tx) error {
		if meta := tx.Bucket([]byte(metaBucket)); meta != nil {
			found = string(meta.Get([]byte(formatKey)))
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case found == "":
		return store.Update(layOut)
	case found != format:
		return fmt.Errorf("the file has format %q, this version knows %q", found, format)
	}
	return nil
}

func layOut(tx *bolt.Tx) error {
	for _, name := range []string{stateBucket, expiryBucket, lockBucket, sequenceBucket, metaBucket} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return bucket(tx, metaBucket).Put([]byte(formatKey), []byte(format))
}

// bucket finds a bucket that prepare has made.
func bucket(tx *bolt.Tx, name string) *bolt.Bucket { return tx.Bucket([]byte(name)) }
