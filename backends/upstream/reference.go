package upstream

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// The protocols that a service's endpoints may speak.
const (
	http1 = "http1"
	h2    = "h2"
	h2c   = "h2c"
)

func protocolOf(name string) string {
	if name == "" {
		return http1
	}
	return name
}

// reference carries through httputil.ReverseProxy and a tuned
// http.Transport: upgrades, TLS and HTTP/2.
type reference struct {
	pool      *Pool
	transport *http.Transport
	quiet     *log.Logger
}

var _ carrier = (*reference)(nil)

func newReference(p *Pool, from Service) (*reference, error) {
	protocols := new(http.Protocols)
	switch protocolOf(from.Protocol) {
	case http1:
		protocols.SetHTTP1(true)
	case h2:
		protocols.SetHTTP2(true)
	case h2c:
		protocols.SetUnencryptedHTTP2(true)
	default:
		return nil, fmt.Errorf("protocol %q is unknown; there are http1, h2 and h2c", from.Protocol)
	}
	return &reference{
		pool:  p,
		quiet: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: p.limits.dial}).DialContext,
			TLSClientConfig:        from.TLS.Clone(),
			TLSHandshakeTimeout:    p.limits.dial,
			MaxIdleConnsPerHost:    p.limits.idlePerHost,
			IdleConnTimeout:        p.limits.idle,
			ExpectContinueTimeout:  p.limits.continueWait,
			MaxResponseHeaderBytes: int64(p.limits.headBytes),
			DisableCompression:     true, // encodings pass untouched
			Protocols:              protocols,
		},
	}, nil
}

func (c *reference) carry(w http.ResponseWriter, p *passage) *failure {
	ctx, cancel := context.WithCancelCause(p.r.Context())
	defer cancel(nil)
	defer context.AfterFunc(c.pool.ctx, func() { cancel(net.ErrClosed) })()
	late := c.boundHead(p, cancel)
	defer late.Stop()
	t := &trial{reference: c, passage: p, late: late, before: p.tries - 1}
	t.shield = &shield{ResponseWriter: w, passage: p, header: http.Header{}}
	trace := &httptrace.ClientTrace{WroteHeaders: func() { t.sent.Add(1) }}
	r := p.r.WithContext(httptrace.WithClientTrace(ctx, trace))
	endBody := func() {}
	if p.streams {
		endBody = t.streamBody(ctx, r)
	}
	t.serve(r)
	endBody()
	if t.failure != nil && context.Cause(ctx) != nil && !p.callerLeft() {
		t.failure.err = context.Cause(ctx)
	}
	return t.failure
}

// streamBody has r's body watched. The Transport does not give up before its
// read from the caller ends, so that is ended with ctx, and at the latest by
// the function returned.
func (t *trial) streamBody(ctx context.Context, r *http.Request) (end func()) {
	control := http.NewResponseController(t.shield.ResponseWriter)
	_ = control.EnableFullDuplex() // HTTP/2 has it anyway
	body := &watchedBody{ReadCloser: r.Body, r: t.r}
	t.shield.body, r.Body = body, body
	halted := make(chan struct{})
	halt := func() {
		defer close(halted)
		body.halt(control, t.reference.pool.limits.linger)
	}
	detach := context.AfterFunc(ctx, halt)
	return func() {
		if detach() {
			halt()
		}
		<-halted
		t.shield.abandonBody()
	}
}

// boundHead cancels the try when the answer's headers are not there in time.
func (c *reference) boundHead(p *passage, cancel context.CancelCauseFunc) *time.Timer {
	if p.tryUntil.IsZero() {
		return time.NewTimer(time.Hour) // of no effect
	}
	return time.AfterFunc(time.Until(p.tryUntil), func() { cancel(context.DeadlineExceeded) })
}

func (c *reference) tidy(time.Time) {} // the Transport does so itself

func (c *reference) close() { c.transport.CloseIdleConnections() }

