package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// Times of an event stream.
const (
	heartbeat    = 15 * time.Second // a comment line, so that idle proxies keep the connection
	retryHint    = "retry: 1000\n"  // how long a client waits before it comes again
	writeTimeout = 15 * time.Second // a reader this slow is cut off, not buffered for
)

// EventStreamType is the media type of server-sent events (WHATWG HTML §9.2).
const EventStreamType = "text/event-stream"

// wantsStream says whether the caller asked for server-sent events; */* never
// does.
func wantsStream(c *gin.Context) (bool, error) {
	if c.Request.Method != http.MethodGet {
		return false, nil
	}
	if strings.Contains(c.Request.Header.Get("Accept"), EventStreamType) {
		return true, nil
	}
	if c.Request.URL.RawQuery == "" {
		return false, nil
	}
	return boolParam(c, "stream")
}

// eventStream writes server-sent events. It belongs to one goroutine. The
// first failure to write stays: it means that the reader is gone, which is no
// fault, so writers go on and look at broken where they loop.
type eventStream struct {
	writer     http.ResponseWriter
	controller *http.ResponseController
	buffer     bytes.Buffer
	failure    error
}

// openStream sends the headers. lastID, when not empty, is told at once, so
// that a client that is cut off before the first event resumes where it began.
func openStream(c *gin.Context, lastID string) *eventStream {
	header := c.Writer.Header()
	header.Set("Content-Type", EventStreamType)
	header.Set("X-Accel-Buffering", "no")
	c.Status(http.StatusOK)
	s := &eventStream{writer: c.Writer, controller: http.NewResponseController(c.Writer)}
	s.buffer.WriteString(retryHint)
	if lastID != "" {
		s.buffer.WriteString("id: " + lastID + "\n")
	}
	s.buffer.WriteString("\n")
	s.flush()
	return s
}

// broken says that the reader is gone.
func (s *eventStream) broken() bool { return s.failure != nil }

// send writes one event; data holds no line breaks. An empty id or event is
// left out.
func (s *eventStream) send(id, event string, data []byte) {
	if event != "" {
		s.buffer.WriteString("event: " + event + "\n")
	}
	if id != "" {
		s.buffer.WriteString("id: " + id + "\n")
	}
	s.buffer.WriteString("data: ")
	s.buffer.Write(data)
	s.buffer.WriteString("\n\n")
	s.flush()
}

// sendJSON is send for a value as one line of JSON.
func (s *eventStream) sendJSON(id, event string, value any) {
	data, err := encode(value)
	if err != nil {
		s.failure = err
		return
	}
	s.send(id, event, data)
}

// beat writes a comment that keeps the connection alive.
func (s *eventStream) beat() {
	s.buffer.WriteString(":\n\n")
	s.flush()
}

// fail ends the stream with the problem as its last event.
func (s *eventStream) fail(ctx context.Context, err error) {
	s.sendJSON("", "error", problem.DocumentOf(err, request.From(ctx).ID))
}

func (s *eventStream) flush() {
	if s.failure == nil {
		s.failure = s.controller.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	if s.failure == nil {
		_, s.failure = s.writer.Write(s.buffer.Bytes())
	}
	if s.failure == nil {
		s.failure = s.controller.Flush()
	}
	s.buffer.Reset()
}

// encode is json.Marshal without escapes for HTML, so that texts stay as they
// are.
func encode(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}
