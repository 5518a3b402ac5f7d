package middleware

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/ottogate/ottogate/problem"
)

// drainPatience is how long the server looks for the end of a body that
// nobody wants. It does so before it sends the answer, since a client may read
// that only once it has sent all; a body that is there costs no time and the
// connection is kept.
const drainPatience = time.Second

// drainLimit is how much of a body that nobody wants is read: as much as the
// server itself reads.
const drainLimit = 256 << 10

// body is a request's body under its limits: it ends with body-too-large when
// more comes than may, and with body-timeout when nothing comes for too long.
// Whoever reads it gets these as its error and need not look for them. It is
// read by one goroutine at a time, which may be an upstream client's that still
// reads when the answer is done.
type body struct {
	io.ReadCloser
	left  int64 // may still come
	limit int64 // for the detail
	read  atomic.Int64
	ended atomic.Bool // the server needs no more time for it, or has taken the deadline away
	over  atomic.Bool // nobody is to read it any more, and soon the connection is another request's

	last  http.ResponseWriter // the server's, of a connection that ends with this request; else nil
	conn  *http.ResponseController
	idle  time.Duration // the longest silence; 0 = no limit
	until time.Time     // the end of all patience; the zero time = none
	armed time.Time     // the read deadline as last set
}

// size is how many bytes have been read; none without a body.
func (b *body) size() int64 {
	if b == nil {
		return 0
	}
	return b.read.Load()
}

// lower makes the limit smaller before anything has been read.
func (b *body) lower(limit int64) {
	if b.left > limit {
		b.left, b.limit = limit, limit
	}
}

// Read reads on while the body keeps within its limits.
func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more tells whether there is more
	}
	b.arm()
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	if err != nil {
		b.ended.Store(true)
	}
	if int64(n) > b.left {
		n, b.left = int(b.left), 0
		return n, problem.New(problem.BodyTooLarge, "the body is larger than %d bytes", b.limit)
	}
	b.left -= int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = problem.Wrap(problem.BodyTimeout, err, "the body came too slowly")
	}
	return n, err
}

// Close may read on to the end, as the server's own bodies do.
func (b *body) Close() error {
	b.ended.Store(true)
	return b.ReadCloser.Close()
}

// endBy bounds the whole body.
func (b *body) endBy(until time.Time) {
	b.until, b.armed = until, time.Time{} // the next read sets the sooner of the deadlines
}

// dismiss is for when nobody will read any more: the server soon gives up
// looking for the end, and then closes the connection behind the answer. It
// may be called again, and without a body.
func (b *body) dismiss() {
	if b == nil || b.over.Swap(true) || b.ended.Load() {
		return
	}
	_ = b.conn.SetReadDeadline(time.Now().Add(drainPatience)) // fails where there is no connection
}

// finish dismisses the body, and reads it where the server would not: that
// closes a connection which is to end without a look at what still comes, and
// the system then takes back an answer that is on its way.
func (b *body) finish() {
	b.dismiss()
	if b == nil || b.last == nil || b.ended.Load() {
		return
	}
	rest := http.MaxBytesReader(b.last, b.ReadCloser, drainLimit) // tells the server if there is more, which then closes gently
	_, _ = io.Copy(io.Discard, rest)                              // whatever stops it, the connection ends
}

// arm sets the read deadline anew once a good part of it is used up, so that
// a quick body pays for it once. At the body's end the server itself takes the
// deadline away.
func (b *body) arm() {
	if b.idle <= 0 && b.until.IsZero() || b.over.Load() || b.ended.Load() {
		return
	}
	now := time.Now()
	if b.armed.Sub(now) > b.idle*3/4 {
		return
	}
	deadline := b.until
	if byIdle := now.Add(b.idle); b.idle > 0 && (deadline.IsZero() || byIdle.Before(deadline)) {
		deadline = byIdle
	}
	if !deadline.Equal(b.armed) && b.conn.SetReadDeadline(deadline) == nil {
		b.armed = deadline
	}
}
