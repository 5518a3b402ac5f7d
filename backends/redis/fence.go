package redis

import (
	"time"

	"github.com/ottogate/ottogate/backends"
)

// fenceKept is how long the newest token of a resource is remembered after the
// last write under one: far longer than any lease, and than a write that the
// fence is to stop can be under way.
const fenceKept = 30 * 24 * time.Hour

// fenceKey is where the newest token of a fence's resource is kept: a hash, so
// that no listing takes it for a value. All of a Redis share it. A Cluster
// changes keys of one slot only, so there each hash tag remembers for itself:
// what is promised holds per key.
func (s *State) fenceKey(fence *backends.Fence, key string) string {
	if s.conn.isCluster() {
		return "ottogate:fence:{" + neighbour(key) + "}:" + fence.Resource
	}
	return "ottogate:fence:" + fence.Resource
}
