package local

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Bounds of one page beside the caller's limit, so that a page stays short in
// time and memory whatever lies under the prefix.
const (
	pageScan  = 10_000  // records looked at, expired ones included
	pageBytes = 4 << 20 // values, after which no further item is added
)

// List implements backends.Lister. It gives keys in the order of their bytes,
// each once, and reads a page in one transaction. A damaged record is left out, so
// that it does not hide the others; Get tells of it.
func (s *State) List(ctx context.Context, prefix string, options backends.ListOptions) (backends.Page, error) {
	after, err := openCursor(prefix, options.Cursor)
	if err != nil {
		return backends.Page{}, err
	}
	var page backends.Page
	err = s.db.view(ctx, func(tx *bolt.Tx) error {
		page = readPage(tx, prefix, after, options)
		return nil
	})
	return page, err
}

func readPage(tx *bolt.Tx, prefix, after string, options backends.ListOptions) backends.Page {
	var page backends.Page
	present := now()
	scanned, size := 0, 0
	cursor := bucket(tx, stateBucket).Cursor()
	for key, stored := seekAfter(cursor, prefix, after); key != nil && hasPrefix(key, prefix); key, stored = cursor.Next() {
		if len(page.Items) >= max(options.Limit, 1) || scanned >= pageScan || size >= pageBytes {
			page.Cursor = sealCursor(prefix, after)
			return page
		}
		if item, live := listed(string(key), stored, present, options.Values); live {
			page.Items = append(page.Items, item)
			size += len(item.Data)
		}
		after = string(key)
		scanned++
	}
	return page
}

// seekAfter finds the first key with the prefix behind after, or the first at
// all when after is empty.
func seekAfter(cursor *bolt.Cursor, prefix, after string) (key, stored []byte) {
	if after == "" {
		return cursor.Seek([]byte(prefix))
	}
	key, stored = cursor.Seek([]byte(after))
	if string(key) == after {
		return cursor.Next()
	}
	return key, stored
}

// listed makes an item of a stored record; live is false for one that is expired
// or damaged. Without values the data is not even read.
func listed(key string, stored []byte, present micros, values bool) (item backends.ListedItem, live bool) {
	read := decodeHead
	if values {
		read = func(stored []byte) (record, error) { return decode(key, stored) }
	}
	r, err := read(stored)
	if err != nil || r.expired(present) {
		return backends.ListedItem{}, false
	}
	if values {
		return backends.ListedItem{Key: key, Item: r.item(present, false)}, true
	}
	return backends.ListedItem{Key: key, Item: backends.Item{ETag: r.etag()}}, true
}

// A cursor is the last key looked at with a checksum over it and the prefix. It
// carries a position and no rights: whoever forges one reaches no key that its
// prefix does not reach anyway.
const cursorSum = 12

func sealCursor(prefix, last string) string {
	return base64.RawURLEncoding.EncodeToString(append(sumCursor(prefix, last), last...))
}

// openCursor gives the key that a listing goes on behind.
func openCursor(prefix, cursor string) (after string, err error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= cursorSum {
		return "", errCursor()
	}
	after = string(raw[cursorSum:])
	genuine := subtle.ConstantTimeCompare(raw[:cursorSum], sumCursor(prefix, after)) == 1
	if !genuine || !strings.HasPrefix(after, prefix) {
		return "", errCursor()
	}
	return after, nil
}

func sumCursor(prefix, last string) []byte {
	own := sha256.Sum256([]byte(prefix))
	sum := sha256.Sum256(append(own[:], last...))
	return sum[:cursorSum]
}

func errCursor() error {
	return problem.New(problem.InvalidCursor, "the cursor was not made for this listing")
}
