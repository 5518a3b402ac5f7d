package redis

import (
	"bytes"
	"testing"

	"github.com/ottogate/ottogate/backends"
)

func FuzzDecodeEnvelope(f *testing.F) {
	for _, e := range []envelope{
		{value: backends.Value{Data: []byte{}}},
		{tag: newTag(), value: backends.Value{Data: []byte("value"), ContentType: "text/plain"}},
		{tag: newTag(), fence: 1 << 60, value: backends.Value{Data: []byte{0, 255}}},
	} {
		stored, err := e.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(stored)
		f.Add(stored[:len(stored)/2])
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		e, err := decodeEnvelope(stored)
		if err != nil {
			return
		}
		if again, err := e.encode(); err != nil || (e.fence != 0 || stored[flagsAt] == 0) && !bytes.Equal(again, stored) {
			t.Fatalf("%x became %x (%v)", stored, again, err)
		}
		if seen, ok := decodeTag(stored[:headSize]); !ok || seen != e.tag {
			t.Fatalf("the head's tag is %s, the envelope's %s", seen, e.tag)
		}
	})
}

func TestCutEnvelopesAreForeign(t *testing.T) {
	stored, err := envelope{tag: newTag(), fence: 7, value: backends.Value{ContentType: "text/plain"}}.encode()
	if err != nil {
		t.Fatal(err)
	}
	for length := range stored {
		if _, err := decodeEnvelope(stored[:length]); err == nil {
			t.Fatalf("%d of %d bytes are taken for a whole envelope", length, len(stored))
		}
	}
}

func TestLaterVersionsAreForeign(t *testing.T) {
	stored, _ := envelope{}.encode()
	stored[len(magic)-1]++
	if _, err := decodeEnvelope(stored); err == nil {
		t.Fatal("an unknown version was read")
	}
}

func TestTooLongContentTypeIsRefused(t *testing.T) {
	value := backends.Value{ContentType: string(make([]byte, 1<<16))}
	if _, _, err := (envelopeCodec{}).encode(value); err == nil {
		t.Fatal("a content type of 64 KiB was taken")
	}
}
