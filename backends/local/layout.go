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
	fenceBucket    = "fence"    // resource → sealed newest token of a write
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

// buckets lists them. One that a later version adds is made in older files too.
func buckets() []string {
	return []string{stateBucket, expiryBucket, lockBucket, sequenceBucket, fenceBucket, metaBucket}
}

// prepareFile lays a new file out and refuses one that a different layout wrote.
func prepareFile(store *bolt.DB) error {
	found, complete := "", true
	err := store.View(func(tx *bolt.Tx) error {
		for _, name := range buckets() {
			complete = complete && bucket(tx, name) != nil
		}
		if meta := bucket(tx, metaBucket); meta != nil {
			found = string(meta.Get([]byte(formatKey)))
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case found != "" && found != format:
		return fmt.Errorf("the file has format %q, this version knows %q", found, format)
	case !complete:
		return store.Update(layOut)
	}
	return nil
}

func layOut(tx *bolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return bucket(tx, metaBucket).Put([]byte(formatKey), []byte(format))
}

// bucket finds a bucket that prepareFile has made.
func bucket(tx *bolt.Tx, name string) *bolt.Bucket { return tx.Bucket([]byte(name)) }
