package local

import (
	"encoding/binary"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
)

// memory is how long an ended lease's holder is remembered.
const memory = 24 * time.Hour

// grant is what is kept of a resource: the latest grant, present or past.
// Encoded and sealed it is: version (1), fence (8), end (8), length of the app
// (2), app, owner. The zero value is a resource that nobody ever held.
type grant struct {
	holder backends.Holder
	fence  uint64
	until  micros // the end of the lease
}

const (
	grantVersion = 1
	grantSize    = 1 + 8 + 8 + 2
	maxName      = math.MaxUint16
)

func (g grant) live(present micros) bool       { return g.until > present }
func (g grant) remembered(present micros) bool { return g.until.after(memory) > present }

func (g grant) lease(present micros) backends.Lease {
	return backends.Lease{Holder: g.holder, Fence: g.fence, TTL: present.until(g.until)}
}

// nextFence is max(last+1, time in microseconds): larger than every fence of
// the resource before, by the file while it lasts and by the clock when it was
// lost. The floor stands in for the grants that were forgotten.
func nextFence(tx *bolt.Tx, last uint64, present micros) uint64 {
	return max(last+1, fenceFloor(tx)+1, uint64(max(present, 0)))
}

func fenceFloor(tx *bolt.Tx) uint64 {
	floor := bucket(tx, metaBucket).Get([]byte(fenceFloorKey))
	if len(floor) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(floor)
}

// forget drops a grant that nobody will ask for any more. Its fence must not
// come back even if the clock does, so it raises the floor of all resources.
func forget(tx *bolt.Tx, resource string, g grant) error {
	floor := binary.BigEndian.AppendUint64(nil, max(fenceFloor(tx), g.fence))
	if err := bucket(tx, metaBucket).Put([]byte(fenceFloorKey), floor); err != nil {
		return err
	}
	return bucket(tx, lockBucket).Delete([]byte(resource))
}

func readGrant(tx *bolt.Tx, resource string) (grant, error) {
	stored := bucket(tx, lockBucket).Get([]byte(resource))
	if stored == nil {
		return grant{}, nil
	}
	return decodeGrant(resource, stored)
}

func decodeGrant(resource string, stored []byte) (grant, error) {
	body, err := unseal(resource, stored)
	if err != nil {
		return grant{}, err
	}
	if len(body) < grantSize || body[0] != grantVersion {
		return grant{}, errForeign()
	}
	names, appSize := body[grantSize:], int(binary.BigEndian.Uint16(body[17:]))
	if len(names) < appSize {
		return grant{}, errForeign()
	}
	return grant{
		fence:  binary.BigEndian.Uint64(body[1:]),
		until:  micros(binary.BigEndian.Uint64(body[9:])),
		holder: backends.Holder{App: string(names[:appSize]), Owner: string(names[appSize:])},
	}, nil
}

func writeGrant(tx *bolt.Tx, resource string, g grant) error {
	stored := append(make([]byte, sealSize, 64), grantVersion)
	stored = binary.BigEndian.AppendUint64(stored, g.fence)
	stored = binary.BigEndian.AppendUint64(stored, uint64(g.until))
	stored = binary.BigEndian.AppendUint16(stored, uint16(len(g.holder.App)))
	stored = append(append(stored, g.holder.App...), g.holder.Owner...)
	return bucket(tx, lockBucket).Put([]byte(resource), seal(resource, stored))
}
