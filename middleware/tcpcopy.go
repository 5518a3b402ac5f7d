package middleware

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/capture"
	"github.com/ottogate/ottogate/request"
)

// Recorder is what TCPCopy needs of capture.Recorder.
type Recorder interface {
	// Sampled decides whether this request is recorded.
	Sampled(info *request.Info, r *http.Request) bool
	// BodyLimit is how much of a body is worth keeping.
	BodyLimit() int
	// Record takes an exchange; it never blocks.
	Record(exchange capture.Exchange)
}

var _ Recorder = (*capture.Recorder)(nil)

// TCPCopy gives the sampled exchanges to recorder, with the beginnings of
// their bodies as they passed. Nothing waits for it and nothing is read ahead:
// a request that is not sampled pays for one draw.
func TCPCopy(recorder Recorder) gin.HandlerFunc {
	return func(c *gin.Context) {
		x := exchangeOf(c)
		if !recorder.Sampled(&x.info, c.Request) {
			c.Next()
			return
		}
		taken := capture.Exchange{
			Time: time.Now(), RequestID: x.info.ID, App: x.info.App, Route: x.info.Route,
			Method: c.Request.Method, Path: c.Request.URL.EscapedPath(), Query: c.Request.URL.RawQuery,
			Header: c.Request.Header.Clone(), // handlers and upstreams change theirs
		}
		sent := &copyingBody{ReadCloser: c.Request.Body, kept: kept{limit: recorder.BodyLimit()}}
		if c.Request.Body != nil && c.Request.Body != http.NoBody {
			c.Request.Body = sent
		}
		answer := &copyingWriter{ResponseWriter: c.Writer, kept: kept{limit: recorder.BodyLimit()}}
		c.Writer = answer
		x.end = func() { // once the answer is written, be it by Problems
			taken.Duration = time.Since(taken.Time)
			taken.Body, taken.BodySize = sent.soFar()
			taken.Status, taken.ResponseHeader = answer.Status(), answer.Header()
			taken.ResponseBody, taken.ResponseSize = answer.soFar()
			recorder.Record(taken)
		}
		c.Next()
	}
}

// kept is the beginning of what passed, and how much passed. It may still be
// passing when it is asked for: an upstream client can go on reading a body
// after the answer is done.
type kept struct {
	limit int

	mu   sync.Mutex
	data []byte
	size int64
}

func (k *kept) soFar() ([]byte, int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clip(k.data), k.size
}

func (k *kept) pass(p []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.size += int64(len(p))
	if room := k.limit - len(k.data); room > 0 {
		k.data = append(k.data, p[:min(room, len(p))]...)
	}
}

// copyingBody keeps what is read through it.
type copyingBody struct {
	io.ReadCloser
	kept
}

func (b *copyingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.pass(p[:n])
	return n, err
}

// copyingWriter keeps what is written through it.
type copyingWriter struct {
	gin.ResponseWriter
	kept
}

func (w *copyingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.pass(p[:n])
	return n, err
}

func (w *copyingWriter) WriteString(text string) (int, error) {
	n, err := w.ResponseWriter.WriteString(text)
	w.pass([]byte(text[:n]))
	return n, err
}

// Unwrap leads http.ResponseController to the connection.
func (w *copyingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
