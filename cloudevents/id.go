package cloudevents

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// NewID makes an id for an event: a UUID of version 7 (RFC 9562 section 5.7),
// so that ids of later events sort later, to the millisecond of now.
func NewID(now time.Time) string {
	var id, stamp [16]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the process rather than return an error
	binary.BigEndian.PutUint64(stamp[:8], uint64(now.UnixMilli())<<16)
	copy(id[:6], stamp[:6])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80

	text := make([]byte, 0, 36)
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}
