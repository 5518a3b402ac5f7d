package conformance

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// TestStateModel drives every store with random calls and compares each answer
// with that of a map: whatever sequence of calls comes, the store is the map.
func TestStateModel(t *testing.T) {
	for _, d := range stateDrivers() {
		t.Run(d.name, func(t *testing.T) {
			opened, _ := d.open(t)
			subject := sabotage(fullOf(opened), modelMutants())
			runs := 0
			rapid.Check(t, func(rt *rapid.T) {
				runs++
				rt.Repeat(newModel(subject, d.name, runs).actions())
			})
		})
	}
}

// model is the map beside the store.
type model struct {
	store  fullStore
	driver string
	prefix string
	state  modelState
	tags   []string // all that were ever given, to be used as conditions
}

func newModel(s fullStore, driver string, run int) *model {
	return &model{
		store: s, driver: driver, prefix: fmt.Sprintf("model/%d/", run), tags: []string{"never"},
		state: modelState{held: map[string]modelValue{}, fences: map[string]uint64{}},
	}
}

func (m *model) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"put":    func(t *rapid.T) { m.single(t, backends.OperationPut) },
		"delete": func(t *rapid.T) { m.single(t, backends.OperationDelete) },
		"get":    m.get, "list": m.list,
	}
	if supports(m.driver, increments) {
		actions["increment"] = func(t *rapid.T) { m.single(t, backends.OperationIncrement) }
	}
	if supports(m.driver, transacts) {
		actions["transact"] = m.transact
	}
	return actions
}

func (m *model) key(t *rapid.T) string {
	return m.prefix + rapid.SampledFrom([]string{"a", "b", "a/b", "a//b", "ä", "*", "{a}", "a%2Fb"}).Draw(t, "key")
}

func (m *model) operation(t *rapid.T, kind backends.OperationKind) backends.Operation {
	o := backends.Operation{Kind: kind, Key: m.key(t)}
	switch kind {
	case backends.OperationGet:
		return o
	case backends.OperationPut:
		o.Value = backends.Value{
			Data:        rapid.OneOf(rapid.SliceOf(rapid.Byte()), number()).Draw(t, "data"),
			ContentType: rapid.SampledFrom([]string{"", "text/plain", "application/json; charset=utf-8"}).Draw(t, "type"),
		}
	case backends.OperationIncrement:
		o.Increment = step(t)
	case backends.OperationDelete:
	}
	o.Options = m.options(t, kind)
	return o
}

// number is what a counter may find.
func number() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		return strconv.AppendInt(nil, rapid.Int64().Draw(t, "number"), 10)
	})
}

func step(t *rapid.T) backends.Increment {
	s := backends.Increment{By: rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64()).Draw(t, "by")}
	if rapid.Bool().Draw(t, "bounded") {
		low, high := rapid.Int64Range(-9, 1).Draw(t, "min"), rapid.Int64Range(0, 9).Draw(t, "max")
		s.Min, s.Max = &low, &high
	}
	return s
}

func (m *model) options(t *rapid.T, kind backends.OperationKind) backends.WriteOptions {
	options := backends.WriteOptions{Condition: m.condition(t)}
	if kind == backends.OperationPut && rapid.Bool().Draw(t, "ttl") {
		options.TTL = time.Hour
	}
	if kind == backends.OperationPut && supports(m.driver, keepsTTL) {
		options.KeepTTL = rapid.Bool().Draw(t, "keep ttl")
	}
	if supports(m.driver, fences) && rapid.IntRange(0, 3).Draw(t, "fenced") == 0 {
		resource := m.prefix + rapid.SampledFrom([]string{"lock", "{lock}"}).Draw(t, "resource")
		options.Fence = &backends.Fence{Resource: resource, Token: rapid.Uint64Range(1, 20).Draw(t, "token")}
	}
	return options
}

