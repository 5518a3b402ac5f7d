package local

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A sealed record is a checksum (CRC-32C over key and body) and the body. bbolt
// does not check its data pages; the seal tells a flipped bit, a record that
// something else wrote, and one that stands under a wrong key.
const sealSize = 4

// seal makes a record of body, to which room for the seal was left in front.
func seal(key string, record []byte) []byte {
	binary.BigEndian.PutUint32(record, checksum(key, record[sealSize:]))
	return record
}

// unseal gives the body of a record, which is the database's memory.
func unseal(key string, record []byte) (body []byte, err error) {
	if len(record) < sealSize || binary.BigEndian.Uint32(record) != checksum(key, record[sealSize:]) {
		return nil, errForeign()
	}
	return record[sealSize:], nil
}

func checksum(key string, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // the same table every time
	return crc32.Update(crc32.Update(0, table, []byte(key)), table, body)
}

// micros is a moment as it is stored: wall clock, microseconds since 1970.
type micros int64

func now() micros { return micros(time.Now().UnixMicro()) }

// after gives the moment that lies d later, by the next whole microsecond.
func (m micros) after(d time.Duration) micros {
	later := m + micros(d/time.Microsecond)
	if d%time.Microsecond > 0 {
		later++
	}
	return later
}

// until is the time from m to later.
func (m micros) until(later micros) time.Duration {
	const most = micros(1<<63-1) / 1000
	return time.Duration(min(later-m, most)) * time.Microsecond
}
