package capture

import (
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	batchBytes = 256 << 10       // written at once
	retryGap   = 1 * time.Second // between tries of a folder that refuses
)

// writer empties the ring into the folder. run belongs to one goroutine; the
// counters may be read by all.
type writer struct {
	queue  *ring
	folder *folder
	log    *slog.Logger

	failedAt time.Time // of the last refusal; zero while all is well

	written, droppedFull, droppedDisk atomic.Uint64
}

func newWriter(queue *ring, folder *folder, log *slog.Logger) *writer {
	return &writer{queue: queue, folder: folder, log: log}
}

// run ends when the ring is closed and empty.
func (w *writer) run() {
	defer w.folder.close()
	var items []Exchange
	for open := true; open; {
		items, open = w.queue.take(items)
		w.writeAll(items)
		clear(items) // let go of bodies and headers
	}
}

// writeAll writes lines in batches of about batchBytes.
func (w *writer) writeAll(items []Exchange) {
	var batch []byte
	lines := uint64(0)
	for i := range items {
		longer, err := items[i].appendLine(batch)
		if err != nil {
			w.droppedDisk.Add(1)
			continue
		}
		batch, lines = longer, lines+1
		if len(batch) >= batchBytes {
			w.write(batch, lines)
			batch, lines = batch[:0], 0
		}
	}
	if lines > 0 {
		w.write(batch, lines)
	}
}

// write counts the lines as written or dropped. After a refusal the disk is
// left alone for a moment, so that a broken folder costs nothing.
func (w *writer) write(batch []byte, lines uint64) {
	if !w.failedAt.IsZero() && time.Since(w.failedAt) < retryGap {
		w.droppedDisk.Add(lines)
		return
	}
	if err := w.folder.append(batch); err != nil {
		w.fail(err)
		w.droppedDisk.Add(lines)
		return
	}
	if !w.failedAt.IsZero() {
		w.failedAt = time.Time{}
		w.log.Info("tcp-copy writes again", "dropped", w.droppedDisk.Load())
	}
	w.written.Add(lines)
}

// fail logs the first of a row of refusals only.
func (w *writer) fail(err error) {
	if w.failedAt.IsZero() {
		w.log.Warn("tcp-copy cannot write and drops what it captures", "error", err)
	}
	w.failedAt = time.Now()
}
