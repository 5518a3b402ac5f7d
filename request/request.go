// Package request holds what is known about the request under way, so that
// handlers, drivers and logs can ask without knowing the web framework.
package request

import (
	"context"
	"time"
)

// Info is filled in by the middleware on the way in and read by everyone
// behind it. It belongs to one request and is written by its goroutine only,
// before a handler starts; after that it is read-only.
type Info struct {
	ID    string // X-Request-Id, given or made
	Route string // the route's template, "" before routing; a bounded set
	App   string // the app that the caller proved to be; "" before authentication
	Via   string // apiKey | jwt | certificate | anonymous
	// CredentialHeader is the request header that proved the caller; it is
	// removed before any upstream sees the request.
	CredentialHeader string
	Deadline         time.Time // of the answer, or of its headers on streams

	Traceparent string // W3C Trace Context, continued or begun here
	Tracestate  string
	Baggage     string
}

type infoKey struct{}

// With puts info into a context.
func With(ctx context.Context, info *Info) context.Context {
	return context.WithValue(ctx, infoKey{}, info)
}

// From finds the request's info; outside a request it is an empty one, so
// that callers need no nil check.
func From(ctx context.Context) *Info {
	if info, ok := ctx.Value(infoKey{}).(*Info); ok {
		return info
	}
	return &Info{}
}

// Bound gives ctx the request's deadline. Routes that may stream use it for
// the part before the answer's headers; on all others the middleware has
// already done so.
func (info *Info) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if info.Deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, info.Deadline)
}
