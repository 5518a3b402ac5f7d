package redis

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/ottogate/ottogate/problem"
)

// position is where a listing goes on. A SCAN cursor means something only to
// the process that gave it: every start of a server shuffles its keys anew.
// epoch names the processes (and, on a Cluster, who has which slots); when it
// has changed the listing starts over, so that it misses nothing.
type position struct {
	epoch uint64
	node  uint16
	scan  uint64
}

const (
	positionVersion = 1
	positionSize    = 1 + 8 + 2 + 8
	positionCheck   = 8
)

// text writes the position as a cursor that is good for this prefix only. The
// check keeps mistakes out, not forgers: a forged position still lists only
// what the caller may list.
func (p position) text(prefix string) string {
	out := []byte{positionVersion}
	out = binary.BigEndian.AppendUint64(out, p.epoch)
	out = binary.BigEndian.AppendUint16(out, p.node)
	out = binary.BigEndian.AppendUint64(out, p.scan)
	out = append(out, cursorCheck(out, prefix)...)
	return base64.RawURLEncoding.EncodeToString(out)
}

func parsePosition(text, prefix string) (position, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != positionSize+positionCheck || raw[0] != positionVersion ||
		string(raw[positionSize:]) != string(cursorCheck(raw[:positionSize], prefix)) {
		return position{}, problem.New(problem.InvalidCursor, "the cursor was not made for this prefix")
	}
	return position{
		epoch: binary.BigEndian.Uint64(raw[1:]),
		node:  binary.BigEndian.Uint16(raw[9:]),
		scan:  binary.BigEndian.Uint64(raw[11:]),
	}, nil
}

func cursorCheck(payload []byte, prefix string) []byte {
	sum := sha256.Sum256(append(append([]byte("list\x00"), payload...), prefix...))
	return sum[:positionCheck]
}
