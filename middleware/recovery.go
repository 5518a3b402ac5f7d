package middleware

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
)

// Recovery makes a panic behind it an `internal` problem without text. The
// stack goes to log under the request's id. http.ErrAbortHandler passes: it is
// how an answer is cut short.
func Recovery(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			x := exchangeOf(c)
			if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				x.aborted = true
				panic(fault) //nolint:forbidigo // it is on its way to the server
			}
			log.LogAttrs(c.Request.Context(), slog.LevelError, "panic",
				slog.String("requestId", x.info.ID), slog.String("route", x.info.Route),
				slog.String("panic", fmt.Sprint(fault)), slog.String("stack", string(debug.Stack())))
			fail(c, &problem.Error{Code: problem.Internal, Err: fmt.Errorf("panic: %v", fault)})
		}()
		c.Next()
	}
}
