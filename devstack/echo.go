package devstack

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// Echo is an upstream service that answers with what it received, and on a
// few paths in ways that are useful for trying a gateway.
type Echo struct {
	server  *http.Server
	address string
	cancel  context.CancelFunc
	serving sync.WaitGroup

	mutex   sync.Mutex // guards stopped against open.Add
	stopped bool
	open    sync.WaitGroup // WebSockets, which the server no longer knows
}

// Bounds on what one request may ask for.
const (
	echoMaxBody  = 8 << 20
	echoMaxBytes = 1 << 30
	echoMaxDelay = 5 * time.Minute
)

// StartEcho listens on an address (":0" picks a port) and serves until Stop is
// called or ctx ends.
func StartEcho(ctx context.Context, listen string) (*Echo, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("echo: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	e := &Echo{address: listener.Addr().String(), cancel: cancel}
	e.server = &http.Server{
		Handler:           e.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	e.serving.Go(func() { _ = e.server.Serve(listener) }) // ErrServerClosed: Stop did it
	context.AfterFunc(ctx, func() { _ = e.server.Close() })
	return e, nil
}

// URL is the base address, without a slash at its end.
func (e *Echo) URL() string { return "http://" + e.address }

// Stop closes all connections and waits until nothing runs any more.
func (e *Echo) Stop() {
	e.mutex.Lock()
	e.stopped = true
	e.mutex.Unlock()
	e.cancel()
	_ = e.server.Close()
	e.serving.Wait()
	e.open.Wait()
}

func (e *Echo) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", echoStatus)
	mux.HandleFunc("/delay/{duration}", echoDelay)
	mux.HandleFunc("/bytes/{n}", echoBytes)
	mux.HandleFunc("/headers", echoHeaders)
	mux.HandleFunc("/sse", echoTicks)
	mux.HandleFunc("/ws", e.frames)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would redirect paths that it finds untidy; those echo too.
		if _, pattern := mux.Handler(r); pattern == "" || strings.Contains(r.URL.EscapedPath(), "//") {
			echo(w, r, http.StatusOK)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// echoed is a request as it arrived. A body that is text stands in body, any
// other in bodyBase64.
type echoed struct {
	Method     string      `json:"method"`
	Path       string      `json:"path"` // as it was escaped
	Query      string      `json:"query,omitempty"`
	Host       string      `json:"host"`
	Headers    http.Header `json:"headers"`
	Trailers   http.Header `json:"trailers,omitempty"`
	Body       string      `json:"body,omitempty"`
	BodyBase64 string      `json:"bodyBase64,omitempty"`
}

func echo(w http.ResponseWriter, r *http.Request, status int) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, echoMaxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := echoed{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Host: r.Host,
		Headers: r.Header, Trailers: r.Trailer,
	}
	if utf8.Valid(body) {
		answer.Body = string(body)
	} else {
		answer.BodyBase64 = base64.StdEncoding.EncodeToString(body)
	}
	writeEcho(w, status, answer)
}

func writeEcho(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the caller may be gone
}

func echoStatus(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		http.Error(w, "the status must be from 200 to 599", http.StatusBadRequest)
		return
	}
	if code == http.StatusNoContent || code == http.StatusNotModified {
		w.WriteHeader(code)
		return
	}
	echo(w, r, code)
}

func echoDelay(w http.ResponseWriter, r *http.Request) {
	delay, err := time.ParseDuration(r.PathValue("duration"))
	if err != nil || delay < 0 || delay > echoMaxDelay {
		http.Error(w, "the delay must be a duration like 250ms, at most 5m", http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(delay):
		echo(w, r, http.StatusOK)
	case <-r.Context().Done():
	}
}

// echoBytes sends n bytes that repeat the alphabet.
func echoBytes(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil || n < 0 || n > echoMaxBytes {
		http.Error(w, "the number must be from 0 to 2^30", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	block := strings.Repeat("abcdefghijklmnopqrstuvwxyz", 1260)
	for n > 0 && r.Method != http.MethodHead {
		written, err := io.WriteString(w, block[:min(n, int64(len(block)))])
		if err != nil {
			return
		}
		n -= int64(written)
	}
}

func echoHeaders(w http.ResponseWriter, r *http.Request) {
	writeEcho(w, http.StatusOK, r.Header)
}

// echoTicks sends an event every ?every=1s, ?count=N of them or until the
// caller leaves.
func echoTicks(w http.ResponseWriter, r *http.Request) {
	every, err := time.ParseDuration(r.FormValue("every"))
	if err != nil || every < time.Millisecond {
		every = time.Second
	}
	count, _ := strconv.Atoi(r.FormValue("count")) // 0 = endless
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for n := 1; ; n++ {
		fmt.Fprintf(w, "id: %d\nevent: tick\ndata: {\"n\":%d}\n\n", n, n)
		if control.Flush() != nil || n == count {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}

// frames sends every WebSocket message back.
func (e *Echo) frames(w http.ResponseWriter, r *http.Request) {
	if !e.enter() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	defer e.open.Done()
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	defer socket.CloseNow()
	socket.SetReadLimit(echoMaxBody)
	for {
		kind, message, err := socket.Read(r.Context())
		if err != nil || socket.Write(r.Context(), kind, message) != nil {
			if !errors.Is(err, context.Canceled) {
				_ = socket.Close(websocket.StatusNormalClosure, "")
			}
			return
		}
	}
}

// enter counts a WebSocket in; the caller owes open.Done when it is true.
func (e *Echo) enter() bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if !e.stopped {
		e.open.Add(1)
	}
	return !e.stopped
}
