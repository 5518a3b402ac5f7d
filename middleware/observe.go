package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ottogate/ottogate/problem"
)

const noRoute = "none"

// Observe counts and times every request in reg and writes one line for each
// to access, nil for no log. A line has no query and no header but the
// request's id, so that no secret can get into it.
func Observe(access *slog.Logger, reg prometheus.Registerer) (gin.HandlerFunc, error) {
	counters, err := newCounters(reg)
	if err != nil {
		return nil, err
	}
	return func(c *gin.Context) {
		start := time.Now()
		x := exchangeOf(c)
		x.info.Route = c.FullPath()
		defer func() { // deferred, since an answer may be cut short by a panic
			took := time.Since(start)
			seen := look(c, x)
			counters.count(seen, took)
			if access != nil {
				writeAccess(access, c, x, seen, start.Add(took), took)
			}
		}()
		c.Next()
	}, nil
}

// sight is what the metrics tell requests apart by. Every field comes from a
// bounded set.
type sight struct {
	route, method, app string
	status             int
}

func look(c *gin.Context, x *exchange) sight {
	seen := sight{route: x.info.Route, method: knownMethod(c.Request.Method), app: x.info.App, status: c.Writer.Status()}
	if seen.route == "" {
		seen.route = noRoute
	}
	switch {
	case x.failure != nil:
		seen.status = problem.KindOf(x.failure.Code).Status
	case x.aborted && x.client.Err() != nil:
		seen.status = problem.KindOf(problem.ClientClosed).Status
	case x.aborted && !c.Writer.Written():
		seen.status = http.StatusInternalServerError
	}
	return seen
}

// knownMethod keeps a caller from making up label values.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "OTHER"
	}
}

// codeOf is the problem that the request ended with, "" for none.
func codeOf(x *exchange) string {
	switch {
	case x.failure != nil:
		return string(x.failure.Code)
	case x.aborted:
		return "aborted"
	default:
		return ""
	}
}

// writeAccess hands its line to the logger's handler itself: asking the logger
// would cost a walk up the stack for a source line that never changes.
func writeAccess(access *slog.Logger, c *gin.Context, x *exchange, seen sight, end time.Time, took time.Duration) {
	ctx := context.Background() // the request's may have ended, and the line is due all the same
	if !access.Enabled(ctx, slog.LevelInfo) {
		return
	}
	line := slog.NewRecord(end, slog.LevelInfo, "request", 0)
	line.AddAttrs(
		slog.String("requestId", x.info.ID),
		slog.String("app", x.info.App),
		slog.String("method", seen.method),
		slog.String("route", seen.route),
		slog.Int("status", seen.status),
		slog.String("code", codeOf(x)),
		slog.Float64("durationMs", float64(took.Microseconds())/1000),
		slog.Int64("bytesIn", x.body.size()),
		slog.Int("bytesOut", max(0, c.Writer.Size())),
		slog.String("address", addressText(c)),
		slog.String("traceId", traceID(x.info.Traceparent)),
	)
	_ = access.Handler().Handle(ctx, line) // a log that cannot be written has nowhere to say so
}

func addressText(c *gin.Context) string {
	if address := ClientAddress(c); address.IsValid() {
		return address.String()
	}
	return ""
}

func traceID(traceparent string) string {
	if len(traceparent) < traceparentLength {
		return ""
	}
	return traceparent[3:35]
}
