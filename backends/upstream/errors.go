package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/ottogate/ottogate/problem"
)

// stage says how far a try came before it failed, which decides whether
// another one may follow.
type stage int

const (
	unreached stage = iota // no connection came about
	unsent                 // a kept connection took not one byte
	stale                  // a kept connection ended before the first byte of an answer
	sent                   // the upstream may have acted on the request
	committed              // the answer's head is with the caller already
)

// failure is a try that did not end in a whole answer.
type failure struct {
	stage stage
	err   error
}

// babble is an answer that breaks HTTP/1.1; the text says how, for the log.
type babble string

func (b babble) Error() string { return "answer breaks HTTP/1.1: " + string(b) }

// callerFault is a request body that could not be read from the caller.
type callerFault struct{ err error }

func (f callerFault) Error() string { return "reading the caller's body: " + f.err.Error() }
func (f callerFault) Unwrap() error { return f.err }

// fault says a failed passage in the words of the contract.
func (p *passage) fault(f *failure) error {
	e := p.classify(f)
	e.Unknown = p.arrived && !p.safe()
	return e
}

func (p *passage) classify(f *failure) *problem.Error {
	var known *problem.Error
	var caller callerFault
	var broken babble
	switch {
	case errors.As(f.err, &known):
		copied := *known
		return &copied
	case p.callerLeft():
		copied := *problem.From(context.Cause(p.r.Context())) // a cause may be shared by many requests
		return &copied
	case p.pool.ctx.Err() != nil:
		return problem.Wrap(problem.ShuttingDown, f.err, "the gateway is shutting down")
	case errors.As(f.err, &caller):
		return caller.classify()
	case p.late(f):
		return problem.Wrap(problem.DeadlineExceeded, f.err, "service %s did not answer in time", p.service.name)
	case errors.As(f.err, &broken):
		return problem.Wrap(problem.BadUpstream, f.err, "service %s did not answer in valid HTTP", p.service.name)
	case f.stage == unreached:
		return problem.Wrap(problem.BadUpstream, f.err, "service %s cannot be reached", p.service.name)
	default:
		return problem.Wrap(problem.BadUpstream, f.err, "service %s ended the connection without a whole answer", p.service.name)
	}
}

// late tells whether time ran out. A connect timeout alone is not it: another
// endpoint might have answered within the deadline.
func (p *passage) late(f *failure) bool {
	if !p.until.IsZero() && !time.Now().Before(p.until) {
		return true
	}
	return f.stage != unreached && isTimeout(f.err)
}

func (f callerFault) classify() *problem.Error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(f.err, &tooLarge):
		return problem.Wrap(problem.BodyTooLarge, f.err, "the body is larger than %d bytes", tooLarge.Limit)
	case isTimeout(f.err):
		return problem.Wrap(problem.BodyTimeout, f.err, "the body came too slowly")
	default:
		return problem.Wrap(problem.ClientClosed, f.err, "the body was cut")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout())
}
