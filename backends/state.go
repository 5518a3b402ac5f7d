package backends

import (
	"context"
	"slices"
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
	KeepTTL     bool          // keep the expiry that the value has; TTL is ignored
	Consistency Consistency
	Fence       *Fence // refuse the write when a newer fence of the resource was seen
}

// Fence guards a write by a lock's token: the write is problem.StaleFence and
// changes nothing when a write with a larger token of the same resource was
// applied before on this store; else the token is remembered in the same
// atomic step. It is judged before the condition, and a write that is refused
// leaves no token behind.
type Fence struct {
	Resource string // complete, as the lock's was
	Token    uint64
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
	if (c.IfMatchAny || len(c.IfMatch) > 0) && !(exists && (c.IfMatchAny || slices.Contains(c.IfMatch, etag))) {
		return false
	}
	if !exists {
		return true
	}
	return !c.IfNoneMatchAny && !slices.Contains(c.IfNoneMatch, etag)
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

// Incrementer is a StateStore that can count.
type Incrementer interface {
	// Increment adds to the whole number stored under key, in one atomic step
	// and with full 64-bit precision; an absent key is 0 and is created
	// without expiry, an expiry that is there is kept; the options' TTL and
	// KeepTTL play no part. The value is stored as decimal digits, so that Get
	// reads it: application/json, or the content type that the value has. A
	// stored value that is not exactly the digits of a 64-bit integer ("-12";
	// no "+1", "01", "1.0", " 1"), an overflow and a result outside the bounds
	// are problem.Unprocessable and change nothing.
	Increment(ctx context.Context, key string, step Increment, options WriteOptions) (value int64, etag string, err error)
}

// Increment is a step of a counter.
type Increment struct {
	By       int64
	Min, Max *int64 // bounds of the result; nil = none
}

// Transactor is a StateStore that can change several keys in one atomic step.
type Transactor interface {
	// Transact applies all operations in order or none. Results are in the
	// order of the operations and hold what each alone would have answered.
	// When one fails (a condition, a fence, a bound), nothing is applied, err
	// is that first failure, and each failed operation has its own in its
	// result; the other results are empty. A get of an absent key has
	// problem.NoSuchKey in its result and fails nothing. Operations see what
	// those before them did, also to the same key. With err of unknown
	// outcome, the results hold the tags that the attempt would have left.
	// Keys that the backend cannot change together are problem.CrossSlot.
	Transact(ctx context.Context, operations []Operation) ([]Result, error)
}

// OperationKind says what an Operation does.
type OperationKind string

// The kinds.
const (
	OperationGet       OperationKind = "get"
	OperationPut       OperationKind = "put"
	OperationDelete    OperationKind = "delete"
	OperationIncrement OperationKind = "increment"
)

// Operation is one part of a transaction.
type Operation struct {
	Kind      OperationKind
	Key       string
	Value     Value        // of a put
	Increment Increment    // of an increment
	Options   WriteOptions // of a write
}

// Result is what became of an Operation: an Item for get (as Get gives it
// without options), a tag for put, a tag and the new digits (in Data) for
// increment, or Err.
type Result struct {
	Item
	Err error
}

// Watcher is a StateStore that tells of changes, whoever made them.
type Watcher interface {
	// Watch follows one key until Close; ctx bounds the beginning only. It
	// shows the latest state and may skip others.
	Watch(ctx context.Context, key string) (StateWatch, error)
}

// StateWatch follows one key. It is used by one goroutine at a time, except
// for Close.
type StateWatch interface {
	// Next gives the present state at its first call, and then waits for one
	// that differs from what it gave last. After an error that is not ctx's
	// the watch is of no further use; after Close, which also ends a waiting
	// Next, that error is problem.ClientClosed.
	Next(ctx context.Context) (StateChange, error)

	// Close ends the watch; it may be called twice.
	Close() error
}

// StateChange is what a key has become.
type StateChange struct {
	Kind ChangeKind
	Item // of a put
}

// ChangeKind says what happened to a key.
type ChangeKind string

// The kinds of changes. A key that was absent from the start is ChangeDelete;
// one whose end came while nobody waited in Next may be told as either.
const (
	ChangePut    ChangeKind = "put"
	ChangeDelete ChangeKind = "delete"
	ChangeExpire ChangeKind = "expire"
)
