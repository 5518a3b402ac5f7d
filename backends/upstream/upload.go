package upstream

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// upload moves a request body to the upstream while the answer is awaited and
// read. The exchange owns its goroutine and stops it.
type upload struct {
	r       *http.Request
	c       *connection
	block   *block
	chunked bool
	silence time.Duration

	finished atomic.Bool // the caller's body has been read to its end
	begun    atomic.Bool // the answer has begun: rolling deadlines hold now
	halted   atomic.Bool
	done     chan struct{}
	err      error // why it ended early; read after done
}

// Room around the data for the frame of a chunk, so that it goes out in one
// write: up to eight digits and a line end before, a line end behind.
const (
	frameBefore = 10
	frameBehind = 2
)

func startUpload(x *exchange) *upload {
	u := &upload{
		r: x.r, c: x.c, block: x.pool.buffers.block(), chunked: x.r.ContentLength < 0,
		silence: x.pool.limits.silence, done: make(chan struct{}),
	}
	go func() {
		defer close(u.done)
		u.err = u.run()
		if errors.As(u.err, new(callerFault)) {
			_ = u.c.Close() // the upstream must not take the cut body for a whole one
		}
	}()
	return u
}

func (u *upload) run() error {
	left := u.r.ContentLength
	for u.chunked || left > 0 {
		n, err := u.read()
		left -= int64(n)
		if errors.Is(err, io.EOF) || (!u.chunked && left == 0) {
			u.finished.Store(true)
		}
		if n > 0 {
			if err := u.write(n); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if u.chunked {
		return u.endChunks()
	}
	if left > 0 {
		return callerFault{io.ErrUnexpectedEOF}
	}
	return nil
}

// read takes what the caller has sent into the block. Errors but the end are
// told from the end of our own interest.
func (u *upload) read() (int, error) {
	if u.halted.Load() {
		return 0, errHalted
	}
	n, err := u.r.Body.Read(u.block[frameBefore : blockSize-frameBehind])
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case u.halted.Load():
		return n, errHalted
	default:
		return n, callerFault{err}
	}
}

var errHalted = errors.New("the answer was there before the body had gone out")

// write sends the n bytes that were read into the block.
func (u *upload) write(n int) error {
	if u.begun.Load() {
		_ = u.c.SetWriteDeadline(time.Now().Add(u.silence))
	}
	from, to := frameBefore, frameBefore+n
	if u.chunked {
		var digits [8]byte
		size := append(strconv.AppendInt(digits[:0], int64(n), 16), '\r', '\n')
		from -= copy(u.block[frameBefore-len(size):], size)
		to += copy(u.block[to:], "\r\n")
	}
	_, err := u.c.Write(u.block[from:to])
	return err
}

// endChunks writes the last chunk and the caller's trailers.
func (u *upload) endChunks() error {
	out := u.block[:0]
	out = append(out, "0\r\n"...)
	for name, values := range u.r.Trailer {
		if forbiddenTrailer(name) {
			continue
		}
		for _, value := range values {
			if isToken(name) && isValue(value) {
				out = appendField(out, name, value)
			}
		}
	}
	_, err := u.c.Write(append(out, "\r\n"...))
	return err
}

// stop waits for the upload's end, and brings it about if the exchange is over
// before it. It tells whether the body went out as a whole. It may be called
// twice.
func (u *upload) stop(x *exchange) bool {
	select {
	case <-u.done:
	default:
		if !u.settle(x) {
			u.interrupt(x)
		}
	}
	if u.block != nil {
		x.pool.buffers.blocks.Put(u.block)
		u.block = nil
	}
	return u.err == nil
}

// settle gives an upload that has read all a moment to write the rest: an
// answer often overtakes the end of the writing goroutine by microseconds.
func (u *upload) settle(x *exchange) bool {
	if !u.finished.Load() || !x.whole {
		return false
	}
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-u.done:
		return true
	case <-timer.C:
		return false
	}
}

// interrupt ends an upload that nobody wants any more. What is left of the
// body must not be taken for the caller's next request, so the connection ends
// with this answer.
func (u *upload) interrupt(x *exchange) {
	x.broken = !x.callerLeft()
	u.halted.Store(true)
	_ = u.c.Close()
	x.closeCaller()
	wakeReader(x.control, x.pool.limits.linger, func(patience time.Duration) bool {
		select {
		case <-u.done:
			return true
		case <-time.After(patience):
			return false
		}
	})
}

// wakeReader ends a read from the caller by a passed deadline, again and
// again, since a wrapper of the body may set a new one, until gone tells that
// nobody reads any more. The server then has linger to drain what it likes.
func wakeReader(control *http.ResponseController, linger time.Duration, gone func(patience time.Duration) bool) {
	for patience := time.Millisecond; ; patience = min(2*patience, 50*time.Millisecond) {
		_ = control.SetReadDeadline(time.Unix(1, 0))
		if gone(patience) {
			break
		}
	}
	_ = control.SetReadDeadline(time.Now().Add(linger))
}

// closeCaller ends the caller's connection after this answer, where the answer
// has not begun; one that has begun said so in its head.
func (x *exchange) closeCaller() {
	if !x.begun && x.r.ProtoMajor == 1 {
		x.w.Header().Set("Connection", "close")
	}
}
