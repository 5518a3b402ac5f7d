package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The journal is what makes a write durable: a group of changes is appended to
// it and synced, which is one short sequential write, where the file would have
// to rewrite a page for every key. The file follows in the background, in large
// steps. The journal is cut into segments, numbered without gaps. A segment that
// is wholly in the file is spare: it becomes the next one, as writing over
// blocks that a file has already costs less than growing it.
const keepBuffer = 1 << 20

// journal appends to the newest segment. It belongs to one goroutine.
type journal struct {
	base    string // the path of the file
	owner   identity
	number  uint64 // of the newest segment
	segment *os.File
	end     int64 // of what was synced; what lies behind it does not count
	buffer  []byte
}

func segmentPath(base string, number uint64) string {
	return fmt.Sprintf("%s.journal-%016x", base, number)
}

func sparePath(base string) string { return base + ".journal-spare" }

// startJournal goes on in a new segment behind the last one and its end.
func startJournal(base string, owner identity, last uint64, end int64) (*journal, error) {
	j := &journal{base: base, owner: owner, number: last, end: end}
	return j, j.rotate()
}

// rotate goes on in the next segment. On failure the journal stays as it was.
func (j *journal) rotate() error {
	head := segmentHead{j.owner, j.number + 1, j.end}
	segment, err := createSegment(j.base, head)
	if err != nil {
		return err
	}
	if j.segment != nil {
		_ = j.segment.Close() // all of it is synced
	}
	j.segment, j.number, j.end = segment, head.number, headSegment
	return nil
}

// createSegment makes the segment out of the spare one, if there is one, and
// makes its name durable too.
func createSegment(base string, head segmentHead) (*os.File, error) {
	path := segmentPath(base, head.number)
	if err := os.Rename(sparePath(base), path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	segment, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = segment.WriteAt(head.encode(), 0)
	if err = errors.Join(err, segment.Sync(), syncFolder(filepath.Dir(path))); err != nil {
		return nil, errors.Join(err, segment.Close(), os.Remove(path))
	}
	return segment, nil
}

// append brings a group to disk. After a failure it may be there or not, until
// the next group is written over it.
func (j *journal) append(group *additions) error {
	j.buffer = frame(j.buffer[:0], j.owner, j.number, j.end, group)
	if _, err := j.segment.WriteAt(j.buffer, j.end); err != nil {
		return err
	}
	if err := syncData(j.segment); err != nil {
		return err
	}
	j.end += int64(len(j.buffer))
	if cap(j.buffer) > keepBuffer {
		j.buffer = nil
	}
	return nil
}

// close keeps the segments: only what is in the file may be given up.
func (j *journal) close() error { return j.segment.Close() }

// giveUp drops segments that are in the file. The last one becomes the spare.
func giveUp(base string, first, last uint64) error {
	for number := first; number < last; number++ {
		if err := os.Remove(segmentPath(base, number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Rename(segmentPath(base, last), sparePath(base))
}
