package local

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// expiryKey orders the index by time, then by key.
func expiryKey(expires micros, key string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(expires)), key...)
}

// expiryOf reads when a stored record ends. A damaged one never does: its index
// entry, if it has one, stays until its time and then finds nothing to remove.
func expiryOf(stored []byte) micros {
	r, err := decodeHead(stored)
	if err != nil {
		return never
	}
	return r.expires
}

// unschedule takes a key's present value out of the expiry index.
func unschedule(tx *bolt.Tx, key string) error {
	expires := expiryOf(bucket(tx, stateBucket).Get([]byte(key)))
	if expires == never {
		return nil
	}
	return bucket(tx, expiryBucket).Delete(expiryKey(expires, key))
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
	values, key := bucket(tx, stateBucket), entry[8:]
	if expiryOf(values.Get(key)) == entryTime(entry) {
		if err := values.Delete(key); err != nil {
			return err
		}
	}
	return bucket(tx, expiryBucket).Delete(entry)
}

func entryKey(entry []byte) string { return string(entry[8:]) }

func entryTime(entry []byte) micros { return micros(binary.BigEndian.Uint64(entry)) }
