package redis

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"

	"github.com/ottogate/ottogate/backends"
)

// The envelope is what the gateway writes in front of a value, so that bytes,
// content type and tag live and die in one Redis string:
//
//	4  magic, the last byte of which is the version
//	16 tag, random, made anew for every write: the ETag
//	1  flags
//	2  length of the content type, big endian
//	8  fence, big endian, if the flag says so
//	n  content type
//	   the value
//
// Scripts read the first headSize bytes by GETRANGE and nothing else. The
// first byte is no UTF-8, so that no text is taken for an envelope.
const (
	magic     = "\x8fOG\x01"
	tagSize   = 16
	flagsAt   = len(magic) + tagSize
	headSize  = flagsAt + 3
	fenceSize = 8
	flagFence = 1 << 0
)

// errForeign is a stored string that is no envelope, or a damaged one.
var errForeign = errors.New("stored bytes are not an envelope")

// tag tells one write of a key from every other.
type tag [tagSize]byte

// tagText is strict, so that no two texts stand for one tag.
var tagText = base64.RawURLEncoding.Strict()

func newTag() tag {
	var t tag
	_, _ = rand.Read(t[:]) // never fails, by its documentation
	return t
}

// String is the tag as an ETag without quotes.
func (t tag) String() string { return tagText.EncodeToString(t[:]) }

// envelope is a decoded value. Fence is 0 when there is none.
type envelope struct {
	tag   tag
	fence uint64
	value backends.Value
}

// encode copies the envelope into one new slice.
func (e envelope) encode() ([]byte, error) {
	if len(e.value.ContentType) > math.MaxUint16 {
		return nil, errors.New("the content type is too long")
	}
	var flags byte
	if e.fence != 0 {
		flags |= flagFence
	}
	out := make([]byte, 0, headSize+fenceSize+len(e.value.ContentType)+len(e.value.Data))
	out = append(out, magic...)
	out = append(out, e.tag[:]...)
	out = append(out, flags)
	out = binary.BigEndian.AppendUint16(out, uint16(len(e.value.ContentType)))
	if flags&flagFence != 0 {
		out = binary.BigEndian.AppendUint64(out, e.fence)
	}
	out = append(out, e.value.ContentType...)
	return append(out, e.value.Data...), nil
}

// decodeEnvelope reads stored bytes; the value shares their memory. It never
// guesses: what it does not know wholly is errForeign.
func decodeEnvelope(stored []byte) (envelope, error) {
	e := envelope{}
	var ok bool
	if e.tag, ok = decodeTag(stored); !ok || stored[flagsAt]&^flagFence != 0 {
		return envelope{}, errForeign
	}
	typeLength := int(binary.BigEndian.Uint16(stored[flagsAt+1:]))
	rest := stored[headSize:]
	if stored[flagsAt]&flagFence != 0 {
		if len(rest) < fenceSize {
			return envelope{}, errForeign
		}
		e.fence, rest = binary.BigEndian.Uint64(rest), rest[fenceSize:]
	}
	if len(rest) < typeLength {
		return envelope{}, errForeign
	}
	e.value = backends.Value{ContentType: string(rest[:typeLength]), Data: rest[typeLength:]}
	return e, nil
}

// decodeTag reads the tag out of the first headSize bytes of a stored string.
func decodeTag(head []byte) (tag, bool) {
	if len(head) < headSize || string(head[:len(magic)]) != magic {
		return tag{}, false
	}
	return tag(head[len(magic):flagsAt]), true
}
