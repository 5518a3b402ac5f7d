package middleware

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/capture"
)

// discard is an answer that goes nowhere.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// SetWriteDeadline is there as it is on every connection.
func (d *discard) SetWriteDeadline(time.Time) error { return nil }

// nowhere takes log lines after they were made, which io.Discard would let the
// logger skip.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// run sends the same GET through the chain again and again.
func run(b *testing.B, chain ...gin.HandlerFunc) {
	b.Helper()
	engine := newEngine(chain...)
	engine.GET("/v1/state/:store/*key", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	r, err := http.NewRequest(http.MethodGet, "http://gateway:8080/v1/state/main/orders/1", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	r.RemoteAddr, r.RequestURI = "192.0.2.1:4711", r.URL.RequestURI()
	for name, value := range map[string]string{"X-Api-Key": "key-of-alice", "Accept": "*/*", "User-Agent": "bench"} {
		r.Header.Set(name, value)
	}
	answer := &discard{header: make(http.Header, 8)}
	b.ReportAllocs()
	for b.Loop() {
		clear(answer.header)
		engine.ServeHTTP(answer, r)
	}
}

// whole is the chain as the gateway has it, with its access log going nowhere.
func whole(b *testing.B) []gin.HandlerFunc {
	b.Helper()
	rate := access.Rate{Count: maxBenchRate, Period: time.Hour}
	rates := newRates(b, access.Limits{Requests: rate}, nil, 1)
	quiet := slog.New(slog.DiscardHandler)
	policy := access.NewPolicy(apps(b))
	return []gin.HandlerFunc{
		RequestID(nil), observe(b, slog.New(slog.NewJSONHandler(nowhere{}, nil)), prometheus.NewRegistry()), Problems(quiet), Recovery(quiet),
		Limits(LimitsConfig{Body: 4 << 20, Headers: 32 << 10, URI: 8 << 10, InFlight: 4096, BodyIdle: 15 * time.Second, Request: 10 * time.Second, MaxRequest: time.Minute}),
		AddressLimit(rate), Origin(OriginConfig{}), authOf(b),
		Policy(policy, nil, func(c *gin.Context) (access.Request, error) {
			return access.Request{Action: access.StateRead, Resource: "main/orders/1"}, nil
		}),
		rates.Limit(), Deadline(false), TCPCopy((*capture.Recorder)(nil)),
	}
}

const maxBenchRate = 1<<28 - 1

func BenchmarkBare(b *testing.B)  { run(b) }
func BenchmarkWhole(b *testing.B) { run(b, whole(b)...) }

func BenchmarkWholeWithoutAccessLog(b *testing.B) {
	chain := whole(b)
	chain[1] = observe(b, nil, prometheus.NewRegistry())
	run(b, chain...)
}

// BenchmarkUpTo shows what each link adds to those before it.
func BenchmarkUpTo(b *testing.B) {
	for i, name := range []string{"requestid", "observe", "problem", "recovery", "limits", "addresslimit", "origin", "auth", "policy", "ratelimit", "deadline", "tcpcopy"} {
		b.Run(name, func(b *testing.B) { run(b, whole(b)[:i+1]...) })
	}
}
