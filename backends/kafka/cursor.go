package kafka

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"

	"github.com/ottogate/ottogate/problem"
)

// A cursor is a place in a topic, as text for callers to keep:
//
//	version   1 byte
//	topic     8 bytes, of the SHA-256 of the topic's name and id
//	offsets   uvarint per partition from 0 on: the next record to read
//	check     4 bytes, CRC-32 of all before, against damage and not against intent
//
// in base64url without padding. It carries a position and no right, and is
// believed as far as what a caller could ask for anyway.
const (
	cursorVersion = 1
	cursorHead    = 1 + 8
	cursorCheck   = 4
	maxCursor     = 64 << 10 // characters; some 5,000 partitions
)

// topicHash tells topics apart, also one from an earlier one of its name.
func topicHash(t *topic) [8]byte {
	sum := sha256.Sum256(append(t.id[:], t.name...))
	return [8]byte(sum[:8])
}

// encodeCursor writes the place at which each partition goes on.
func encodeCursor(hash [8]byte, positions []int64) string {
	raw := make([]byte, 0, cursorHead+len(positions)*4+cursorCheck)
	raw = append(append(raw, cursorVersion), hash[:]...)
	for _, position := range positions {
		raw = binary.AppendUvarint(raw, uint64(position))
	}
	raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
	return base64.RawURLEncoding.EncodeToString(raw)
}

// decodeCursor reads an untrusted cursor of a topic; a damaged one and one of
// another topic are problem.InvalidCursor.
func decodeCursor(t *topic, cursor string) ([]int64, error) {
	if len(cursor) > maxCursor {
		return nil, problem.New(problem.InvalidCursor, "the cursor is longer than any that this gateway makes")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) < cursorHead+cursorCheck {
		return nil, damaged()
	}
	body, check := raw[:len(raw)-cursorCheck], raw[len(raw)-cursorCheck:]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(check) || body[0] != cursorVersion {
		return nil, damaged()
	}
	if [8]byte(body[1:cursorHead]) != topicHash(t) {
		return nil, problem.New(problem.InvalidCursor, "the cursor belongs to another topic, or to an earlier one of this name")
	}
	positions, ok := decodeOffsets(body[cursorHead:])
	if !ok || len(positions) > int(t.partitions) {
		return nil, damaged()
	}
	return positions, nil
}

func decodeOffsets(raw []byte) (positions []int64, ok bool) {
	for len(raw) > 0 {
		offset, size := binary.Uvarint(raw)
		if size <= 0 || offset>>63 != 0 {
			return nil, false
		}
		positions = append(positions, int64(offset))
		raw = raw[size:]
	}
	return positions, true
}

func damaged() error { return problem.New(problem.InvalidCursor, "the cursor is damaged") }
