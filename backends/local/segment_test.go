package local

import (
	"testing"
)

// A frame is one only where it was written: in this journal, this segment, at
// this place.
func TestFrameIsBoundToItsPlace(t *testing.T) {
	group := &additions{}
	group[stateBucket] = map[string]entry{"key": {value: []byte("value")}}
	owner := identity{1}
	content := frame(make([]byte, 10), owner, 2, 10, group)
	content = append(content, content[10:]...)
	again := 10 + (len(content)-10)/2
	for name, ask := range map[string]struct {
		owner  identity
		number uint64
		place  int
		whole  bool
	}{
		"itself": {owner, 2, 10, true}, "another owner": {identity{2}, 2, 10, false}, "another segment": {owner, 3, 10, false},
		"another place": {owner, 2, again, false}, "beside it": {owner, 2, 11, false}, "behind the end": {owner, 2, len(content), false},
	} {
		if _, whole := frameAt(content, ask.owner, ask.number, ask.place); whole != ask.whole {
			t.Errorf("%s: whole is %v", name, whole)
		}
	}
}

// The size of a table follows what it holds, also when a key is written over.
func TestTableKnowsItsSize(t *testing.T) {
	var over, once table
	over.set(stateBucket, []byte("key"), entry{value: make([]byte, 5000)})
	over.set(stateBucket, []byte("key"), entry{value: make([]byte, 9000)})
	over.set(stateBucket, []byte("key"), entry{value: make([]byte, 10)})
	once.set(stateBucket, []byte("key"), entry{value: make([]byte, 10)})
	if over.size != once.size || once.size < 10 {
		t.Fatalf("sizes %d and %d", over.size, once.size)
	}
}
