package middleware

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
)

// Handle makes a handler of a function that returns an error. The error ends
// the chain, and Problems answers with it.
//
// A function that has begun its answer and cannot finish it returns an error,
// and the connection is cut, so that the caller cannot take the part for the
// whole. One that has ended its answer properly, be it with an error event,
// returns nil.
func Handle(f func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := f(c); err != nil {
			fail(c, err)
		}
	}
}

// Problems answers with the error that a handler or a middleware behind it
// gave: the one place where problem documents are written. Causes go to log
// under the request's id, never to the caller.
//
// A context that was cancelled is the caller's doing (client-closed), unless
// its cause is a *problem.Error, with which a gateway that stops says so.
func Problems(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Next()
		last := c.Errors.Last()
		if last == nil {
			return
		}
		x := exchangeOf(c)
		x.failure = classify(x.client, c.Request.Context(), last.Err)
		report(c.Request.Context(), log, x)
		if c.Writer.Written() {
			x.aborted = true
			panic(http.ErrAbortHandler) //nolint:forbidigo // the only way to cut an answer short
		}
		if status := problem.KindOf(x.failure.Code).Status; status == http.StatusUnauthorized {
			challenge(c.Writer.Header(), x.failure.Code)
		}
		problem.Write(c.Writer, x.failure, x.info.ID)
	}
}

// classify is problem.From with an eye to who cancelled the request's context:
// its client, or whoever gave a cause on the way in.
func classify(client, ctx context.Context, err error) *problem.Error {
	failure := problem.From(err)
	if failure.Code != problem.ClientClosed {
		return failure
	}
	if cause, ok := errors.AsType[*problem.Error](context.Cause(ctx)); ok {
		return cause
	}
	if client.Err() == nil { // somebody else's context leaked out
		return &problem.Error{Code: problem.Internal, Err: err}
	}
	return failure
}

// challenge says how to authenticate, as RFC 6750 wants it.
func challenge(header http.Header, code problem.Code) {
	text := `Bearer realm="ottogate"`
	if code == problem.InvalidCredential {
		text += `, error="invalid_token"`
	}
	header.Set("WWW-Authenticate", text)
}

// report logs a failure that an operator should know of, once.
func report(ctx context.Context, log *slog.Logger, x *exchange) {
	level := slog.LevelDebug
	if status := problem.KindOf(x.failure.Code).Status; status == http.StatusInternalServerError {
		level = slog.LevelError
	} else if status > http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if !log.Enabled(ctx, level) {
		return
	}
	attributes := []slog.Attr{
		slog.String("requestId", x.info.ID), slog.String("route", x.info.Route), slog.String("app", x.info.App),
		slog.String("code", string(x.failure.Code)), slog.String("detail", x.failure.Detail),
	}
	if x.failure.Err != nil {
		attributes = append(attributes, slog.String("cause", x.failure.Err.Error()))
	}
	log.LogAttrs(ctx, level, "request failed", attributes...)
}

// NoRoute answers what the gateway has no route for.
func NoRoute() gin.HandlerFunc {
	return Handle(func(*gin.Context) error {
		return problem.New(problem.NoSuchRoute, "the gateway has no route at this path")
	})
}

// NoMethod answers a method that a path does not have; the router has already
// put the others into Allow.
func NoMethod() gin.HandlerFunc {
	return Handle(func(c *gin.Context) error {
		return problem.New(problem.MethodNotAllowed, "this path takes %s", c.Writer.Header().Get("Allow"))
	})
}
