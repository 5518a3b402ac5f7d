package upstream

import (
	"bytes"
	"io"
)

// reader reads an upstream's connection through a small window. It hands out
// views of the window, valid until the next read.
type reader struct {
	source io.Reader
	window []byte // what it reads into
	from   int    // window[from:to] is unread
	to     int
	waits  waiter // told before every read that may block; nil = nobody
}

type waiter interface{ beforeRead() error }

func (b *reader) reset(source io.Reader) {
	if len(b.window) != windowSize {
		b.window = make([]byte, windowSize) // a long head made it grow
	}
	b.source, b.from, b.to, b.waits = source, 0, 0, nil
}

func (b *reader) buffered() int { return b.to - b.from }

// fill reads once, as much as comes. Unread bytes move to the front first;
// the window must not be full.
func (b *reader) fill() error {
	if b.waits != nil {
		if err := b.waits.beforeRead(); err != nil {
			return err
		}
	}
	if b.from > 0 {
		b.to = copy(b.window, b.window[b.from:b.to])
		b.from = 0
	}
	n, err := b.source.Read(b.window[b.to:])
	b.to += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// take gives up to n unread bytes.
func (b *reader) take(n int64) []byte {
	piece := b.window[b.from:b.to]
	if int64(len(piece)) > n {
		piece = piece[:n]
	}
	b.from += len(piece)
	return piece
}

// line gives the next line without its CRLF, of at most limit bytes.
func (b *reader) line(limit int) ([]byte, error) {
	for scanned := 0; ; {
		unread := b.window[b.from:b.to]
		if end := bytes.IndexByte(unread[scanned:], '\n'); end >= 0 {
			end += scanned
			if end == 0 || unread[end-1] != '\r' {
				return nil, babble("bare line feed")
			}
			b.from += end + 1
			return unread[:end-1], nil
		}
		if scanned = len(unread); scanned >= limit {
			return nil, babble("line too long")
		}
		if err := b.fill(); err != nil {
			return nil, err
		}
	}
}

// head gives a whole head including the empty line at its end, as one string
// of which fields are cut. The first line is looked at as soon as it is there,
// so that what is not HTTP at all is refused without waiting for more.
func (b *reader) head(limit int) (string, error) {
	scanned := 0 // complete lines
	for {
		size, whole, err := wholeLines(b.window[b.from:b.to], scanned)
		if err != nil {
			return "", err
		}
		if whole {
			text := string(b.window[b.from : b.from+size])
			b.from += size
			return text, nil
		}
		scanned = size
		if err := b.room(limit); err != nil {
			return "", err
		}
		if err := b.fill(); err != nil {
			return "", err
		}
	}
}

// room lets a head grow up to the limit.
func (b *reader) room(limit int) error {
	switch {
	case b.buffered() < len(b.window):
		return nil
	case b.buffered() >= limit:
		return babble("head too large")
	}
	wider := make([]byte, min(2*len(b.window), limit))
	b.to = copy(wider, b.window[b.from:b.to])
	b.window, b.from = wider, 0
	return nil
}

// wholeLines goes on from the lines it has seen before: it gives the size of
// all complete ones and tells whether the last of them is empty.
func wholeLines(unread []byte, seen int) (size int, empty bool, err error) {
	if !bytes.HasPrefix(unread, []byte("HTTP/1."[:min(7, len(unread))])) {
		return 0, false, babble("not HTTP/1")
	}
	for {
		end := bytes.IndexByte(unread[seen:], '\n')
		switch {
		case end < 0:
			return seen, false, nil
		case end == 0 || unread[seen+end-1] != '\r':
			return 0, false, babble("bare line feed")
		}
		seen += end + 1
		if end == 1 {
			return seen, true, nil
		}
	}
}
