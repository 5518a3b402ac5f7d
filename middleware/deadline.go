package middleware

import (
	"github.com/gin-gonic/gin"
)

// Deadline makes the request's deadline that of its context, and of the time
// in which its body must have come. Routes that may stream pass streams: their
// handlers bound the part before the answer's headers themselves, with
// request.Info.Bound.
func Deadline(streams bool) gin.HandlerFunc {
	return func(c *gin.Context) {
		x := exchangeOf(c)
		if streams || x.info.Deadline.IsZero() {
			c.Next()
			return
		}
		if x.body != nil {
			x.body.endBy(x.info.Deadline)
		}
		bounded, cancel := x.info.Bound(x.Context)
		defer cancel()
		x.Context = bounded // nobody has waited on it yet: the handler is still to come
		c.Next()
	}
}
