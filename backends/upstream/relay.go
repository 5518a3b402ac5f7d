package upstream

import (
	"errors"
	"io"
	"math"
	"strconv"
	"time"
)

// commit hands the answer's head to the caller's writer. From here on the
// deadline is over and the limit of silence holds.
func (x *exchange) commit() {
	own := x.w.Header()
	if x.head.chunked {
		announce(own, x.head.announced, x.head.has)
	}
	if x.upload != nil {
		_ = x.c.SetWriteDeadline(time.Now().Add(x.pool.limits.silence))
		x.upload.begun.Store(true)
		if !x.upload.finished.Load() {
			x.closeCaller()
		}
	}
	commit(x.w, x.passage, x.head.status, x.head.fields, x.head.hop)
	x.begun, x.dirty = true, true
	x.in.waits = x
}

func (h *head) has(name string) bool {
	for _, f := range h.fields {
		if f.name == name {
			return true
		}
	}
	return false
}

// beforeRead runs before the answer's body is waited for: the caller gets what
// is there already. An answer that has come as a whole is never flushed apart.
func (x *exchange) beforeRead() error {
	if x.dirty {
		x.streamed = true
		x.extendWriting()
		if err := x.control.Flush(); err != nil {
			return err
		}
		x.dirty = false
	}
	return x.c.SetReadDeadline(time.Now().Add(x.pool.limits.silence))
}

// extendWriting gives the caller its time anew to take what is written: a
// stream may outlast the server's limit for a whole answer.
func (x *exchange) extendWriting() {
	_ = x.control.SetWriteDeadline(time.Now().Add(x.pool.limits.silence))
}

// relay moves the body as it comes and sees whether it is whole.
func (x *exchange) relay() error {
	var err error
	switch h := &x.head; {
	case h.bodiless:
	case h.chunked:
		err = x.relayChunks()
	case h.length >= 0:
		err = x.relayExactly(h.length)
	default:
		err = x.relayExactly(math.MaxInt64)
		if errors.Is(err, io.EOF) {
			err = nil // the end of the connection is the end of the body
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	x.whole = err == nil
	return err
}

// relayExactly moves n bytes; io.EOF means that there were fewer.
func (x *exchange) relayExactly(n int64) error {
	for n > 0 {
		piece, err := x.piece(n)
		if err != nil {
			return err
		}
		if x.streamed {
			x.extendWriting()
		}
		if _, err := x.w.Write(piece); err != nil {
			return err
		}
		x.dirty = true
		n -= int64(len(piece))
	}
	return nil
}

// piece gives some of the next n bytes: what is buffered, else what the next
// read brings, past the window if many are to come.
func (x *exchange) piece(n int64) ([]byte, error) {
	if x.in.buffered() > 0 {
		return x.in.take(n), nil
	}
	if n <= int64(len(x.in.window)) {
		err := x.in.fill()
		return x.in.take(n), err
	}
	if err := x.beforeRead(); err != nil {
		return nil, err
	}
	if x.block == nil {
		x.block = x.pool.buffers.block()
	}
	got, err := x.c.Read(x.block[:min(n, blockSize)])
	if got > 0 {
		return x.block[:got], nil
	}
	return nil, err
}

// maxChunkLine bounds a chunk's size and extensions together.
const maxChunkLine = 1 << 10

// relayChunks moves a chunked body and its trailers (RFC 9112 §7.1).
func (x *exchange) relayChunks() error {
	for {
		line, err := x.in.line(maxChunkLine)
		if err != nil {
			return err
		}
		size, err := chunkSize(line)
		if err != nil {
			return err
		}
		if size == 0 {
			return x.relayTrailers()
		}
		if err := x.relayExactly(size); err != nil {
			return err
		}
		if line, err = x.in.line(maxChunkLine); err != nil {
			return err
		}
		if len(line) > 0 {
			return babble("chunk longer than its size")
		}
	}
}

// chunkSize reads a chunk's size; extensions are allowed and ignored.
func chunkSize(line []byte) (int64, error) {
	end := 0
	for end < len(line) && isHex(line[end]) {
		end++
	}
	rest := line[end:]
	if !isValue(string(rest)) || (len(rest) > 0 && firstUnspaced(rest) != ';') {
		return 0, babble("bad chunk extension")
	}
	size, err := strconv.ParseUint(string(line[:end]), 16, 60)
	if err != nil {
		return 0, babble("bad chunk size")
	}
	return int64(size), nil
}

// firstUnspaced is the first byte that is neither space nor tab; 0 = none.
func firstUnspaced(text []byte) byte {
	for _, c := range text {
		if c != ' ' && c != '\t' {
			return c
		}
	}
	return 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// relayTrailers reads the fields behind the last chunk.
func (x *exchange) relayTrailers() error {
	for size, count := 0, 0; ; count++ {
		line, err := x.in.line(windowSize)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		if size += len(line); size > x.pool.limits.headBytes || count == x.pool.limits.fields {
			return babble("trailers too large")
		}
		f, err := parseField(string(line))
		if err != nil {
			return err
		}
		setTrailer(x.w.Header(), f)
	}
}
