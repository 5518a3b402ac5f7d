package backends

import (
	"context"
	"time"
)

// Publisher appends records to topics.
type Publisher interface {
	// Publish returns after every in-sync replica of the broker has the
	// record. An unknown topic is problem.NoSuchTopic, a record over the
	// broker's limit problem.BodyTooLarge. It never retries after the broker
	// may have appended the record in a way that could append it twice; a
	// lost acknowledgement is an error with Unknown set.
	Publish(ctx context.Context, topic string, message Message) (Receipt, error)
}

// Message is a record on its way to a topic.
type Message struct {
	Key       []byte // nil = none; equal keys go to one partition
	Partition *int32 // nil = by key, else in turn
	Headers   []Header
	Value     []byte
	Tombstone bool // a null value; Value is ignored
}

// Header is one header of a record; names may repeat.
type Header struct {
	Name  string
	Value []byte
}

// Receipt says where a published record went.
type Receipt struct {
	Partition int32
	Offset    int64
	Timestamp time.Time
}

// Subscriber reads topics without keeping any state about its readers.
type Subscriber interface {
	// Tail starts to read a topic at a place and keeps no state between
	// calls: whoever has a Delivery's cursor can go on from there through any
	// replica. An unknown topic is problem.NoSuchTopic, a cursor of another
	// topic or a damaged one problem.InvalidCursor, one behind retention
	// problem.CursorExpired unless start.SkipLost is set.
	Tail(ctx context.Context, topic string, start Start) (Tail, error)
}

// Start is the place where a Tail begins: Cursor, else Time, else From.
type Start struct {
	Cursor   string    // a Delivery's or a Tail's
	Time     time.Time // the first record at or after it
	From     From
	SkipLost bool // go on behind a gap instead of failing
}

// From is a named place of a topic.
type From string

// The named places; the empty one is FromLatest.
const (
	FromLatest   From = "latest"
	FromEarliest From = "earliest"
)

// Tail is one reader of one topic. It is used by one goroutine at a time,
// except for Close.
type Tail interface {
	// Next waits for the next record; partitions are interleaved, within one
	// the order is the broker's. After an error that is not ctx's the Tail is
	// of no further use.
	Next(ctx context.Context) (Delivery, error)

	// Cursor is the place behind all that Next returned so far.
	Cursor() string

	// Close ends the Tail and frees what it holds; it may be called twice.
	Close() error
}

// Delivery is a record as read from a topic.
type Delivery struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	Key       []byte // nil = none
	Headers   []Header
	Value     []byte // nil = a tombstone
	Cursor    string // the place behind this record, over all partitions
	Gap       bool   // records between the previous Delivery and this one are lost to retention
}
