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
	begun    atomic.Bool
	woken    bool // a read was broken off while the caller was there
	failed   atomic.Pointer[callerFault]
}

func (b *watchedBody) Read(data []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.halted.Load() {
		return 0, errHalted
	}
	b.begun.Store(true)
	n, err := b.ReadCloser.Read(data)
	if err == io.EOF {
		for name := range b.trailer {
			b.trailer[name] = b.r.Trailer[name]
		}
		b.finished.Store(true)
	} else if err != nil && !b.halted.Load() {
		b.failed.Store(&callerFault{err})
	}
	return n, err
}

// Unwrap lets net/http find Hijack and Flush.
func (s *shield) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *shield) Header() http.Header { return s.header }

func (s *shield) WriteHeader(status int) {
	if status == http.StatusContinue {
		return // the server says so itself when the body is read
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

// halt sees that nobody reads the caller's body any more.
func (b *watchedBody) halt(control *http.ResponseController, linger time.Duration) {
	if b.finished.Load() {
		return
	}
	b.halted.Store(true)
	if b.idle() {
		return
	}
	b.woken = b.r.Context().Err() == nil
	wakeReader(control, linger, func(patience time.Duration) bool {
		time.Sleep(patience)
		return b.idle()
	})
}

// idle tells whether no read is under way; of a halted body none begins.
func (b *watchedBody) idle() bool {
	free := b.reading.TryLock()
	if free {
		b.reading.Unlock()
	}
	return free
}

// abandonBody sees that what is left of a halted body is not taken for the
// caller's next request.
func (s *shield) abandonBody() {
	switch {
	case !s.body.halted.Load():
	case s.begun:
		control := http.NewResponseController(s.ResponseWriter)
		_ = control.SetReadDeadline(time.Now().Add(s.passage.pool.limits.linger))
	case s.body.begun.Load():
		s.passage.broken = s.body.woken
		if s.passage.r.ProtoMajor == 1 {
			s.ResponseWriter.Header().Set("Connection", "close")
		}
	}
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