func (m *model) condition(t *rapid.T) (c backends.Condition) {
	some := rapid.SliceOfN(rapid.SampledFrom(m.tags), 1, 3)
	switch rapid.IntRange(0, 9).Draw(t, "condition") {
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
	return c
}

// single makes one write by its own method.
func (m *model) single(t *rapid.T, kind backends.OperationKind) {
	o := m.operation(t, kind)
	var result backends.Result
	switch kind {
	case backends.OperationPut:
		result.ETag, result.Err = m.store.Put(t.Context(), o.Key, o.Value, o.Options)
	case backends.OperationDelete:
		result.Err = m.store.Delete(t.Context(), o.Key, o.Options)
	case backends.OperationIncrement:
		var value int64
		if value, result.ETag, result.Err = m.store.Increment(t.Context(), o.Key, o.Increment, o.Options); result.Err == nil {
			result.Data = strconv.AppendInt(nil, value, 10)
		}
	case backends.OperationGet:
		t.Fatal("a get is no write")
	}
	m.compare(t, m.state, o, result)
}

// transact makes several operations together; they are tried on a copy of the
// map, which stays if none fails.
func (m *model) transact(t *rapid.T) {
	var operations []backends.Operation
	kinds := []backends.OperationKind{backends.OperationGet, backends.OperationPut, backends.OperationDelete}
	if supports(m.driver, increments) {
		kinds = append(kinds, backends.OperationIncrement)
	}
	for range rapid.IntRange(0, 5).Draw(t, "operations") {
		operations = append(operations, m.operation(t, rapid.SampledFrom(kinds).Draw(t, "kind")))
	}
	results, err := m.store.Transact(t.Context(), operations)
	if len(results) != len(operations) {
		t.Fatalf("%d results of %d operations: %v", len(results), len(operations), err)
	}
	after, wanted := m.state.clone(), problem.Code("")
	for i, o := range operations {
		code := after.judge(o)
		if err == nil {
			m.compare(t, after, o, results[i])
		} else if code == "" {
			after.apply(o, "")
		}
		if code == problem.NoSuchKey {
			continue
		}
		if problem.CodeOf(results[i].Err) != code {
			t.Fatalf("operation %d, %s %q: %v, want %q", i, o.Kind, o.Key, results[i].Err, code)
		}
		if wanted == "" {
			wanted = code
		}
	}
	if problem.CodeOf(err) != wanted {
		t.Fatalf("the transaction ended with %v, want %q", err, wanted)
	}
	if err == nil {
		m.state = after
	}
}

// compare holds one operation's result against the map and makes it in the map.
func (m *model) compare(t *rapid.T, state modelState, o backends.Operation, result backends.Result) {
	code := state.judge(o)
	if problem.CodeOf(result.Err) != code {
		t.Fatalf("%s %q: %v, want %q", o.Kind, o.Key, result.Err, code)
	}
	if code != "" {
		return
	}
	if o.Kind != backends.OperationGet {
		state.apply(o, result.ETag)
	}
	held := state.held[o.Key]
	if result.ETag != held.etag {
		t.Fatalf("%s %q told tag %q, want %q", o.Kind, o.Key, result.ETag, held.etag)
	}
	told := string(result.Data)
	switch o.Kind {
	case backends.OperationGet, backends.OperationIncrement:
		if told != held.data {
			t.Fatalf("%s %q told %q, want %q", o.Kind, o.Key, told, held.data)
		}
	case backends.OperationPut, backends.OperationDelete:
	}
	if o.Kind == backends.OperationPut || o.Kind == backends.OperationIncrement {
		if result.ETag == "" || slices.Contains(m.tags, result.ETag) {
			t.Fatalf("%s %q told tag %q again", o.Kind, o.Key, result.ETag)
		}
		m.tags = append(m.tags, result.ETag)
	}
}

func (m *model) get(t *rapid.T) {
	key := m.key(t)
	item, err := m.store.Get(t.Context(), key, backends.ReadOptions{WithTTL: true})
	held, exists := m.state.held[key]
	if !exists {
		if problem.CodeOf(err) != problem.NoSuchKey {
			t.Fatalf("get %q: %v, want it absent", key, err)
		}
		return
	}
	if got := (modelValue{string(item.Data), item.ContentType, item.ETag, item.TTL > 0}); err != nil || got != held {
		t.Fatalf("get %q: %+v, %v, want %+v", key, got, err, held)
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
	if len(found) != len(m.state.held) {
		t.Fatalf("%d keys are listed, want %d", len(found), len(m.state.held))
	}
	for key, held := range m.state.held {
		if found[key] != held.etag {
			t.Fatalf("%q is listed with tag %q, want %q", key, found[key], held.etag)
		}
	}
}
