package conformance

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// TestStateModel drives every store with random calls and compares each answer
// with that of a map: whatever sequence of calls comes, the store is the map.
func TestStateModel(t *testing.T) {
	for _, d := range stateDrivers() {
		t.Run(d.name, func(t *testing.T) {
			subject, _ := d.open(t)
			subject = sabotage(subject, stateMutants())
			run := 0
			rapid.Check(t, func(rt *rapid.T) {
				run++
				m := &model{store: subject, prefix: fmt.Sprintf("model/%d/", run), tags: []string{"never"}, held: map[string]modelValue{}}
				rt.Repeat(map[string]func(*rapid.T){
					"put": m.put, "delete": m.delete, "get": m.get, "list": m.list,
				})
			})
		})
	}
}

type modelValue struct{ data, contentType, etag string }

type model struct {
	store  store
	prefix string
	held   map[string]modelValue
	tags   []string // all that were ever given, to be used as conditions
}

func (m *model) key(t *rapid.T) string {
	return m.prefix + rapid.SampledFrom([]string{"a", "b", "a/b", "a//b", "ä", "*", "{a}", "a%2Fb"}).Draw(t, "key")
}

func (m *model) options(t *rapid.T) backends.WriteOptions {
	tag := rapid.SampledFrom(m.tags)
	some := rapid.SliceOfN(tag, 1, 3)
	var c backends.Condition
	switch rapid.IntRange(0, 7).Draw(t, "condition") {
	case 0:
		c.IfMatch = some.Draw(t, "if-match")
	case 1:
		c.IfNoneMatch = some.Draw(t, "if-none-match")
	case 2:
		c.IfMatchAny = true
	case 3:
		c.IfNoneMatchAny = true
	case 4:
		c.IfMatch, c.IfNoneMatch = some.Draw(t, "if-match"), some.Draw(t, "if-none-match")
	}
	return backends.WriteOptions{Condition: c}
}

// wanted is the code that a write under this condition has to end with.
func (m *model) wanted(key string, options backends.WriteOptions) problem.Code {
	held, exists := m.held[key]
	if options.Holds(exists, held.etag) {
		return ""
	}
	return problem.PreconditionFailed
}

func (m *model) put(t *rapid.T) {
	key, options := m.key(t), m.options(t)
	value := backends.Value{
		Data:        rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
		ContentType: rapid.SampledFrom([]string{"", "text/plain", "application/json; charset=utf-8"}).Draw(t, "type"),
	}
	etag, err := m.store.Put(t.Context(), key, value, options)
	if want := m.wanted(key, options); problem.CodeOf(err) != want {
		t.Fatalf("put %q: %v, want %q", key, err, want)
	}
	if err == nil {
		m.held[key] = modelValue{string(value.Data), value.ContentType, etag}
		m.tags = append(m.tags, etag)
	}
}

func (m *model) delete(t *rapid.T) {
	key, options := m.key(t), m.options(t)
	err := m.store.Delete(t.Context(), key, options)
	if want := m.wanted(key, options); problem.CodeOf(err) != want {
		t.Fatalf("delete %q: %v, want %q", key, err, want)
	}
	if err == nil {
		delete(m.held, key)
	}
}

func (m *model) get(t *rapid.T) {
	key := m.key(t)
	item, err := m.store.Get(t.Context(), key, backends.ReadOptions{})
	held, exists := m.held[key]
	if !exists {
		if problem.CodeOf(err) != problem.NoSuchKey {
			t.Fatalf("get %q: %v, want it absent", key, err)
		}
		return
	}
	if got := (modelValue{string(item.Data), item.ContentType, item.ETag}); err != nil || got != held {
		t.Fatalf("get %q: %q, %v, want %q", key, got, err, held)
	}
}

func (m *model) list(t *rapid.T) {
	found := map[string]string{}
	options := backends.ListOptions{Limit: rapid.IntRange(1, 10).Draw(t, "limit")}
	for {
		page, err := m.store.List(t.Context(), m.prefix, options)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			found[item.Key] = item.ETag
		}
		if options.Cursor = page.Cursor; options.Cursor == "" {
			break
		}
	}
	if len(found) != len(m.held) {
		t.Fatalf("%d keys are listed, want %d", len(found), len(m.held))
	}
	for key, held := range m.held {
		if found[key] != held.etag {
			t.Fatalf("%q is listed with tag %q, want %q", key, found[key], held.etag)
		}
	}
}
