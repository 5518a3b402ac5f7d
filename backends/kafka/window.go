package kafka

import (
	"bytes"
	"sort"

	"github.com/ottogate/ottogate/backends"
)

// windowItems bounds the records that a window keeps.
const windowItems = 2048

// window is the recent past of one partition: all there is to see from first
// up to next. It is guarded by its hub.
type window struct {
	first, next int64
	items       []item
	bytes       int
}

// add puts what was fetched at next behind the rest, and drops the oldest
// records when there are too many or they hold more than limit bytes. Records
// are copied, since each of them would keep its whole response in memory.
func (w *window) add(f fetched, limit int) {
	for _, it := range f.items {
		it.record = clone(it.record)
		w.items = append(w.items, it)
		w.bytes += weight(it.record)
	}
	w.next = f.next
	w.trim(limit)
}

func (w *window) trim(limit int) {
	drop := 0
	for ; drop < len(w.items) && (w.bytes > limit || len(w.items)-drop > windowItems); drop++ {
		w.bytes -= weight(w.items[drop].record)
		w.first = w.items[drop].after
	}
	if drop > 0 {
		w.items = append([]item(nil), w.items[drop:]...)
	}
}

// reset empties the window and goes on elsewhere.
func (w *window) reset(position int64) { *w = window{first: position, next: position} }

// covers says whether a reader at a position can be served from here, if only
// by waiting.
func (w *window) covers(position int64) bool { return position >= w.first }

// from gives at most count records from a position on, and where to go on.
func (w *window) from(position int64, count int) (items []item, next int64) {
	start := sort.Search(len(w.items), func(i int) bool { return w.items[i].record.Offset >= position })
	items = w.items[start:min(start+count, len(w.items))]
	if len(items) == 0 {
		return nil, max(position, w.next)
	}
	return items, items[len(items)-1].after
}

// weight is about what a record takes in memory.
func weight(record backends.Delivery) int {
	size := 128 + len(record.Key) + len(record.Value)
	for _, header := range record.Headers {
		size += 48 + len(header.Name) + len(header.Value)
	}
	return size
}

func clone(record backends.Delivery) backends.Delivery {
	record.Key, record.Value = bytes.Clone(record.Key), bytes.Clone(record.Value)
	for i := range record.Headers {
		record.Headers[i].Value = bytes.Clone(record.Headers[i].Value)
	}
	return record
}