// trial is one try through the ReverseProxy.
type trial struct {
	*reference
	*passage
	shield  *shield
	late    *time.Timer
	before  int          // tries
	sent    atomic.Int64 // how often the request's head went out: the Transport resends by itself
	failure *failure
}

// serve runs the ReverseProxy. Its panic over a cut answer becomes a failure
// here, so that Invoke can clean up before it panics the same way.
func (t *trial) serve(r *http.Request) {
	defer func() {
		switch cut := recover(); cut {
		case nil:
		case http.ErrAbortHandler:
			t.failure = &failure{committed, io.ErrUnexpectedEOF}
		default:
			panic(cut) //nolint:forbidigo // not ours: the middleware reports it
		}
	}()
	proxy := httputil.ReverseProxy{
		Rewrite: t.rewrite, Transport: t.transport, FlushInterval: -1, BufferPool: &t.reference.pool.buffers,
		ModifyResponse: t.accept, ErrorHandler: t.fail, ErrorLog: t.quiet,
	}
	proxy.ServeHTTP(t.shield, r)
	t.shield.finish()
}

// rewrite makes the request that goes out: the same fields as on the own
// client's way, and path and query as they came.
func (t *trial) rewrite(pr *httputil.ProxyRequest) {
	out := pr.Out
	hop := http.Header{}
	if upgrades(t.r) {
		hop["Connection"], hop["Upgrade"] = out.Header["Connection"], out.Header["Upgrade"]
	}
	if wantsTrailers(t.r.Header) {
		hop["Te"] = []string{"trailers"}
	}
	t.eachField(func(name, value string) { hop[name] = append(hop[name], value) })
	if _, named := hop["User-Agent"]; !named {
		hop["User-Agent"] = []string{""} // or net/http would name itself
	}
	out.Header, out.Host = hop, t.endpoint.address
	out.URL = &url.URL{Scheme: t.endpoint.scheme, Host: t.endpoint.address, RawQuery: t.r.URL.RawQuery, ForceQuery: t.r.URL.ForceQuery}
	setPath(out.URL, t.path)
	out.Trailer = nil
	if t.shield.body != nil {
		out.Trailer = t.shield.body.announce()
	}
	if !t.streams && out.ContentLength > 0 {
		body := string(t.inline) // a copy: the Transport may still read after the passage has ended
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
		out.Body, _ = out.GetBody()
	}
}

// setPath sets an escaped path so that it goes out byte for byte.
func setPath(u *url.URL, escaped string) {
	if plain, err := url.PathUnescape(escaped); err == nil {
		u.Path, u.RawPath = plain, escaped
		if u.EscapedPath() == escaped {
			return
		}
	}
	u.Path, u.RawPath, u.Opaque = "", "", escaped
	if strings.HasPrefix(escaped, "//") {
		u.Opaque = "//" + u.Host + escaped // goes out in absolute form
	}
}

// accept stops the clock: the headers are there.
func (t *trial) accept(answer *http.Response) error {
	t.count()
	if !t.late.Stop() && !t.tryUntil.IsZero() {
		return context.DeadlineExceeded
	}
	if answer.StatusCode < 100 {
		return babble("bad status line")
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		t.sign(answer.Header)
	}
	return nil
}

// sign puts our fields into the head of an upgrade, which the ReverseProxy
// writes itself.
func (t *trial) sign(header http.Header) {
	for name := range header {
		if isOurs(dashed(name)) {
			delete(header, name)
		}
	}
	setOrigin(header, t.passage)
	if id := t.shield.ResponseWriter.Header()["X-Request-Id"]; id != nil {
		header["X-Request-Id"] = id
	}
}

func (t *trial) fail(_ http.ResponseWriter, _ *http.Request, err error) {
	t.failure = &failure{unreached, err}
	if body := t.shield.body; body != nil && body.failed.Load() != nil {
		t.failure.err = *body.failed.Load()
	}
	t.count()
	if t.sent.Load() > 0 {
		t.failure.stage = sent
	}
}

// count takes the Transport's resending for tries.
func (t *trial) count() { t.tries = t.before + max(1, int(t.sent.Load())) }
