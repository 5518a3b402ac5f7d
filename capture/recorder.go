// Package capture is tcp-copy: it samples the exchanges that pass the gateway,
// redacts them and keeps them in rotated files, off the request path. Whatever
// happens to the disk, a request never waits: what cannot be kept is dropped
// and counted.
package capture

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/ottogate/ottogate/glob"
	"github.com/ottogate/ottogate/request"
)

// closeTimeout bounds how long Close waits for a disk that does not answer.
const closeTimeout = 5 * time.Second

// Recorder takes exchanges in and writes them down. A nil Recorder is one that
// is switched off: it samples nothing and costs a nil check. All methods are
// safe for concurrent use; none but Close blocks.
type Recorder struct {
	share     float64
	bodyLimit int
	apps      []string // globs; none = all
	routes    []string
	secrets   secrets
	queue     *ring
	writer    *writer
	done      chan struct{} // closed when the writer has ended
}

// New starts a recorder and its writer. A folder that is missing, full or not
// writable is not an error: exchanges are dropped until it works. An error
// means that the configuration makes no sense.
func New(config Config, log *slog.Logger) (*Recorder, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("tcp-copy: %w", err)
	}
	queue := newRing(config.RingExchanges, config.RingBytes)
	recorder := &Recorder{
		share: config.Share, bodyLimit: config.BodyLimit,
		apps: slices.Clone(config.Apps), routes: slices.Clone(config.Routes),
		secrets: newSecrets(config.RedactHeaders),
		queue:   queue,
		writer:  newWriter(queue, newFolder(config), log),
		done:    make(chan struct{}),
	}
	go func() {
		defer close(recorder.done)
		recorder.writer.run()
	}()
	return recorder, nil
}

// Sampled decides, once per request and before its body is read, whether the
// exchange is to be recorded. The draw is random and not derived from the
// request's id, because callers choose their ids.
func (r *Recorder) Sampled(info *request.Info, req *http.Request) bool {
	if r == nil || r.share < 1 && rand.Float64() >= r.share {
		return false
	}
	return matchesAny(r.apps, info.App) && matchesAny(r.routes, req.URL.Path)
}

// matchesAny tells whether one of the patterns fits, or there is none.
func matchesAny(patterns []string, text string) bool {
	fits := func(pattern string) bool { return glob.Match(pattern, text) }
	return len(patterns) == 0 || slices.ContainsFunc(patterns, fits)
}

// BodyLimit is how many bytes of each body are worth keeping for Record; 0 for
// a nil Recorder.
func (r *Recorder) BodyLimit() int {
	if r == nil {
		return 0
	}
	return r.bodyLimit
}

// Record redacts the exchange and queues it for the writer, or drops it when
// the ring is full. The headers are copied; the bodies are not and must not be
// written to any more. Bodies over BodyLimit are cut.
func (r *Recorder) Record(exchange Exchange) {
	if r == nil {
		return
	}
	exchange.Query = r.secrets.parameters.redact(exchange.Query)
	exchange.Header = r.secrets.redact(exchange.Header)
	exchange.ResponseHeader = r.secrets.redact(exchange.ResponseHeader)
	exchange.Body = cut(exchange.Body, r.bodyLimit)
	exchange.ResponseBody = cut(exchange.ResponseBody, r.bodyLimit)
	if !r.queue.put(exchange) {
		r.writer.droppedFull.Add(1)
	}
}

// Stats counts what became of the exchanges since the start.
type Stats struct {
	Written     uint64 // lines in files
	DroppedFull uint64 // the ring was full, or the recorder closed
	DroppedDisk uint64 // the folder was full, removed or not writable
}

// Stats gives the counters; all zero for a nil Recorder.
func (r *Recorder) Stats() Stats {
	if r == nil {
		return Stats{}
	}
	return Stats{
		Written:     r.writer.written.Load(),
		DroppedFull: r.writer.droppedFull.Load(),
		DroppedDisk: r.writer.droppedDisk.Load(),
	}
}

// Close takes no more exchanges, writes down those in the ring and waits for
// the writer; it may be called more than once. When the disk does not answer
// for five seconds it gives up with an error and leaves the writer behind.
func (r *Recorder) Close() error {
	if r == nil {
		return nil
	}
	r.queue.close()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-r.done:
		return nil
	case <-timer.C:
		return fmt.Errorf("tcp-copy: the disk did not take the last exchanges within %s", closeTimeout)
	}
}

// cut shortens body and gives up the rest of its memory's use by appends.
func cut(body []byte, limit int) []byte {
	if len(body) > limit {
		return body[:limit:limit]
	}
	return body
}
