package upstream

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// shield stands between the ReverseProxy and the caller's writer, so that
// both carriers commit an answer by the same rules.
type shield struct {
	http.ResponseWriter
	passage *passage
	header  http.Header
	body    *watchedBody // nil = none streams
	begun   bool
}

// watchedBody remembers how reading the caller's body ended, and hands over
// the trailers behind it, as far as they pass.
type watchedBody struct {
	io.ReadCloser
	r        *http.Request
	trailer  http.Header // the outgoing request's
	reading  sync.Mutex
	finished atomic.Bool
	halted   atomic.Bool
	failed   atomic.Pointer[callerFault]
}

func (b *watchedBody) Read(data []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.halted.Load() {
		return 0, errHalted
	}
	n, err := b.ReadCloser.Read(data)
	if err == io.EOF {
		for name := range b.trailer {
			b.trailer[name] = b.r.Trailer[name]
		}
		b.finished.Store(true)
	} else if err != nil {
		b.failed.Store(&callerFault{err})
	}
	return n, err
}

// Unwrap lets net/http find Hijack and Flush.
func (s *shield) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *shield) Header() http.Header { return s.header }

func (s *shield) WriteHeader(status int) {
	if status == http.StatusContinue && !s.passage.expects() {
		return
	}
	if status < 200 {
		inform(s.ResponseWriter, s.passage.r, status, fieldsOf(s.header))
		return
	}
	s.begun = true
	if s.body != nil && !s.body.finished.Load() && s.passage.r.ProtoMajor == 1 {
		s.ResponseWriter.Header().Set("Connection", "close") // the rest of the body must not be read as a request
	}
	s.extendWriting()
	if announced := s.header["Trailer"]; announced != nil {
		delete(s.header, "Content-Length") // HTTP/1.1 has trailers behind chunks only
		announce(s.ResponseWriter.Header(), announced, func(name string) bool { return s.header[name] != nil })
	}
	commit(s.ResponseWriter, s.passage, status, fieldsOf(s.header), nil)
	clear(s.header) // what comes from here on are trailers
}

func (s *shield) Write(data []byte) (int, error) {
	s.extendWriting()
	return s.ResponseWriter.Write(data)
}

// extendWriting gives the caller its time anew to take what is written.
func (s *shield) extendWriting() {
	_ = http.NewResponseController(s.ResponseWriter).SetWriteDeadline(time.Now().Add(s.passage.pool.limits.silence))
}

// finish hands over what the ReverseProxy set behind the body and gives the
// caller's connection back as it was.
func (s *shield) finish() {
	if !s.begun {
		return
	}
	s.setTrailers()
	_ = http.NewResponseController(s.ResponseWriter).SetWriteDeadline(time.Time{})
}

func (s *shield) setTrailers() {
	for _, f := range fieldsOf(s.header) {
		f.name = strings.TrimPrefix(f.name, http.TrailerPrefix)
		setTrailer(s.ResponseWriter.Header(), f)
	}
}

// fieldsOf lists a header in the order of its names.
func fieldsOf(header http.Header) []field {
	var fields []field
	for name, values := range header {
		for _, value := range values {
			fields = append(fields, field{name, value})
		}
	}
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return fields
}

// haltBody sees that nobody reads the caller's body any more: the Transport
// may be at it still when the answer is through.
func (s *shield) haltBody() {
	if s.body == nil || s.body.finished.Load() {
		return
	}
	s.body.halted.Store(true)
	control := http.NewResponseController(s.ResponseWriter)
	if !s.begun && s.passage.r.ProtoMajor == 1 {
		s.ResponseWriter.Header().Set("Connection", "close")
	}
	wakeReader(control, s.passage.pool.limits.linger, func(patience time.Duration) bool {
		if s.body.reading.TryLock() {
			s.body.reading.Unlock()
			return true
		}
		time.Sleep(patience)
		return false
	})
}

// announce gives the trailers that may pass; their values come with the end of
// the body.
func (b *watchedBody) announce() http.Header {
	for name := range b.r.Trailer {
		if isToken(name) && !forbiddenTrailer(name) {
			if b.trailer == nil {
				b.trailer = http.Header{}
			}
			b.trailer[name] = nil
		}
	}
	return b.trailer
}
