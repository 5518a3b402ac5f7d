package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"
	"time"
)

// direct is the own HTTP/1.1 client: one goroutine, the handler's, writes the
// request and reads the answer, with a second one only where a body streams.
type direct struct {
	pool  *Pool
	keeps map[*endpoint]*keep // never written after it was made
}

var _ carrier = (*direct)(nil)

func newDirect(p *Pool, endpoints []*endpoint) *direct {
	d := &direct{pool: p, keeps: make(map[*endpoint]*keep, len(endpoints))}
	for _, e := range endpoints {
		d.keeps[e] = newKeep(e.address, &p.limits)
	}
	return d
}

func (d *direct) carry(w http.ResponseWriter, p *passage) *failure {
	kept := d.keeps[p.endpoint]
	c, err := kept.get(p.r.Context(), p.tryUntil, p.fresh)
	if err != nil {
		return &failure{unreached, err}
	}
	x := d.begin(w, p, kept, c)
	defer x.end()
	if f := x.send(); f != nil {
		return f
	}
	if err := x.awaitHead(); err != nil {
		return &failure{x.stageOf(err), x.causeOf(err)}
	}
	x.commit()
	if err := x.relay(); err != nil {
		return &failure{committed, err}
	}
	return nil
}

func (d *direct) tidy(now time.Time) {
	for _, k := range d.keeps {
		k.tidy(now)
	}
}

func (d *direct) close() {
	for _, k := range d.keeps {
		k.close()
	}
}

// exchange is one request and its answer on one connection.
type exchange struct {
	*passage
	w       http.ResponseWriter
	control *http.ResponseController
	keep    *keep
	c       *connection
	detach  func() bool // from the caller's context
	upload  *upload     // the body on its way, when it streams
	cut     bool        // the request did not go out as a whole

	in       reader
	head     head
	block    *block // moves a large body
	begun    bool   // the answer's head is with the caller's writer
	dirty    bool   // there may be bytes that the caller's writer holds back
	streamed bool   // the caller's write deadline is ours
	whole    bool   // the answer was read to its end
}

func (d *direct) begin(w http.ResponseWriter, p *passage, kept *keep, c *connection) *exchange {
	x, ok := d.pool.buffers.exchanges.Get().(*exchange)
	if !ok {
		x = new(exchange)
	}
	*x = exchange{
		passage: p, w: w, control: http.NewResponseController(w), keep: kept, c: c,
		in: x.in, head: head{fields: x.head.fields[:0]},
	}
	x.in.reset(c)
	// The upstream learns at once that the caller has gone.
	x.detach = context.AfterFunc(p.r.Context(), func() { _ = c.Close() })
	return x
}

// end leaves nothing of the exchange behind: the upload has stopped, the
// connection is kept or closed, the buffers are returned.
func (x *exchange) end() {
	uploaded := x.upload == nil || x.upload.stop(x)
	if x.detach() && x.reusable() && uploaded {
		x.keep.put(x.c)
	} else {
		x.keep.drop(x.c)
	}
	buffers := &x.pool.buffers
	if x.block != nil {
		buffers.blocks.Put(x.block)
	}
	if x.streamed {
		_ = x.control.SetWriteDeadline(time.Time{})
	}
	window, fields := x.in.window, x.head.fields
	clear(fields[:cap(fields)])
	*x = exchange{in: reader{window: window}, head: head{fields: fields[:0]}}
	buffers.exchanges.Put(x)
}

// reusable tells whether the connection stands between two answers: anything
// that came behind the end of this one makes it suspect.
func (x *exchange) reusable() bool {
	return x.whole && !x.head.last && !x.cut && x.in.buffered() == 0
}

// stageOf says what an upstream can have made of a request whose answer did
// not begin. A kept connection that ends without a byte was most likely
// closed before the request came.
func (x *exchange) stageOf(err error) stage {
	ended := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	if x.c.kept && ended && x.head.status == 0 && x.in.buffered() == 0 {
		return stale
	}
	return sent
}

// causeOf prefers the caller's fault, when the upload failed by one and closed
// the connection for it.
func (x *exchange) causeOf(err error) error {
	if x.upload == nil {
		return err
	}
	x.upload.stop(x)
	if errors.As(x.upload.err, new(callerFault)) {
		return x.upload.err
	}
	return err
}

// awaitHead reads heads until the final one.
func (x *exchange) awaitHead() error {
	if x.streams && x.expects() {
		if err := x.awaitContinue(); err != nil || x.head.status >= 200 {
			return err
		}
	}
	for range x.pool.limits.interim {
		if err := x.readHead(); err != nil || x.head.status >= 200 {
			return err
		}
	}
	return babble("too many interim answers")
}

// readHead reads one head and deals with an interim one.
func (x *exchange) readHead() error {
	text, err := x.in.head(x.pool.limits.headBytes)
	if err != nil {
		return err
	}
	if err := x.head.parse(text, x.r.Method, x.pool.limits.fields); err != nil {
		return err
	}
	switch {
	case x.head.status == http.StatusSwitchingProtocols:
		return babble("an upgrade that nobody asked for")
	case x.head.status < 200 && x.head.status != http.StatusContinue:
		inform(x.w, x.r, x.head.status, x.head.fields)
	}
	return nil
}

// awaitContinue holds the body back until the upstream asks for it, for as
// long as is polite (RFC 9110 §10.1.1). Reading the caller's body then makes
// net/http tell the caller to go on. A final answer instead means that the
// body is not wanted.
func (x *exchange) awaitContinue() error {
	_ = x.c.SetReadDeadline(earlier(x.tryUntil, after(x.pool.limits.continueWait)))
	err := x.readHead()
	switch {
	case err != nil && !isTimeout(err), err == nil && x.head.status >= 200:
		x.cut = true
		return err
	case err != nil && !x.tryUntil.IsZero() && !time.Now().Before(x.tryUntil):
		return err
	}
	_ = x.c.SetReadDeadline(x.tryUntil)
	x.startUpload()
	return nil
}
