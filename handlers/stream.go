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

// eventStreamType is the media type of server-sent events (WHATWG HTML §9.2).
const eventStreamType = "text/event-stream"

// wantsStream says whether the caller asked for server-sent events; */* never
// does.
func wantsStream(c *gin.Context) bool {
	if c.Request.Method != http.MethodGet {
		return false
	}
	if strings.Contains(c.Request.Header.Get("Accept"), eventStreamType) {
		return true
	}
	return c.Request.URL.RawQuery != "" && c.Query("stream") == "true"
}

// eventStream writes server-sent events. It belongs to one goroutine.
type eventStream struct {
	writer     http.ResponseWriter
	controller *http.ResponseController
	buffer     bytes.Buffer
}

// openStream sends the headers. lastID, when not empty, is told at once, so
// that a client that is cut off before the first event resumes where it began.
func openStream(c *gin.Context, lastID string) (*eventStream, error) {
	header := c.Writer.Header()
	header.Set("Content-Type", eventStreamType)
	header.Set("Cache-Control", "private, no-cache")
	header.Set("X-Accel-Buffering", "no")
	c.Status(http.StatusOK)
	s := &eventStream{writer: c.Writer, controller: http.NewResponseController(c.Writer)}
	s.buffer.WriteString(retryHint)
	if lastID != "" {
		s.buffer.WriteString("id: " + lastID + "\n")
	}
	s.buffer.WriteString("\n")
	return s, s.flush()
}

// send writes one event; data holds no line breaks. An empty id or event is
// left out.
func (s *eventStream) send(id, event string, data []byte) error {
	if event != "" {
		s.buffer.WriteString("event: " + event + "\n")
	}
	if id != "" {
		s.buffer.WriteString("id: " + id + "\n")
	}
	s.buffer.WriteString("data: ")
	s.buffer.Write(data)
	s.buffer.WriteString("\n\n")
	return s.flush()
}

// sendJSON is send for a value that encodes as one line of JSON.
func (s *eventStream) sendJSON(id, event string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.send(id, event, data)
}

// beat writes a comment that keeps the connection alive.
func (s *eventStream) beat() error {
	s.buffer.WriteString(":\n\n")
	return s.flush()
}

// fail ends the stream with the problem as its last event.
func (s *eventStream) fail(ctx context.Context, err error) {
	_ = s.sendJSON("", "error", problem.DocumentOf(err, request.From(ctx).ID)) // the reader may be gone
}

func (s *eventStream) flush() error {
	if err := s.controller.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := s.writer.Write(s.buffer.Bytes())
	s.buffer.Reset()
	if err != nil {
		return err
	}
	return s.controller.Flush()
}
