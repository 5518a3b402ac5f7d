package local

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"math"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// record is a stored value. Encoded and sealed it is: version (1), tag (16),
// expiry (8), length of the content type (2), content type, data.
type record struct {
	tag         [16]byte
	expires     micros
	contentType string
	data        []byte
}

const (
	recordVersion = 1
	headSize      = sealSize + 1 + 16 + 8 + 2
)

// never is the expiry of a value that stays.
const never micros = 0

// newRecord gives value a fresh random tag, which no write has had before.
func newRecord(value backends.Value, ttl time.Duration) (record, error) {
	if len(value.ContentType) > math.MaxUint16 {
		return record{}, problem.New(problem.InvalidParameter, "the content type is too long")
	}
	r := record{contentType: value.ContentType, data: value.Data}
	if ttl > 0 {
		r.expires = now().after(ttl)
	}
	_, _ = rand.Read(r.tag[:]) // never fails, see crypto/rand
	return r, nil
}

func (r record) etag() string { return base64.RawURLEncoding.EncodeToString(r.tag[:]) }

func (r record) expired(present micros) bool { return r.expires != never && r.expires <= present }

// item copies the record out of its transaction.
func (r record) item(present micros, withTTL bool) backends.Item {
	item := backends.Item{
		Value: backends.Value{Data: append([]byte{}, r.data...), ContentType: r.contentType},
		ETag:  r.etag(),
	}
	if withTTL && r.expires != never {
		item.TTL = present.until(r.expires)
	}
	return item
}

// encode makes the sealed bytes, which share nothing with r.
func (r record) encode(key string) []byte {
	encoded := make([]byte, sealSize, headSize+len(r.contentType)+len(r.data))
	encoded = append(encoded, recordVersion)
	encoded = append(encoded, r.tag[:]...)
	encoded = binary.BigEndian.AppendUint64(encoded, uint64(r.expires))
	encoded = binary.BigEndian.AppendUint16(encoded, uint16(len(r.contentType)))
	encoded = append(encoded, r.contentType...)
	return seal(key, append(encoded, r.data...))
}

// decode reads sealed bytes. The data stays where it is.
func decode(key string, encoded []byte) (record, error) {
	if _, err := unseal(key, encoded); err != nil {
		return record{}, err
	}
	return decodeHead(encoded)
}

// decodeHead reads a record without looking at all of its data, so it notices
// damage to the frame only.
func decodeHead(encoded []byte) (record, error) {
	if len(encoded) < headSize || encoded[sealSize] != recordVersion {
		return record{}, errForeign()
	}
	head := encoded[sealSize+1 : headSize]
	typeSize := int(binary.BigEndian.Uint16(head[24:]))
	if len(encoded) < headSize+typeSize {
		return record{}, errForeign()
	}
	r := record{
		expires:     micros(binary.BigEndian.Uint64(head[16:])),
		contentType: string(encoded[headSize : headSize+typeSize]),
		data:        encoded[headSize+typeSize:],
	}
	copy(r.tag[:], head)
	return r, nil
}
