package backends

import (
	"context"
	"time"
)

// StateStore keeps opaque values under keys.
type StateStore interface {
	// Get reads one key. An absent or expired key is problem.NoSuchKey.
	Get(ctx context.Context, key string, options ReadOptions) (Item, error)

	// Put writes value and expiry in one atomic step and returns the new
	// ETag, which no earlier write of any key had. A condition that does not
	// hold is problem.PreconditionFailed and changes nothing.
	Put(ctx context.Context, key string, value Value, options WriteOptions) (etag string, err error)

	// Delete removes the key. Removing an absent key succeeds, unless a
	// condition asks for its presence.
	Delete(ctx context.Context, key string, options WriteOptions) error
}

// Value is bytes as the caller gave them.
type Value struct {
	Data        []byte
	ContentType string // "" = none was given
}

// Item is a stored value with what the store knows about it.
type Item struct {
	Value
	ETag string        // opaque, without quotes
	TTL  time.Duration // time left; 0 = never expires, or not asked for
}

// Consistency says how much a read or write waits for.
type Consistency string

// The consistencies; the empty one is the store's default.
const (
	DefaultConsistency  Consistency = ""
	StrongConsistency   Consistency = "strong"
	EventualConsistency Consistency = "eventual"
)

// ReadOptions go with a Get.
type ReadOptions struct {
	WithTTL     bool // fill in Item.TTL, which may cost a further command
	Consistency Consistency
}

// WriteOptions go with a Put or Delete.
type WriteOptions struct {
	Condition
	TTL         time.Duration // 0 = no expiry
	Consistency Consistency
}

// Condition is If-Match and If-None-Match of RFC 9110 §13, tags unquoted.
// The zero value holds always.
type Condition struct {
	IfMatch        []string // holds when the current tag is one of these
	IfMatchAny     bool     // If-Match: *, holds when the key exists
	IfNoneMatch    []string // holds when the current tag is none of these
	IfNoneMatchAny bool     // If-None-Match: *, holds when the key is absent
}

// Unconditional says that nothing is asked.
func (c Condition) Unconditional() bool {
	return !c.IfMatchAny && !c.IfNoneMatchAny && len(c.IfMatch) == 0 && len(c.IfNoneMatch) == 0
}

// Holds evaluates the condition against the current state of a key, in the
// order of RFC 9110 §13.2.2. Drivers use it where they can read and write in
// one transaction.
func (c Condition) Holds(exists bool, etag string) bool {
	if (c.IfMatchAny || len(c.IfMatch) > 0) && !(exists && (c.IfMatchAny || contains(c.IfMatch, etag))) {
		return false
	}
	if !exists {
		return true
	}
	return !c.IfNoneMatchAny && !contains(c.IfNoneMatch, etag)
}

func contains(tags []string, etag string) bool {
	for _, tag := range tags {
		if tag == etag {
			return true
		}
	}
	return false
}

// Lister is a StateStore that can list its keys.
type Lister interface {
	// List gives a page of the keys that start with prefix. Every key that
	// existed throughout the whole listing is given at least once; the order
	// is the driver's. A page may be short or empty while it has a cursor.
	// A cursor that List did not make for this prefix is problem.InvalidCursor.
	List(ctx context.Context, prefix string, options ListOptions) (Page, error)
}

// ListOptions bound a page.
type ListOptions struct {
	Limit  int    // aim for this many items; at least 1
	Cursor string // "" = from the start
	Values bool   // fill in values, types and tags
}

// Page is a part of a listing.
type Page struct {
	Items  []ListedItem
	Cursor string // "" = the end
}

// ListedItem is one key of a page; Item.ETag is always there.
type ListedItem struct {
	Key string // complete, as List's prefix was
	Item
}
