package local

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// expiryKey orders the index by time, then by key.
func expiryKey(expires micros, key string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(expires)), key...)
}

// unschedule takes a key's present value out of the expiry index. A damaged
// value is left to the sweeper, which finds its entry to be stale.
func unschedule(tx *bolt.Tx, key string) error {
	stored := bucket(tx, stateBucket).Get([]byte(key))
	if stored == nil {
		return nil
	}
	r, err := decodeHead(stored)
	if err != nil || r.expires == never {
		return nil
	}
	return bucket(tx, expiryBucket).Delete(expiryKey(r.expires, key))
}

// due lists up to limit index entries whose time has come, as copies.
func due(tx *bolt.Tx, present micros, limit int) [][]byte {
	var entries [][]byte
	cursor := bucket(tx, expiryBucket).Cursor()
	for entry, _ := cursor.First(); entry != nil && len(entries) < limit; entry, _ = cursor.Next() {
		if entryTime(entry) > present {
			break
		}
		entries = append(entries, append([]byte(nil), entry...))
	}
	return entries
}

// expire removes what an index entry points at, if it still has that expiry,
// and the entry.
func expire(tx *bolt.Tx, entry []byte) error {
	key := entry[8:]
	values := bucket(tx, stateBucket)
	if stored := values.Get(key); stored != nil {
		if r, err := decodeHead(stored); err == nil && r.expires == entryTime(entry) {
			if err := values.Delete(key); err != nil {
				return err
			}
		}
	}
	return bucket(tx, expiryBucket).Delete(entry)
}

func entryTime(entry []byte) micros { return micros(binary.BigEndian.Uint64(entry)) }
