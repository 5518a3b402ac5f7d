package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// errDamaged is a journal that no crash explains. It is better not to start than
// to lose acknowledged writes in silence.
var errDamaged = errors.New("the journal is damaged")

// replayed is what was found in a journal.
type replayed struct {
	table *table // what is not in the file yet
	last  uint64 // the last segment
	end   int64  // and where its frames end
}

// replay reads what of the journal is not in the file yet. A crash may have torn
// the last group, whose writers were told nothing: it does not count. Anything
// else that is not as it was written is an error.
func replay(base string, owner identity, settled uint64) (r replayed, err error) {
	r = replayed{table: &table{}, last: settled}
	numbers, err := segmentNumbers(base)
	if err != nil {
		return r, err
	}
	for _, number := range numbers {
		if number <= settled {
			err = os.Remove(segmentPath(base, number)) // the crash came before it was given up
		} else {
			err = r.segment(base, owner, number, number == numbers[len(numbers)-1])
		}
		if err != nil {
			return r, fmt.Errorf("segment %d: %w", number, err)
		}
	}
	return r, nil
}

func segmentNumbers(base string) ([]uint64, error) {
	names, err := os.ReadDir(filepath.Dir(base))
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, entry := range names {
		text, is := strings.CutPrefix(entry.Name(), filepath.Base(base)+".journal-")
		number, err := strconv.ParseUint(text, 16, 64)
		if is && err == nil {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// segment adds one segment. The newest may not have been begun: the crash came
// while it was made, and nothing was written to it.
func (r *replayed) segment(base string, owner identity, number uint64, newest bool) error {
	content, err := os.ReadFile(segmentPath(base, number))
	if err != nil {
		return err
	}
	head, whole := decodeSegmentHead(content)
	whole = whole && head.number == number
	if _, used := frameAt(content, owner, number, headSegment); newest && !whole && !used {
		return os.Remove(segmentPath(base, number))
	}
	switch {
	case !whole || number != r.last+1:
		return errDamaged
	case head.owner != owner:
		return errors.New("the journal belongs to another file")
	}
	end, err := r.frames(content, head, endOf(base, number))
	r.last, r.end = number, int64(end)
	return err
}

// endOf asks the next segment where this one ends; 0 when it was the newest.
func endOf(base string, number uint64) int {
	next, err := os.Open(segmentPath(base, number+1))
	if err != nil {
		return 0
	}
	defer next.Close()
	content := make([]byte, headSegment)
	if _, err := io.ReadFull(next, content); err != nil {
		return 0
	}
	head, whole := decodeSegmentHead(content)
	if !whole || head.number != number+1 {
		return 0
	}
	return int(head.before)
}

// frames reads up to the known end, or else to the last whole frame.
func (r *replayed) frames(content []byte, head segmentHead, known int) (end int, err error) {
	for end = headSegment; known == 0 || end < known; {
		body, whole := frameAt(content, head.owner, head.number, end)
		if !whole {
			break
		}
		if err := r.changes(body); err != nil {
			return end, err
		}
		end += headFrame + len(body)
	}
	if known == 0 {
		return end, nothingBehind(content, head, end)
	}
	if end != known {
		return end, errDamaged
	}
	return end, nil
}

// nothingBehind refuses a bad frame that a good one follows: a group is written
// only after the one before it was synced, so a crash tears the last one alone.
// What is behind it otherwise is of the segment that the file was before.
func nothingBehind(content []byte, head segmentHead, end int) error {
	patience := 16 * len(content) // values may be full of what looks like frames
	for place := end; patience > 0; place++ {
		next := bytes.Index(content[min(place, len(content)):], []byte(frameMagic))
		if next < 0 {
			return nil
		}
		place += next
		body, whole := frameAt(content, head.owner, head.number, place)
		if whole {
			return errDamaged
		}
		patience -= len(body)
	}
	return nil
}

// changes adds what a frame's body says.
func (r *replayed) changes(body []byte) error {
	for len(body) > 0 {
		id, gone := bucketID(body[0]&^removal), body[0]&removal != 0
		keySize, a := binary.Uvarint(body[1:])
		valueSize, b := binary.Uvarint(body[1+max(a, 0):])
		rest := body[min(1+max(a, 0)+max(b, 0), len(body)):]
		if id >= bucketCount || a <= 0 || b <= 0 || keySize > uint64(len(rest)) || valueSize > uint64(len(rest))-keySize {
			return errDamaged
		}
		key, value := rest[:keySize:keySize], rest[keySize:][:valueSize:valueSize]
		r.table.set(id, key, entry{value: value, gone: gone})
		body = rest[keySize+valueSize:]
	}
	return nil
}
