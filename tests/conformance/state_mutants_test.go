package conformance

import (
	"context"
	"strings"
	"testing"

	"github.com/ottogate/ottogate/backends"
)

// TestStateMutants: each of these broken stores is noticed by its check.
func TestStateMutants(t *testing.T) { expectCaught(t, stateMutants()) }

func stateMutants() []mutant[store] {
	return []mutant[store]{
		{"state-ignores-conditions", "TestState/local/stale ETag writes nothing", func(s store) store { return unguarded{s} }},
		{"state-checks-before-writing", "TestState/local/20 parallel first writes, one success", func(s store) store { return racy{s} }},
		{"state-forgets-ttl", "TestState/local/ttl 1 s reads at once and is gone by 2 s", func(s store) store { return immortal{s} }},
		{"state-empty-is-absent", "TestState/local/absent is not empty", func(s store) store { return emptyIsAbsent{s} }},
		{"state-numbers-are-floats", "TestState/local/number 9007199254740993 comes back", func(s store) store { return floats{s} }},
		{"state-cleans-keys", "TestState/local/awkward keys stay distinct", func(s store) store { return tidy{s} }},
		{"state-lists-first-page-only", "TestState/local/list pages by cursor", func(s store) store { return firstPage{s} }},
	}
}

type unguarded struct{ store }

func (u unguarded) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	options.Condition = backends.Condition{}
	return u.store.Put(ctx, key, value, options)
}

// racy checks the condition and writes in two steps, as a naive gateway would.
type racy struct{ store }

func (r racy) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	item, err := r.Get(ctx, key, backends.ReadOptions{})
	if !options.Holds(err == nil, item.ETag) {
		return r.store.Put(ctx, key, value, options)
	}
	options.Condition = backends.Condition{}
	return r.store.Put(ctx, key, value, options)
}

type immortal struct{ store }

func (i immortal) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	options.TTL = 0
	return i.store.Put(ctx, key, value, options)
}

type emptyIsAbsent struct{ store }

func (e emptyIsAbsent) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	if len(value.Data) == 0 {
		return "", e.Delete(ctx, key, options)
	}
	return e.store.Put(ctx, key, value, options)
}

// floats does what a decode into float64 and back would do to this one number.
type floats struct{ store }

func (f floats) Get(ctx context.Context, key string, options backends.ReadOptions) (backends.Item, error) {
	item, err := f.store.Get(ctx, key, options)
	item.Data = []byte(strings.ReplaceAll(string(item.Data), "9007199254740993", "9007199254740992"))
	return item, err
}

// tidy takes a key for a path.
type tidy struct{ store }

func (s tidy) Put(ctx context.Context, key string, value backends.Value, options backends.WriteOptions) (string, error) {
	return s.store.Put(ctx, strings.ReplaceAll(key, "//", "/"), value, options)
}

func (s tidy) Get(ctx context.Context, key string, options backends.ReadOptions) (backends.Item, error) {
	return s.store.Get(ctx, strings.ReplaceAll(key, "//", "/"), options)
}

type firstPage struct{ store }

func (f firstPage) List(ctx context.Context, prefix string, options backends.ListOptions) (backends.Page, error) {
	page, err := f.store.List(ctx, prefix, options)
	page.Cursor = ""
	return page, err
}
