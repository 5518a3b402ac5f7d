package local

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// readFence tells the newest token that a write of the resource carried; 0 when
// there was none. Tokens are never forgotten: the write that they are to stop
// may come at any time.
func readFence(tx *bolt.Tx, resource string) (uint64, error) {
	stored := bucket(tx, fenceBucket).Get([]byte(resource))
	if stored == nil {
		return 0, nil
	}
	body, err := unseal(resource, stored)
	if err != nil {
		return 0, err
	}
	if len(body) != 8 {
		return 0, errForeign()
	}
	return binary.BigEndian.Uint64(body), nil
}

// writeFence spares the disk when a holder writes again, as it mostly does.
func writeFence(tx *bolt.Tx, resource string, token uint64) error {
	if seen, err := readFence(tx, resource); err == nil && seen == token && token != 0 {
		return nil
	}
	stored := binary.BigEndian.AppendUint64(make([]byte, sealSize), token)
	return bucket(tx, fenceBucket).Put([]byte(resource), seal(resource, stored))
}
