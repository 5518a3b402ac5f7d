package redis

import (
	"bytes"
	"context"
	"crypto/sha1" // #nosec G505 -- the hash that scripts have; a tag, not a proof
	"encoding/hex"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Encoding says how values lie in Redis.
type Encoding string

// The encodings; the empty one is EncodingEnvelope.
const (
	EncodingEnvelope Encoding = "envelope" // with content type and a tag per write
	EncodingRaw      Encoding = "raw"      // as other programs write and read them
)

// codec is an encoding at work.
type codec interface {
	// encode gives the bytes to store, which are a copy, and their ETag.
	encode(value backends.Value) (stored []byte, etag string, err error)
	// decode reads stored bytes, which the item may share.
	decode(stored []byte) (backends.Item, error)
	// tags packs ETags as scripts compare them; what can be no tag of this
	// encoding is left out, since it matches nothing.
	tags(etags []string) string
	// peeked reads the ETag out of what peek's command answered; false for
	// bytes that are not of this encoding.
	peeked(answer []byte) (etag string, ok bool)
}

func (e Encoding) codec() codec {
	if e == EncodingRaw {
		return rawCodec{}
	}
	return envelopeCodec{}
}

// peek is the cheapest command that tells a key's ETag.
func (e Encoding) peek(ctx context.Context, key string) *redis.StringCmd {
	if e == EncodingRaw {
		return redis.NewStringCmd(ctx, "get", key)
	}
	return redis.NewStringCmd(ctx, "getrange", key, 0, headSize-1)
}

// mint gives the tag of a counter, which a script will write, as bytes and as
// ETag. There is none where the digits decide.
func (e Encoding) mint() (bare []byte, etag string) {
	if e == EncodingRaw {
		return nil, ""
	}
	t := newTag()
	return t[:], t.String()
}

// envelopeCodec stores what the gateway needs to know in front of the value.
type envelopeCodec struct{}

var _ codec = envelopeCodec{}

func (envelopeCodec) encode(value backends.Value) ([]byte, string, error) {
	e := envelope{tag: newTag(), value: value}
	stored, err := e.encode()
	if err != nil {
		return nil, "", problem.Wrap(problem.Unprocessable, err, "%s", err)
	}
	return stored, e.tag.String(), nil
}

func (envelopeCodec) decode(stored []byte) (backends.Item, error) {
	e, err := decodeEnvelope(stored)
	if err != nil {
		return backends.Item{}, problem.Wrap(problem.ForeignValue, err, "%s", details[problem.ForeignValue])
	}
	return backends.Item{Value: e.value, ETag: e.tag.String()}, nil
}

func (envelopeCodec) tags(etags []string) string {
	var packed strings.Builder
	for _, etag := range etags {
		if bare, err := tagText.DecodeString(etag); err == nil && len(bare) == tagSize {
			packed.Write(bare)
		}
	}
	return packed.String()
}

func (envelopeCodec) peeked(answer []byte) (string, bool) {
	t, ok := decodeTag(answer)
	return t.String(), ok
}

// rawCodec stores the bytes as they are. Equal content has an equal tag, and
// no content type is kept.
type rawCodec struct{}

var _ codec = rawCodec{}

func (rawCodec) encode(value backends.Value) ([]byte, string, error) {
	stored := bytes.Clone(value.Data)
	return stored, contentTag(stored), nil
}

func (rawCodec) decode(stored []byte) (backends.Item, error) {
	return backends.Item{Value: backends.Value{Data: stored}, ETag: contentTag(stored)}, nil
}

func (rawCodec) tags(etags []string) string {
	var packed strings.Builder
	for _, etag := range etags {
		if len(etag) == hex.EncodedLen(sha1.Size) {
			packed.WriteString(etag)
		}
	}
	return packed.String()
}

func (rawCodec) peeked(answer []byte) (string, bool) { return contentTag(answer), true }

// contentTag is the hash that scripts compute by redis.sha1hex.
func contentTag(content []byte) string {
	sum := sha1.Sum(content) // #nosec G401 -- a tag, not a proof
	return hex.EncodeToString(sum[:])
}
