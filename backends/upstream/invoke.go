package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// carrier takes requests to endpoints. There are two: direct and reference.
type carrier interface {
	// carry makes one try at p.endpoint and writes the answer to w. A failure
	// before stage committed has written nothing.
	carry(w http.ResponseWriter, p *passage) *failure
	// tidy closes connections that have been unused for too long at now.
	tidy(now time.Time)
	// close closes all connections, also those in use.
	close()
}

// passage is one request on its way through, over all its tries. It belongs
// to the handler's goroutine.
type passage struct {
	pool    *Pool
	service *service
	r       *http.Request
	info    *request.Info
	path    string
	until   time.Time // for the answer's headers; zero = none

	inline  []byte // the whole body, when it is small
	held    *block // what inline lives in
	streams bool   // the body is too large or too unknown to hold

	tries    int         // how often it was sent, or could not be
	arrived  bool        // an upstream may have acted on it
	tried    []*endpoint // could not be reached
	endpoint *endpoint
	tryUntil time.Time // until, or sooner
	fresh    bool      // use no kept connection: one was stale
	broken   bool      // we broke off reading the caller's body, which ends its context too
}

// Invoke passes r to the service; see backends.Invoker. When an answer is cut
// after its headers went out, Invoke panics with http.ErrAbortHandler, the way
// of net/http to close the caller's connection so that the caller can tell;
// the server recovers it silently.
func (p *Pool) Invoke(w http.ResponseWriter, r *http.Request, call backends.Call) error {
	if !p.enter() {
		return problem.New(problem.ShuttingDown, "the gateway is shutting down")
	}
	defer p.calls.Done()
	passing, err := p.admit(r, call)
	if err != nil {
		return err
	}
	defer passing.release()
	if err := passing.hold(w); err != nil {
		return err
	}
	return passing.run(w)
}

// admit refuses what must never reach an upstream.
func (p *Pool) admit(r *http.Request, call backends.Call) (*passage, error) {
	service, ok := p.services[call.Service]
	switch {
	case !ok:
		return nil, problem.New(problem.NoSuchService, "no service %q", call.Service)
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return nil, problem.New(problem.MethodNotAllowed, "%s does not pass", r.Method)
	case !strings.HasPrefix(call.Path, "/") || !isTarget(call.Path) || !isTarget(r.URL.RawQuery):
		return nil, problem.New(problem.InvalidRequest, "the path or query holds a space or control character")
	case passedBefore(r.Header, p.pseudonym):
		return nil, problem.New(problem.Loop, "service %q leads back to this gateway", call.Service)
	}
	until := earlier(call.Deadline, after(service.timeout))
	if !until.IsZero() && time.Until(until) < time.Millisecond {
		return nil, problem.New(problem.DeadlineExceeded, "the deadline passed before the request could be sent")
	}
	return &passage{pool: p, service: service, r: r, info: request.From(r.Context()), path: call.Path, until: until}, nil
}

// hold reads a small body of known length as a whole: it then goes out in one
// write with the head, can be sent again, and a slow caller occupies no
// upstream. A body behind Expect: 100-continue stays where it is until the
// upstream wants it.
func (p *passage) hold(w http.ResponseWriter) error {
	length := p.r.ContentLength
	if length == 0 || p.r.Body == nil || p.r.Body == http.NoBody {
		return nil
	}
	if length < 0 || length > p.pool.limits.inline || p.expects() {
		p.streams = true
		return nil
	}
	p.held = p.pool.buffers.block()
	p.inline = p.held[:length]
	intime := p.boundReading(w)
	_, err := io.ReadFull(p.r.Body, p.inline)
	if !intime() {
		return problem.New(problem.DeadlineExceeded, "the deadline passed before the body was there")
	}
	if err != nil {
		return p.fault(&failure{unreached, callerFault{err}})
	}
	return nil
}

// boundReading makes reads from the caller fail at the deadline. The function
// it returns ends that and tells whether the deadline had not passed.
func (p *passage) boundReading(w http.ResponseWriter) func() bool {
	if p.until.IsZero() {
		return func() bool { return true }
	}
	control := http.NewResponseController(w)
	timer := time.AfterFunc(time.Until(p.until), func() { _ = control.SetReadDeadline(time.Unix(1, 0)) })
	return timer.Stop
}

// run tries until there is an answer, or no further try is allowed.
func (p *passage) run(w http.ResponseWriter) error {
	p.endpoint = p.service.choose(nil)
	for {
		p.tries++
		f := p.try(w)
		if f == nil {
			return nil
		}
		p.arrived = p.arrived || f.stage >= stale
		if f.stage == committed {
			p.pool.log.Debug("answer cut", "service", p.service.name, "endpoint", p.endpoint.address, "error", f.err)
			panic(http.ErrAbortHandler) //nolint:forbidigo // the only way to cut an answer short
		}
		if !p.again(f) {
			setOrigin(w.Header(), p)
			return p.fault(f)
		}
	}
}

func (p *passage) try(w http.ResponseWriter) *failure {
	p.tryUntil = earlier(p.until, after(p.service.perTry))
	if p.timeLeft() == 0 {
		return &failure{unreached, context.DeadlineExceeded}
	}
	p.endpoint.load.Add(1)
	defer p.endpoint.load.Add(-1)
	return p.carrier().carry(w, p)
}

func (p *passage) carrier() carrier {
	if upgrades(p.r) {
		return p.service.upgrading
	}
	return p.service.plain
}

// again decides whether a failed try may be followed by another, and prepares
// it. Only what never reached an upstream is tried elsewhere; what met a kept
// connection that was just being closed goes out once more on a new one (RFC
// 9112 §9.3.1).
func (p *passage) again(f *failure) bool {
	if p.callerLeft() || p.broken || p.pool.ctx.Err() != nil || errors.As(f.err, new(callerFault)) {
		return false
	}
	switch f.stage {
	case unreached:
		return p.elsewhere()
	case unsent:
		p.fresh = true
		return true
	case stale:
		p.fresh = true
		return !p.streams && p.idempotent()
	default:
		return false
	}
}

func (p *passage) elsewhere() bool {
	p.tried = append(p.tried, p.endpoint)
	next := p.service.choose(p.tried)
	if next == nil || (!p.until.IsZero() && !time.Now().Before(p.until)) {
		return false
	}
	p.endpoint, p.fresh = next, false
	return true
}

// safe tells whether the request asks for no change (RFC 9110 §9.2.1).
func (p *passage) safe() bool {
	switch p.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return false
}

// idempotent tells whether the request may reach an upstream twice.
func (p *passage) idempotent() bool {
	return p.safe() || p.r.Method == http.MethodPut || p.r.Method == http.MethodDelete || p.r.Header.Get("Idempotency-Key") != ""
}

// callerLeft tells whether the caller has gone of itself.
func (p *passage) callerLeft() bool { return !p.broken && p.r.Context().Err() != nil }

// expects tells whether the caller waits for 100 Continue.
func (p *passage) expects() bool {
	return strings.EqualFold(p.r.Header.Get("Expect"), "100-continue")
}

// timeLeft is what an upstream is told that it has, in whole milliseconds;
// -1 = no limit, 0 = none is left.
func (p *passage) timeLeft() time.Duration {
	if p.tryUntil.IsZero() {
		return -1
	}
	return max(0, time.Until(p.tryUntil).Truncate(time.Millisecond))
}

func (p *passage) release() {
	if p.held != nil {
		p.pool.buffers.blocks.Put(p.held)
		p.held, p.inline = nil, nil
	}
}

// after is the moment d from now; the zero time for no d.
func after(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}

// earlier is the sooner of two moments, where the zero time means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
