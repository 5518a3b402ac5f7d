package local

import (
	"encoding/binary"
	"hash/crc32"
)

// A segment is a head and frames, one for each group. Big endian:
//
//	head:  magic (4), owner (16), number (8), end of the segment before (8),
//	       checksum of all that (4)
//	frame: magic (4), length of the body (4), checksum (4), body
//	body:  for each change: bucket (1), with the high bit for a removal;
//	       lengths of key and value (uvarints); key; value
//
// A frame's checksum covers the owner, the segment's number, the frame's place
// in it and the body: what lay on the disk before does not pass for a frame,
// nor does a value that was made to look like one, as nobody is told the owner.
const (
	segmentMagic = "OGJ\x01"
	frameMagic   = "\xf7OGF"
	headSegment  = 4 + identitySize + 8 + 8 + 4
	headFrame    = 4 + 4 + 4
	identitySize = 16
	removal      = 0x80
	maxValue     = 1 << 30
)

// identity tells whose a journal is: that of one file, for good.
type identity [identitySize]byte

type segmentHead struct {
	owner  identity
	number uint64
	before int64 // where the segment before ends
}

func (h segmentHead) encode() []byte {
	head := append([]byte(segmentMagic), h.owner[:]...)
	head = binary.BigEndian.AppendUint64(head, h.number)
	head = binary.BigEndian.AppendUint64(head, uint64(h.before))
	return binary.BigEndian.AppendUint32(head, sum(head))
}

// decodeSegmentHead tells a head that was written wholly.
func decodeSegmentHead(content []byte) (h segmentHead, whole bool) {
	if len(content) < headSegment || string(content[:4]) != segmentMagic {
		return h, false
	}
	copy(h.owner[:], content[4:])
	h.number = binary.BigEndian.Uint64(content[4+identitySize:])
	h.before = int64(binary.BigEndian.Uint64(content[4+identitySize+8:]))
	return h, binary.BigEndian.Uint32(content[headSegment-4:]) == sum(content[:headSegment-4])
}

// frame appends a group's frame to into, to stand at place.
func frame(into []byte, owner identity, number uint64, place int64, group *additions) []byte {
	start := len(into)
	into = append(append(into, frameMagic...), make([]byte, headFrame-len(frameMagic))...)
	for id, changes := range group {
		for key, e := range changes {
			into = appendChange(into, byte(id), key, e)
		}
	}
	body := into[start+headFrame:]
	binary.BigEndian.PutUint32(into[start+4:], uint32(len(body)))
	binary.BigEndian.PutUint32(into[start+8:], frameSum(owner, number, place, body))
	return into
}

func appendChange(into []byte, id byte, key string, e entry) []byte {
	if e.gone {
		id |= removal
	}
	into = append(into, id)
	into = binary.AppendUvarint(into, uint64(len(key)))
	into = binary.AppendUvarint(into, uint64(len(e.value)))
	return append(append(into, key...), e.value...)
}

// frameAt gives the body of the frame at a place, if it is there as written.
func frameAt(content []byte, owner identity, number uint64, place int) (body []byte, whole bool) {
	if len(content)-place < headFrame || string(content[place:place+4]) != frameMagic {
		return nil, false
	}
	size := int(binary.BigEndian.Uint32(content[place+4:]))
	if size > len(content)-place-headFrame {
		return nil, false
	}
	body = content[place+headFrame:][:size:size]
	return body, binary.BigEndian.Uint32(content[place+8:]) == frameSum(owner, number, int64(place), body)
}

func frameSum(owner identity, number uint64, place int64, body []byte) uint32 {
	where := binary.BigEndian.AppendUint64(owner[:], number)
	where = binary.BigEndian.AppendUint64(where, uint64(place))
	return crc32.Update(sum(where), crc32.MakeTable(crc32.Castagnoli), body)
}

func sum(bytes []byte) uint32 { return crc32.Checksum(bytes, crc32.MakeTable(crc32.Castagnoli)) }
