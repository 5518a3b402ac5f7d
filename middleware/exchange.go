// Package middleware is what happens to every request on its way in and out,
// one file for each job, in the order in which gateway/routes.go lists them:
// requestid, observe, problem, recovery, limits, the rate of an address,
// origin, auth, and per route policy, the rate of an app, deadline, tcpcopy.
package middleware

import (
	"context"
	"net/netip"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// exchange is what the middlewares know of one request. It is the request's
// context itself, so that one allocation serves both and nothing is looked up
// by name.
type exchange struct {
	context.Context // the client's, with info in it; bounded once a route sets its deadline
	client          context.Context
	info            request.Info

	idHeader [1]string // the answer's X-Request-Id

	trusted []netip.Prefix
	address netip.Addr // of the client; not valid until asked for
	body    *body      // nil when the request has none
	answer  answer     // once Limits has been
	failure *problem.Error
	aborted bool   // the connection was cut instead of answered
	end     func() // runs when the answer is written or cut; nil = nothing to do
}

type exchangeKey struct{}

// Value finds the exchange itself, then what the context holds.
func (x *exchange) Value(key any) any {
	if _, ok := key.(exchangeKey); ok {
		return x
	}
	return x.Context.Value(key)
}

// begin makes the exchange of a request and puts it into the request.
func begin(c *gin.Context, trusted []netip.Prefix) *exchange {
	x := &exchange{client: c.Request.Context(), trusted: trusted}
	x.Context = request.With(x.client, &x.info)
	c.Request = c.Request.WithContext(x)
	return x
}

// exchangeOf finds the exchange of a request, and begins it where RequestID
// has not been before.
func exchangeOf(c *gin.Context) *exchange {
	if x, ok := c.Request.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return begin(c, nil)
}

// fail ends the chain; Problems writes err.
func fail(c *gin.Context, err error) {
	_ = c.Error(err) // gives err back in gin's clothes; Problems finds it in c.Errors
	c.Abort()
}

// finish does what was left for the end.
func (x *exchange) finish() {
	x.answer.finish()
	if x.end != nil {
		x.end()
	}
}
