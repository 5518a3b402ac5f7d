package middleware

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
)

// LimitsConfig bounds every request. A zero size, number or BodyIdle is no
// limit.
type LimitsConfig struct {
	Body     int64 // bytes
	Headers  int64 // bytes of all headers, names and separators included
	URI      int   // bytes of the request target
	InFlight int   // requests under /v1 at a time, streams included; probes and pages always pass

	BodyIdle   time.Duration // the longest silence within a body, and to take 64 KiB of the answer
	Request    time.Duration // to the answer, if the caller names no time
	MaxRequest time.Duration // the most that a caller gets
}

const (
	timeoutHeader = "X-Request-Timeout"
	// waitSlack is what a long poll gets on top of its wait.
	waitSlack  = 2 * time.Second
	retryLater = time.Second
	// apiRoutes begins the routes that do work.
	apiRoutes = "/v1/"
	// passThrough begins the routes whose bodies and queries are not ours.
	passThrough = "/v1/invoke/"
)

// Limits refuses what is too large or too much before anything else is done
// with it, bounds the body, and sets the request's deadline. Set the server's
// MaxHeaderBytes above Headers and URI together, else it answers first.
func Limits(config LimitsConfig) gin.HandlerFunc {
	var inFlight atomic.Int64
	return func(c *gin.Context) {
		config.bound(c)
		if config.InFlight > 0 && strings.HasPrefix(c.FullPath(), apiRoutes) {
			defer inFlight.Add(-1)
			if inFlight.Add(1) > int64(config.InFlight) {
				overloaded := problem.New(problem.Overloaded, "the gateway has as many requests in flight as it takes")
				overloaded.RetryAfter = retryLater
				fail(c, overloaded)
				return
			}
		}
		if err := config.admit(c); err != nil {
			fail(c, err)
			return
		}
		c.Next()
	}
}

func (l *LimitsConfig) admit(c *gin.Context) error {
	r := c.Request
	if l.URI > 0 && len(r.RequestURI) > l.URI {
		return problem.New(problem.URITooLong, "the request target is longer than %d bytes", l.URI)
	}
	if l.Headers > 0 && headerSize(r) > l.Headers {
		return problem.New(problem.HeadersTooLarge, "the headers are larger than %d bytes", l.Headers)
	}
	if l.Body > 0 && r.ContentLength > l.Body {
		return problem.New(problem.BodyTooLarge, "the body is larger than %d bytes", l.Body)
	}
	if strings.HasPrefix(c.FullPath(), passThrough) {
		return l.setDeadline(r, exchangeOf(c), 0)
	}
	if encoded(r.Header["Content-Encoding"]) {
		return problem.New(problem.UnsupportedType, "send the body without a content encoding")
	}
	query, err := queryOf(c)
	if err != nil {
		return err
	}
	return l.setDeadline(r, exchangeOf(c), waitOf(query))
}

// bound sees that a caller who neither sends nor reads holds nothing for long,
// whatever becomes of the request. Invoke writes under deadlines of its own,
// and reads the body while it does.
func (l *LimitsConfig) bound(c *gin.Context) {
	x := exchangeOf(c)
	x.body = l.boundBody(c)
	x.answer = answer{ResponseWriter: c.Writer, body: x.body, idle: l.BodyIdle}
	if !strings.HasPrefix(c.FullPath(), passThrough) {
		c.Writer = &x.answer
	}
}

// headerSize is about what the headers took on the wire.
func headerSize(r *http.Request) int64 {
	const separators = len(": \r\n")
	size := len("Host") + len(r.Host) + separators
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + separators
		}
	}
	return int64(size)
}

// encoded tells whether a body is compressed or otherwise wrapped.
func encoded(values []string) bool {
	for _, value := range values {
		if value != "" && !strings.EqualFold(value, "identity") {
			return true
		}
	}
	return false
}

// boundBody puts the limits around the body; nil without one. Its time runs
// from now on, for the server itself may come to read it.
func (l *LimitsConfig) boundBody(c *gin.Context) *body {
	r := c.Request
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	limit := l.Body
	if limit <= 0 {
		limit = 1<<63 - 2
	}
	b := &body{
		ReadCloser: r.Body, left: limit, limit: limit, idle: l.BodyIdle, conn: http.NewResponseController(c.Writer),
	}
	if under, ok := c.Writer.(interface{ Unwrap() http.ResponseWriter }); ok && r.Close && r.Header["Expect"] == nil {
		b.last = under.Unwrap()
	}
	b.arm()
	r.Body = b
	return b
}

// setDeadline finds out until when the request, which may ask for a wait, is to
// be answered.
func (l *LimitsConfig) setDeadline(r *http.Request, x *exchange, wait time.Duration) error {
	timeout := l.Request
	if given, ok := r.Header[timeoutHeader]; ok {
		var err error
		if timeout, err = time.ParseDuration(given[0]); err != nil || len(given) > 1 {
			return problem.New(problem.InvalidParameter, "%s is not a duration like 250ms, 30s or 1h", timeoutHeader)
		}
		if timeout <= 0 {
			return problem.New(problem.DeadlineExceeded, "the deadline had passed when the request came")
		}
		timeout = capped(timeout, l.MaxRequest)
	} else if wait > 0 {
		timeout = max(timeout, capped(wait, l.MaxRequest)+waitSlack)
	}
	if timeout > 0 {
		x.info.Deadline = time.Now().Add(timeout)
	}
	return nil
}

// capped is duration, but at most limit if there is one.
func capped(duration, limit time.Duration) time.Duration {
	if limit > 0 && duration > limit {
		return limit
	}
	return duration
}
