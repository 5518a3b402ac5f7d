package local

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
)

// table holds in memory, in order, what the journal has and the file has not
// yet. It is a skip list per bucket (W. Pugh, 1990). One goroutine may write
// while none reads, or many read.
type table struct {
	lists [bucketCount]list
	size  int // about how many bytes it takes
}

// entry is what became of a key.
type entry struct {
	value []byte // never written to again
	gone  bool
}

const (
	maxHeight    = 16
	nodeOverhead = 128
)

type list struct {
	head [maxHeight]*node
}

type node struct {
	key []byte
	entry
	next []*node // by level; as long as the node is high
}

func (t *table) get(id bucketID, key []byte) (entry, bool) {
	n := t.lists[id].seek(key)
	if n == nil || !bytes.Equal(n.key, key) {
		return entry{}, false
	}
	return n.entry, true
}

func (t *table) set(id bucketID, key []byte, e entry) {
	t.size += t.lists[id].set(key, e)
}

// seek finds the first node that is not before key.
func (l *list) seek(key []byte) *node {
	links := l.head[:]
	var found *node
	for level := maxHeight - 1; level >= 0; level-- {
		for found = links[level]; found != nil && bytes.Compare(found.key, key) < 0; found = links[level] {
			links = found.next
		}
	}
	return found
}

// set gives the number of bytes by which the list grew.
func (l *list) set(key []byte, e entry) (growth int) {
	var before [maxHeight][]*node // the links to change, by level
	links := l.head[:]
	var found *node
	for level := maxHeight - 1; level >= 0; level-- {
		for found = links[level]; found != nil && bytes.Compare(found.key, key) < 0; found = links[level] {
			links = found.next
		}
		before[level] = links
	}
	if found != nil && bytes.Equal(found.key, key) {
		growth = len(e.value) - len(found.value)
		found.entry = e
		return growth
	}
	added := &node{key: key, entry: e, next: make([]*node, height())}
	for level := range added.next {
		added.next[level], before[level][level] = before[level][level], added
	}
	return len(key) + len(e.value) + nodeOverhead
}

// height is 1 for three nodes in four, 2 for three in four of the others, and
// so on.
func height() int {
	return min(1+bits.TrailingZeros64(rand.Uint64())/2, maxHeight)
}
