package conformance

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// listChecks are the promises of List.
func listChecks() []check[store] {
	return []check[store]{
		{"list pages by cursor", listPages},
		{"list knows its prefix only", listPrefix},
		{"list gives values, types and tags", listValues},
		{"list gives tags without values", listTags},
		{"list of nothing is an empty end", listNothing},
		{"list while writing gives what lived through it", listWhileWriting},
		{"list leaves out what has expired or gone", listLeavesOut},
		{"cursor is bound to its prefix", listCursorPrefix},
		{"tampered cursor is refused", listCursorTampered},
		{"cursor of a deleted key goes on", listCursorDeleted},
	}
}

// listAll walks a whole listing. Pages may be empty, but not for ever.
func listAll(t *testing.T, s store, prefix string, limit int) map[string]backends.Item {
	t.Helper()
	return listWith(t, s, prefix, backends.ListOptions{Limit: limit}, func() {})
}

func listWith(t *testing.T, s store, prefix string, options backends.ListOptions, between func()) map[string]backends.Item {
	t.Helper()
	found := map[string]backends.Item{}
	for range 100_000 {
		page := must(s.List(t.Context(), prefix, options))(t)
		for _, item := range page.Items {
			found[item.Key] = item.Item
		}
		if options.Cursor = page.Cursor; options.Cursor == "" {
			return found
		}
		between()
	}
	t.Fatal("the listing does not end")
	return nil
}

func fill(t *testing.T, s store, prefix string, n int) {
	t.Helper()
	for i := range n {
		putValue(t, s, fmt.Sprint(prefix, i), fmt.Sprint(i), backends.WriteOptions{})
	}
}

func wantKeys(t *testing.T, found map[string]backends.Item, prefix string, n int) {
	t.Helper()
	for i := range n {
		if _, ok := found[fmt.Sprint(prefix, i)]; !ok {
			t.Fatalf("key %d is missing", i)
		}
	}
	if len(found) != n {
		t.Fatalf("%d keys, want %d", len(found), n)
	}
}

func listPages(t *testing.T, s store) {
	prefix := named(t, "")
	fill(t, s, prefix, 100)
	for _, limit := range []int{1, 7, 100, 1000} {
		wantKeys(t, listAll(t, s, prefix, limit), prefix, 100)
	}
}

func listPrefix(t *testing.T, s store) {
	for _, key := range []string{"a/1", "a/2", "a", "ab", "b/1", "A/1", "a*", "/a/1"} {
		putValue(t, s, named(t, key), "value", backends.WriteOptions{})
	}
	for prefix, want := range map[string]int{"a/": 2, "a": 5, "b/": 1, "c": 0, "a*": 1, "a/1": 1, "": 8, "[a]": 0, "?": 0} {
		found := listAll(t, s, named(t, prefix), 3)
		for key := range found {
			if !strings.HasPrefix(key, named(t, prefix)) {
				t.Errorf("prefix %q lists %q", prefix, key)
			}
		}
		if len(found) != want {
			t.Errorf("prefix %q lists %d keys, want %d", prefix, len(found), want)
		}
	}
}

func listValues(t *testing.T, s store) {
	key := named(t, "key")
	etag := must(s.Put(t.Context(), key, backends.Value{Data: []byte("\x00value"), ContentType: "a/b"}, backends.WriteOptions{}))(t)
	item := listWith(t, s, key, backends.ListOptions{Limit: 5, Values: true}, func() {})[key]
	if string(item.Data) != "\x00value" || item.ContentType != "a/b" || item.ETag != etag {
		t.Fatalf("%+v", item)
	}
}

func listTags(t *testing.T, s store) {
	key := named(t, "key")
	etag := putValue(t, s, key, "value", backends.WriteOptions{})
	if item := listAll(t, s, key, 5)[key]; item.ETag != etag {
		t.Fatalf("tag %q, want %q", item.ETag, etag)
	}
}

func listNothing(t *testing.T, s store) {
	if found := listAll(t, s, named(t, "no such"), 10); len(found) != 0 {
		t.Fatal(found)
	}
}

func listWhileWriting(t *testing.T, s store) {
	prefix := named(t, "")
	fill(t, s, prefix+"stays/", 60)
	fill(t, s, prefix+"goes/", 60)
	n := 0
	found := listWith(t, s, prefix, backends.ListOptions{Limit: 5}, func() {
		if n < 60 {
			if err := s.Delete(t.Context(), fmt.Sprint(prefix, "goes/", n), backends.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			putValue(t, s, fmt.Sprint(prefix, "comes/", n), "new", backends.WriteOptions{})
			putValue(t, s, fmt.Sprint(prefix, "stays/", n), "rewritten", backends.WriteOptions{})
		}
		n++
	})
	for i := range 60 {
		if _, ok := found[fmt.Sprint(prefix, "stays/", i)]; !ok {
			t.Errorf("stays/%d was there all the time and is missing", i)
		}
	}
}

func listLeavesOut(t *testing.T, s store) {
	prefix := named(t, "")
	fill(t, s, prefix, 3)
	putValue(t, s, prefix+"expired", "value", backends.WriteOptions{TTL: 50 * time.Millisecond})
	putValue(t, s, prefix+"deleted", "value", backends.WriteOptions{})
	if err := s.Delete(t.Context(), prefix+"deleted", backends.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	wantKeys(t, listAll(t, s, prefix, 2), prefix, 3)
}

// firstCursor lists until there is a cursor.
func firstCursor(t *testing.T, s store, prefix string) string {
	t.Helper()
	fill(t, s, prefix, 50)
	page := must(s.List(t.Context(), prefix, backends.ListOptions{Limit: 1}))(t)
	if page.Cursor == "" {
		t.Fatal("a page of 1 out of 50 has no cursor")
	}
	return page.Cursor
}

func listCursorPrefix(t *testing.T, s store) {
	cursor := firstCursor(t, s, named(t, "one/"))
	for _, prefix := range []string{named(t, "two/"), named(t, ""), named(t, "one/1"), ""} {
		_, err := s.List(t.Context(), prefix, backends.ListOptions{Limit: 1, Cursor: cursor})
		wantCode(t, err, problem.InvalidCursor)
	}
}

func listCursorTampered(t *testing.T, s store) {
	prefix := named(t, "")
	cursor := firstCursor(t, s, prefix)
	forged := []string{"x", "AAAA", cursor + "A", cursor[1:], cursor[:len(cursor)-1], "%", " " + cursor, strings.Repeat("A", 5000), base64.RawURLEncoding.EncodeToString([]byte(prefix))}
	for i := range len(cursor) {
		other := byte('A')
		if cursor[i] == other {
			other = 'B'
		}
		forged = append(forged, cursor[:i]+string(other)+cursor[i+1:])
	}
	for _, forgery := range forged {
		if _, err := s.List(t.Context(), prefix, backends.ListOptions{Limit: 1, Cursor: forgery}); problem.CodeOf(err) != problem.InvalidCursor {
			t.Errorf("cursor %.60q in place of %.60q: %v", forgery, cursor, err)
		}
	}
}

func listCursorDeleted(t *testing.T, s store) {
	prefix := named(t, "")
	fill(t, s, prefix, 30)
	found := listWith(t, s, prefix, backends.ListOptions{Limit: 1}, func() {
		for i := range 30 { // whatever the cursor stands on is gone
			if err := s.Delete(t.Context(), fmt.Sprint(prefix, i), backends.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	})
	if len(found) > 30 {
		t.Fatal(found)
	}
}
