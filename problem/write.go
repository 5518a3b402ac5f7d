package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// ContentType is the media type of a problem document (RFC 9457).
const ContentType = "application/problem+json"

// Document is the JSON form of an Error.
type Document struct {
	Type         string  `json:"type"`
	Title        string  `json:"title"`
	Status       int     `json:"status"`
	Detail       string  `json:"detail,omitempty"`
	Code         Code    `json:"code"`
	RequestID    string  `json:"requestId,omitempty"`
	Retriable    bool    `json:"retriable"`
	RetryAfterMs int64   `json:"retryAfterMs,omitempty"`
	Outcome      string  `json:"outcome,omitempty"`
	ETag         string  `json:"etag,omitempty"`
	Errors       []Field `json:"errors,omitempty"`
}

// DocumentOf says err in the words of the contract. Err is left out: internal
// text is for the log.
func DocumentOf(err error, requestID string) Document {
	e := From(err)
	kind := KindOf(e.Code)
	doc := Document{
		Type: "/problems/" + string(kind.Code), Title: kind.Title, Status: kind.Status,
		Detail: e.Detail, Code: kind.Code, RequestID: requestID,
		Retriable: kind.Retriable, RetryAfterMs: retryAfter(e).Milliseconds(), Errors: e.Fields,
	}
	if kind.Code == Internal {
		doc.Detail = ""
	}
	if e.Unknown {
		doc.Outcome, doc.ETag = "unknown", e.ETag
	}
	return doc
}

// retryAfter is when a retry makes sense. Every 503 names a time.
func retryAfter(e *Error) time.Duration {
	if e.RetryAfter == 0 && KindOf(e.Code).Status == http.StatusServiceUnavailable {
		return time.Second
	}
	return e.RetryAfter
}

// Write answers a request with err as a problem document, with Retry-After
// (whole seconds, rounded up) where a time is known, and Ottogate-Error naming
// the code, so that a caller can tell the gateway's failures from an upstream's.
func Write(w http.ResponseWriter, err error, requestID string) {
	doc := DocumentOf(err, requestID)
	body, _ := json.Marshal(doc) // a Document always encodes
	header := w.Header()
	header.Set("Content-Type", ContentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "private, no-cache")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Ottogate-Error", string(doc.Code))
	header.Del("ETag")
	if retry := retryAfter(From(err)); retry > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64((retry+time.Second-1)/time.Second), 10))
	}
	w.WriteHeader(doc.Status)
	_, _ = w.Write(body) // the client may be gone; nobody is left to tell
}
