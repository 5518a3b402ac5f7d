package gateway

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ottogate/ottogate/capture"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/strictjson"
)

func newMetrics() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// exportCapture shows what tcp-copy wrote and dropped.
func (g *Gateway) exportCapture(recorder *capture.Recorder) {
	count := func(name, help string, labels prometheus.Labels, value func(capture.Stats) uint64) {
		g.metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(value(recorder.Stats())) }))
	}
	const dropped, why = "ottogate_tcp_copy_dropped_total", "Exchanges that were not recorded."
	count(dropped, why, prometheus.Labels{"reason": "full"}, func(s capture.Stats) uint64 { return s.DroppedFull })
	count(dropped, why, prometheus.Labels{"reason": "disk"}, func(s capture.Stats) uint64 { return s.DroppedDisk })
	count("ottogate_tcp_copy_written_total", "Exchanges that were recorded.", nil, func(s capture.Stats) uint64 { return s.Written })
}

// adminHandler serves what operators need, on a listener of its own.
func (g *Gateway) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /actuator/health/liveness", g.liveness)
	mux.HandleFunc("GET /actuator/health/readiness", g.readiness)
	mux.Handle("GET /actuator/info", g.guarded(g.info))
	mux.Handle("GET /actuator/config", g.guarded(g.effectiveConfig))
	mux.Handle("GET /actuator/loggers", g.guarded(g.loggers))
	mux.Handle("POST /actuator/loggers", g.guarded(g.setLogger))
	mux.Handle("GET /metrics", g.guarded(promhttp.HandlerFor(g.metrics, promhttp.HandlerOpts{}).ServeHTTP))
	return problems(mux)
}

// problems makes the router's own refusals problem documents.
func problems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		told := discard{http.Header{}}
		refusal.ServeHTTP(told, r)
		if allow := told.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			problem.Write(w, problem.New(problem.MethodNotAllowed, "the path exists, but not with this method"), "")
			return
		}
		problem.Write(w, problem.New(problem.NoSuchRoute, "the admin listener has no route at this path"), "")
	})
}

// guarded lets callers with the admin token in, and callers from loopback
// when no token is configured. A page in a browser is neither.
func (g *Gateway) guarded(next http.HandlerFunc) http.Handler {
	token := g.file.Admin.Token.Reveal()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") == "cross-site":
			problem.Write(w, problem.New(problem.ForeignOrigin, "the admin listener does not answer pages of other origins"), "")
		case token == "" && isLoopback(r.RemoteAddr) && isLoopbackName(r.Host):
			next(w, r)
		case token != "" && isBearer && subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1:
			next(w, r)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="ottogate-admin"`)
			problem.Write(w, problem.New(problem.Unauthenticated, "the admin listener needs its token"), "")
		}
	})
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// isLoopbackName guards against a foreign name that resolves to this machine.
func isLoopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// liveness depends on nothing but this process.
func (g *Gateway) liveness(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, verdict{Status: statusUp})
}

func (g *Gateway) readiness(w http.ResponseWriter, r *http.Request) {
	found := g.health.check(r.Context())
	code := http.StatusOK
	if found.Status != statusUp {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, found)
}

// info is what the program is and serves.
type info struct {
	Version
	Namespace  string   `json:"namespace"`
	Components []string `json:"components"`
}

func (g *Gateway) info(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, info{Version: g.version, Namespace: g.file.Namespace, Components: g.health.names()})
}

// effectiveConfig shows the file with its defaults, secrets masked.
func (g *Gateway) effectiveConfig(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, g.file)
}

// logLevel is the body of the loggers' GET and POST.
type logLevel struct {
	Level string `json:"level"`
}

func (g *Gateway) loggers(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, logLevel{Level: strings.ToLower(g.level.Level().String())})
}

func (g *Gateway) setLogger(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10))
	if err != nil {
		problem.Write(w, problem.Wrap(problem.BodyTooLarge, err, "the body is larger than 1 KiB"), "")
		return
	}
	wanted, err := strictjson.Decode[logLevel](body)
	if err == nil && g.level.UnmarshalText([]byte(wanted.Level)) != nil {
		err = problem.AtPointer("/level", "level must be debug, info, warn or error")
	}
	if err != nil {
		problem.Write(w, err, "")
		return
	}
	g.log.Warn("log level changed", "level", wanted.Level)
	g.loggers(w, r)
}

func writeJSON[T any](w http.ResponseWriter, code int, value T) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value) // the caller may be gone
}
