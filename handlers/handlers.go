// Package handlers has one file per building block: HTTP in, one call to a
// backend, HTTP out. What holds for every request (identity, limits, policy,
// logging) has happened in the middleware before a handler runs.
package handlers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/problem"
)

// Func answers a request or returns the error that the middleware shall write.
// It must not do both.
type Func = func(*gin.Context) error

// Route is one line of the contract: a method and path, who may use it, and
// who answers.
type Route struct {
	Method string
	Path   string // gin's form, e.g. /v1/state/:store/*key
	// Access says which right the request needs; nil = any proved app.
	Access func(*gin.Context) (access.Request, error)
	Bound  Bound
	Handle Func
	// Planned marks a route that the contract has and this version has not:
	// it answers 501 and is not in the published specification.
	Planned bool
}

// Bound says what the request's deadline covers.
type Bound int

const (
	// WholeAnswer is for answers that are written at once.
	WholeAnswer Bound = iota
	// HeadersOnly is for invoke: bodies may flow for ever.
	HeadersOnly
	// MayStream is for routes whose answer may be an event stream; streams
	// end when the gateway drains.
	MayStream
)

// WithHead adds HEAD wherever GET is and no handler of its own stands (RFC 9110
// §9.3.2); net/http drops the body.
func WithHead(routes []Route) []Route {
	own := map[string]bool{}
	for _, route := range routes {
		own[route.Method+route.Path] = true
	}
	for _, route := range routes {
		if route.Method == http.MethodGet && !own[http.MethodHead+route.Path] {
			route.Method = http.MethodHead
			routes = append(routes, route)
		}
	}
	return routes
}

// planned makes the route of something that this version does not do yet.
func planned(method, path string) Route {
	return Route{Method: method, Path: path, Planned: true, Handle: notImplemented}
}

func notImplemented(*gin.Context) error {
	return problem.New(problem.NotImplemented, "this version does not implement this route yet")
}

// refuseHeaders answers 501 for request headers whose promise this version
// cannot keep: ignoring them would lie to the caller.
func refuseHeaders(c *gin.Context, names ...string) error {
	for _, name := range names {
		if c.Request.Header.Get(name) != "" {
			return problem.New(problem.NotImplemented, "this version does not implement the header %s on this route", name)
		}
	}
	return nil
}

// refuseParameters is refuseHeaders for query parameters.
func refuseParameters(c *gin.Context, names ...string) error {
	if c.Request.URL.RawQuery == "" {
		return nil
	}
	for _, name := range names {
		if c.Query(name) != "" {
			return problem.New(problem.NotImplemented, "this version does not implement the parameter %s on this route", name)
		}
	}
	return nil
}
