package redis

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ottogate/ottogate/backends"
)

// The work of one page is bounded, however few of the keys have the prefix.
const (
	scanRounds = 200  // SCANs per page
	scanLeast  = 10   // keys that one SCAN looks at, at least
	scanMost   = 1000 // and at most
	fetchCalls = 128  // reads that travel together
)

// List walks the keys by SCAN. What is no string, or of another encoding, is
// left out. A page may hold some more items than asked for, since what a SCAN
// found cannot be put back.
func (s *State) List(ctx context.Context, prefix string, options backends.ListOptions) (backends.Page, error) {
	options.Limit = max(options.Limit, 1)
	walk, err := s.startWalk(ctx, prefix, options)
	if err != nil {
		return backends.Page{}, err
	}
	for range scanRounds {
		if len(walk.items) >= options.Limit || walk.ended() {
			break
		}
		if err := walk.round(ctx); err != nil {
			return backends.Page{}, err
		}
	}
	page := backends.Page{Items: walk.items}
	if !walk.ended() {
		page.Cursor = walk.at.text(prefix)
	}
	return page, nil
}

// walk is one page in the making.
type walk struct {
	*State
	options backends.ListOptions
	pattern string
	nodes   []node
	at      position
	items   []backends.ListedItem
	seen    map[string]struct{} // SCAN repeats keys at times
}

func (s *State) startWalk(ctx context.Context, prefix string, options backends.ListOptions) (*walk, error) {
	w := &walk{State: s, options: options, pattern: globEscape(prefix) + "*", seen: map[string]struct{}{}}
	if options.Cursor != "" {
		var err error
		if w.at, err = parsePosition(options.Cursor, prefix); err != nil {
			return nil, err
		}
	}
	var err error
	if w.nodes, err = s.conn.nodes(ctx); err != nil {
		return nil, err
	}
	now, err := s.conn.epoch(ctx, w.nodes)
	if err != nil {
		return nil, err
	}
	if w.at.epoch != now {
		w.at = position{epoch: now}
	}
	return w, nil
}

func (w *walk) ended() bool { return int(w.at.node) >= len(w.nodes) }

// round is one SCAN and the reads of what it found.
func (w *walk) round(ctx context.Context) error {
	count := min(max(w.options.Limit-len(w.items), scanLeast), scanMost)
	scan := redis.NewScanCmd(ctx, nil, "scan", w.at.scan, "match", w.pattern, "count", count, "type", "string")
	if err := w.nodes[w.at.node](ctx, scan); err != nil {
		return err
	}
	found, next, err := scan.Result()
	if err != nil {
		return mapError(ctx, err, reading)
	}
	if err := w.fetch(ctx, w.fresh(found)); err != nil {
		return err
	}
	if w.at.scan = next; next == 0 {
		w.at.node++
	}
	return nil
}

// fresh drops the keys that the page has already met.
func (w *walk) fresh(found []string) []string {
	fresh := found[:0]
	for _, key := range found {
		if _, met := w.seen[key]; !met {
			w.seen[key] = struct{}{}
			fresh = append(fresh, key)
		}
	}
	return fresh
}

func (w *walk) fetch(ctx context.Context, keys []string) error {
	for len(keys) > 0 {
		some := keys[:min(len(keys), fetchCalls)]
		keys = keys[len(some):]
		reads := make([]*redis.StringCmd, len(some))
		commands := make([]redis.Cmder, len(some))
		for i, key := range some {
			reads[i] = w.reader(ctx, key)
			commands[i] = reads[i]
		}
		if err := w.conn.do(ctx, reading, commands...); err != nil {
			return err
		}
		for i, key := range some {
			if err := w.add(ctx, key, reads[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) reader(ctx context.Context, key string) *redis.StringCmd {
	if w.options.Values {
		return redis.NewStringCmd(ctx, "get", key)
	}
	return w.encoding.peek(ctx, key)
}

// add takes what was read into the page. A key may have gone or changed its
// type since SCAN saw it: then it did not live through the listing.
func (w *walk) add(ctx context.Context, key string, read *redis.StringCmd) error {
	stored, err := read.Bytes()
	switch {
	case errors.Is(err, redis.Nil), redis.HasErrorPrefix(err, "WRONGTYPE"):
		return nil
	case err != nil:
		return mapError(ctx, err, reading)
	}
	if item, ok := w.listed(stored); ok {
		w.items = append(w.items, backends.ListedItem{Key: key, Item: item})
	}
	return nil
}

func (w *walk) listed(stored []byte) (backends.Item, bool) {
	if w.options.Values {
		item, err := w.codec.decode(stored)
		return item, err == nil
	}
	etag, ok := w.codec.peeked(stored)
	return backends.Item{ETag: etag}, ok
}

// globEscape makes a pattern that matches the text itself.
func globEscape(text string) string {
	var escaped strings.Builder
	for i := range len(text) {
		if strings.IndexByte(`*?[]\`, text[i]) >= 0 {
			escaped.WriteByte('\\')
		}
		escaped.WriteByte(text[i])
	}
	return escaped.String()
}
