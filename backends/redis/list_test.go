package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

// listAll walks a listing to its end; between runs after every page.
func listAll(t *testing.T, s *State, prefix string, limit int, between func()) map[string]backends.Item {
	t.Helper()
	found := map[string]backends.Item{}
	options := backends.ListOptions{Limit: limit, Values: true}
	for range 10000 {
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

func putAll(t *testing.T, s *State, keys []string) {
	t.Helper()
	fan(8, func(worker int) {
		for i := worker; i < len(keys); i += 8 {
			if _, err := s.Put(context.Background(), keys[i], backends.Value{Data: []byte(keys[i])}, backends.WriteOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
}

func numbered(prefix string, count int) []string {
	keys := make([]string, count)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%05d", prefix, i)
	}
	return keys
}

func checkComplete(t *testing.T, found map[string]backends.Item, keys []string) {
	t.Helper()
	for _, key := range keys {
		if item, ok := found[key]; !ok || string(item.Data) != key || item.ETag == "" {
			t.Fatalf("%q is listed as %+v (%v)", key, item, ok)
		}
	}
}

func TestListGivesEveryKeyOfThePrefix(t *testing.T) {
	for name, s := range encodings(t) {
		t.Run(name, func(t *testing.T) {
			prefix := fresh(t) + "/"
			keys := numbered(prefix, 300)
			putAll(t, s, keys)
			putAll(t, s, numbered(fresh(t)+"/", 100))
			found := listAll(t, s, prefix, 50, func() {})
			if len(found) != len(keys) {
				t.Fatalf("%d keys listed, %d are there", len(found), len(keys))
			}
			checkComplete(t, found, keys)
		})
	}
}

func TestListWhileKeysComeAndGo(t *testing.T) {
	conn := open(t, servers.NewRedis(t).Addr)
	s := conn.State(StateOptions{})
	keys := numbered("stay/", 500)
	putAll(t, s, keys)
	round := 0
	found := listAll(t, s, "stay/", 20, func() { // grows the table, then shrinks it
		if round++; round < 12 {
			putAll(t, s, numbered(fmt.Sprintf("stay/other%d/", round), 500))
		} else if round == 12 {
			others := conn.Client().Keys(t.Context(), "stay/other*").Val()
			conn.Client().Del(t.Context(), others...)
		}
	})
	checkComplete(t, found, keys)
}

// TestListSurvivesARestart would miss keys if the cursor of the old process
// were given to the new one, which has its keys in another order.
func TestListSurvivesARestart(t *testing.T) {
	server := servers.NewRedis(t, "--appendonly", "yes")
	conn := open(t, server.Addr)
	s, keys := conn.State(StateOptions{}), numbered("k/", 1000)
	putAll(t, s, keys)
	restarted := false
	found := listAll(t, s, "k/", 100, func() {
		if restarted {
			return
		}
		restarted = true
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = conn.Probe(t.Context()) // meets the broken connection
		recovers(t, conn)
	})
	checkComplete(t, found, keys)
}

func TestListWithoutValuesHasTags(t *testing.T) {
	for name, s := range encodings(t) {
		t.Run(name, func(t *testing.T) {
			key := fresh(t)
			etag := must(s.Put(t.Context(), key, backends.Value{Data: []byte("value")}, backends.WriteOptions{}))(t)
			page := must(s.List(t.Context(), key, backends.ListOptions{Limit: 10}))(t)
			for page.Cursor != "" && len(page.Items) == 0 {
				page = must(s.List(t.Context(), key, backends.ListOptions{Limit: 10, Cursor: page.Cursor}))(t)
			}
			if len(page.Items) != 1 || page.Items[0].ETag != etag || page.Items[0].Data != nil {
				t.Fatalf("got %+v, want tag %s", page.Items, etag)
			}
		})
	}
}

func TestPrefixIsNoPattern(t *testing.T) {
	s := open(t, shared.Addr).State(StateOptions{})
	base := fresh(t)
	var keys []string
	for _, part := range []string{"*", "?", "[a]", "a", "\\", "\\*", "x*", "]"} {
		keys = append(keys, base+part+"/1")
	}
	putAll(t, s, keys)
	for _, key := range keys {
		prefix := strings.TrimSuffix(key, "1")
		if found := listAll(t, s, prefix, 10, func() {}); len(found) != 1 {
			t.Fatalf("prefix %q gives %v", prefix, found)
		}
	}
}

func TestForeignKeysAreNotListed(t *testing.T) {
	conn := open(t, shared.Addr)
	s, prefix := conn.State(StateOptions{}), fresh(t)
	putAll(t, s, []string{prefix + "/ours"})
	conn.Client().Set(t.Context(), prefix+"/foreign", "x", 0)
	conn.Client().HSet(t.Context(), prefix+"/hash", "f", "v")
	if found := listAll(t, s, prefix, 10, func() {}); len(found) != 1 {
		t.Fatalf("listed %v", found)
	}
}

func TestCursorsAreBoundToTheirPrefix(t *testing.T) {
	s := open(t, shared.Addr).State(StateOptions{})
	cursor := position{epoch: 1, scan: 2}.text("a/")
	bad := []string{"x", cursor + "A", cursor[:len(cursor)-1], "!" + cursor[1:], position{scan: 7}.text("b/")}
	for i := range cursor {
		letters := []byte(cursor)
		letters[i] ^= 1
		bad = append(bad, string(letters))
	}
	for _, text := range bad {
		_, err := s.List(t.Context(), "a/", backends.ListOptions{Limit: 1, Cursor: text})
		wantCode(t, err, problem.InvalidCursor)
	}
	if at := must(parsePosition(cursor, "a/"))(t); at != (position{epoch: 1, scan: 2}) {
		t.Fatalf("got %+v", at)
	}
}

func TestGlobEscape(t *testing.T) {
	if got := globEscape(`a*?[]\b`); got != `a\*\?\[\]\\b` {
		t.Fatal(got)
	}
	if slices.Contains([]string{globEscape("é/%")}, "é/%") == false {
		t.Fatal("plain text was changed")
	}
}
