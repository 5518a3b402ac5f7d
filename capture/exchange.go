package capture

import (
	"encoding/json"
	"net/http"
	"time"
)

// Exchange is one request with its answer, as the gateway saw them.
type Exchange struct {
	Time      time.Time // when the request arrived
	Duration  time.Duration
	RequestID string
	App       string
	Route     string // the route's template

	Method string
	Path   string // escaped, as it came
	Query  string // raw, without the question mark

	Header   http.Header
	Body     []byte // its beginning
	BodySize int64  // bytes that passed, which may be more than Body has

	Status         int
	ResponseHeader http.Header
	ResponseBody   []byte // its beginning
	ResponseSize   int64
}

// size is what the exchange weighs in the ring: its bodies and about what its
// headers take.
func (e *Exchange) size() int {
	const fixed = 512 // the struct, its strings and the maps
	size := fixed + len(e.Path) + len(e.Query) + len(e.Body) + len(e.ResponseBody)
	return size + headerSize(e.Header) + headerSize(e.ResponseHeader)
}

func headerSize(header http.Header) int {
	size := 0
	for name, values := range header {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	return size
}

// formatVersion is the "v" of every line; a change that an old reader would
// misread raises it.
const formatVersion = 1

// line is the format of a capture file: JSON Lines, one exchange each, in the
// order in which they ended. Bodies are base64 (RFC 4648 §4, padded); a body
// whose size is larger than what is kept was cut. Redacted values of headers
// and query parameters read "***". The last line of a file may be cut short by a crash; readers skip it.
// Docs: docs/operations.md, "tcp-copy".
type line struct {
	Version         int         `json:"v"`
	Time            time.Time   `json:"time"` // UTC
	RequestID       string      `json:"requestId"`
	App             string      `json:"app"`
	Route           string      `json:"route"`
	Method          string      `json:"method"`
	Path            string      `json:"path"`
	Query           string      `json:"query,omitempty"`
	Headers         http.Header `json:"headers"`
	Body            []byte      `json:"body"`
	BodySize        int64       `json:"bodySize"`
	Status          int         `json:"status"`
	ResponseHeaders http.Header `json:"responseHeaders"`
	ResponseBody    []byte      `json:"responseBody"`
	ResponseSize    int64       `json:"responseSize"`
	DurationMs      float64     `json:"durationMs"`
}

// appendLine adds the exchange's line to buffer.
func (e *Exchange) appendLine(buffer []byte) ([]byte, error) {
	text, err := json.Marshal(line{
		Version: formatVersion, Time: e.Time.UTC(), RequestID: e.RequestID, App: e.App, Route: e.Route,
		Method: e.Method, Path: e.Path, Query: e.Query,
		Headers: e.Header, Body: present(e.Body), BodySize: e.BodySize,
		Status: e.Status, ResponseHeaders: e.ResponseHeader,
		ResponseBody: present(e.ResponseBody), ResponseSize: e.ResponseSize,
		DurationMs: float64(e.Duration) / float64(time.Millisecond),
	})
	if err != nil {
		return buffer, err
	}
	return append(append(buffer, text...), '\n'), nil
}

// present makes no bytes an empty string in JSON and not null.
func present(body []byte) []byte {
	if body == nil {
		return []byte{}
	}
	return body
}
