package conformance

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// TestStateTransaction: several keys change together or not at all.
func TestStateTransaction(t *testing.T) {
	conformAbility(t, transactionChecks(), transactionMutants(), transacts, increments, keepsTTL)
}

func transactionChecks() []check[twin] {
	return []check[twin]{
		{"transaction applies all in order", transactionApplies},
		{"two upserts and a delete with one stale etag apply nothing", transactionStale},
		{"each failed operation tells its own failure", transactionFailures},
		{"get inside a transaction reads its writes", transactionReadsOwnWrites},
		{"conditions inside a transaction see its writes", transactionConditions},
		{"get of an absent key fails nothing", transactionAbsentGet},
		{"increments of one key add up in a transaction", transactionIncrements},
		{"increment out of bounds applies nothing", transactionBounds},
		{"ttl and KeepTTL in a transaction", transactionTTL},
		{"failed transaction leaves value, ttl and tag", transactionLeaves},
		{"transaction of nothing is done", transactionEmpty},
		{"transaction of 100 operations", transactionLarge},
		{"transaction shares no memory with the caller", transactionMemory},
		{"parallel transfers keep the sum", transactionTransfers},
		{"cancelled transaction applies nothing", transactionCancelled},
	}
}

// The operations of the suite.
func opGet(key string) backends.Operation {
	return backends.Operation{Kind: backends.OperationGet, Key: key}
}

func opPut(key, value string, options backends.WriteOptions) backends.Operation {
	return backends.Operation{Kind: backends.OperationPut, Key: key, Value: backends.Value{Data: []byte(value), ContentType: "text/plain"}, Options: options}
}

func opDelete(key string, options backends.WriteOptions) backends.Operation {
	return backends.Operation{Kind: backends.OperationDelete, Key: key, Options: options}
}

func opAdd(key string, by int64) backends.Operation {
	return backends.Operation{Kind: backends.OperationIncrement, Key: key, Increment: backends.Increment{By: by}}
}

func transact(t *testing.T, s fullStore, operations ...backends.Operation) []backends.Result {
	t.Helper()
	results := must(s.Transact(t.Context(), operations))(t)
	if len(results) != len(operations) {
		t.Fatalf("%d results of %d operations", len(results), len(operations))
	}
	return results
}

// wantFailures fails unless the transaction ends with the first of codes, and
// each operation with its own.
func wantFailures(t *testing.T, s fullStore, codes []problem.Code, operations ...backends.Operation) {
	t.Helper()
	results, err := s.Transact(t.Context(), operations)
	if len(results) != len(operations) {
		t.Fatalf("%d results of %d operations (%v)", len(results), len(operations), err)
	}
	first := problem.Code("")
	for i, result := range results {
		if problem.CodeOf(result.Err) != codes[i] {
			t.Errorf("operation %d ended with %v, want %q", i, result.Err, codes[i])
		}
		if result.ETag != "" || len(result.Data) > 0 {
			t.Errorf("operation %d has a result, though nothing was applied: %+v", i, result.Item)
		}
		if first == "" {
			first = codes[i]
		}
	}
	wantCode(t, err, first)
}

func transactionApplies(t *testing.T, s twin) {
	kept, gone, counter := named(t, "kept"), named(t, "gone"), named(t, "counter")
	stale := putValue(t, s, kept, "before", backends.WriteOptions{})
	putValue(t, s, gone, "before", backends.WriteOptions{})
	results := transact(t, s, opGet(kept), opPut(kept, "after", ifMatch(stale)), opDelete(gone, backends.WriteOptions{}), opAdd(counter, 7))
	if first := results[0]; string(first.Data) != "before" || first.ETag != stale || first.ContentType != "text/plain" {
		t.Fatalf("read %+v", first)
	}
	if item := wantValue(t, s, kept, "after"); item.ETag != results[1].ETag || item.ETag == stale || item.ContentType != "text/plain" {
		t.Fatalf("stored %q, told %q", item.ETag, results[1].ETag)
	}
	wantAbsent(t, s, gone)
	if item := wantValue(t, s, counter, "7"); item.ETag != results[3].ETag || string(results[3].Data) != "7" {
		t.Fatalf("stored %q, told %+v", item.ETag, results[3])
	}
}

func transactionStale(t *testing.T, s twin) {
	one, two, three := named(t, "one"), named(t, "two"), named(t, "three")
	stale := putValue(t, s, one, "1", backends.WriteOptions{})
	putValue(t, s, one, "1", backends.WriteOptions{})
	putValue(t, s, three, "3", backends.WriteOptions{})
	for _, operations := range [][]backends.Operation{
		{opPut(one, "new", ifMatch(stale)), opPut(two, "new", backends.WriteOptions{}), opDelete(three, backends.WriteOptions{})},
		{opPut(two, "new", backends.WriteOptions{}), opPut(one, "new", ifMatch(stale)), opDelete(three, backends.WriteOptions{})},
		{opPut(two, "new", backends.WriteOptions{}), opDelete(three, backends.WriteOptions{}), opDelete(one, ifMatch(stale))},
	} {
		codes := make([]problem.Code, 3)
		for i, operation := range operations {
			if operation.Key == one {
				codes[i] = problem.PreconditionFailed
			}
		}
		wantFailures(t, s, codes, operations...)
		wantValue(t, s, one, "1")
		wantAbsent(t, s, two)
		wantValue(t, s, three, "3")
	}
}

func transactionFailures(t *testing.T, s twin) {
	text, number := named(t, "text"), named(t, "number")
	putValue(t, s, text, "text", backends.WriteOptions{})
	putValue(t, s, number, "1", backends.WriteOptions{})
	wantFailures(t, s, []problem.Code{"", problem.Unprocessable, "", problem.PreconditionFailed},
		opAdd(number, 1), opAdd(text, 1), opGet(text), opPut(text, "new", onlyCreate()))
	wantValue(t, s, number, "1")
}

func transactionReadsOwnWrites(t *testing.T, s twin) {
	key := named(t, "key")
	results := transact(t, s,
		opGet(key), opPut(key, "one", backends.WriteOptions{}), opGet(key),
		opPut(key, "2", backends.WriteOptions{}), opAdd(key, 3), opGet(key),
		opDelete(key, backends.WriteOptions{}), opGet(key), opPut(key, "last", onlyCreate()))
	for i, want := range map[int]string{2: "one", 5: "5"} {
		if got := results[i]; got.Err != nil || string(got.Data) != want || got.ETag != results[i-1].ETag || got.ContentType != "text/plain" {
			t.Errorf("operation %d read %+v, want %q", i, got, want)
		}
	}
	for _, i := range []int{0, 7} {
		wantCode(t, results[i].Err, problem.NoSuchKey)
	}
	wantValue(t, s, key, "last")
}

func transactionConditions(t *testing.T, s twin) {
	key := named(t, "key")
	etag := putValue(t, s, key, "before", backends.WriteOptions{})
	wantFailures(t, s, []problem.Code{"", problem.PreconditionFailed},
		opPut(key, "one", ifMatch(etag)), opPut(key, "two", ifMatch(etag)))
	wantFailures(t, s, []problem.Code{"", problem.PreconditionFailed},
		opDelete(key, ifMatch(etag)), opDelete(key, onlyUpdate()))
	wantFailures(t, s, []problem.Code{"", problem.PreconditionFailed},
		opPut(named(t, "new"), "one", onlyCreate()), opPut(named(t, "new"), "two", onlyCreate()))
	wantValue(t, s, key, "before")
	wantAbsent(t, s, named(t, "new"))
}

func transactionAbsentGet(t *testing.T, s twin) {
	results := transact(t, s, opGet(named(t, "absent")), opPut(named(t, "key"), "value", backends.WriteOptions{}))
	wantCode(t, results[0].Err, problem.NoSuchKey)
	wantValue(t, s, named(t, "key"), "value")
}

func transactionIncrements(t *testing.T, s twin) {
	key := named(t, "key")
	putValue(t, s, key, "9007199254740993", backends.WriteOptions{TTL: time.Hour})
	results := transact(t, s, opAdd(key, 1), opAdd(key, -3), opAdd(key, 0))
	for i, want := range []string{"9007199254740994", "9007199254740991", "9007199254740991"} {
		if string(results[i].Data) != want {
			t.Errorf("operation %d gave %s, want %s", i, results[i].Data, want)
		}
	}
	wantValue(t, s, key, "9007199254740991")
	wantTimeLeft(t, s, key, 59*time.Minute, time.Hour)
}

func transactionBounds(t *testing.T, s twin) {
	account, log, least := named(t, "account"), named(t, "log"), int64(0)
	putValue(t, s, account, "5", backends.WriteOptions{})
	overdraw := opAdd(account, -6)
	overdraw.Increment.Min = &least
	wantFailures(t, s, []problem.Code{"", problem.Unprocessable, ""}, opPut(log, "-6", backends.WriteOptions{}), overdraw, opAdd(account, 10))
	wantValue(t, s, account, "5")
	wantAbsent(t, s, log)
}

func transactionTTL(t *testing.T, s twin) {
	kept, renewed, taken, fresh := named(t, "kept"), named(t, "renewed"), named(t, "taken"), named(t, "fresh")
	for _, key := range []string{kept, renewed, taken} {
		putValue(t, s, key, "before", backends.WriteOptions{TTL: time.Hour})
	}
	transact(t, s, opPut(kept, "after", keeping()), opPut(renewed, "after", backends.WriteOptions{TTL: 2 * time.Hour}),
		opPut(taken, "after", backends.WriteOptions{}), opPut(fresh, "1", backends.WriteOptions{TTL: time.Hour}), opPut(fresh, "2", keeping()), opAdd(fresh, 1))
	wantTimeLeft(t, s, kept, 59*time.Minute, time.Hour)
	wantTimeLeft(t, s, renewed, 119*time.Minute, 2*time.Hour)
	wantTimeLeft(t, s, taken, 0, 0)
	wantTimeLeft(t, s, fresh, 59*time.Minute, time.Hour)
	wantValue(t, s, fresh, "3")
}

func transactionLeaves(t *testing.T, s twin) {
	key := named(t, "key")
	etag := putValue(t, s, key, "1", backends.WriteOptions{TTL: time.Hour})
	wantFailures(t, s, []problem.Code{"", "", "", problem.PreconditionFailed},
		opAdd(key, 1), opPut(key, "text", backends.WriteOptions{}), opDelete(key, backends.WriteOptions{}), opPut(key, "x", onlyUpdate()))
	if item := wantValue(t, s, key, "1"); item.ETag != etag {
		t.Fatal("the tag changed")
	}
	wantTimeLeft(t, s, key, 59*time.Minute, time.Hour)
}

func transactionEmpty(t *testing.T, s twin) { transact(t, s) }

func transactionLarge(t *testing.T, s twin) {
	var operations []backends.Operation
	for i := range 100 {
		operations = append(operations, opPut(named(t, fmt.Sprint(i)), fmt.Sprint(i), backends.WriteOptions{}))
	}
	seen := map[string]bool{}
	for i, result := range transact(t, s, operations...) {
		if item := wantValue(t, s, operations[i].Key, fmt.Sprint(i)); item.ETag != result.ETag || seen[result.ETag] {
			t.Fatalf("operation %d told %q, stored %q", i, result.ETag, item.ETag)
		}
		seen[result.ETag] = true
	}
}

func transactionMemory(t *testing.T, s twin) {
	key, data := named(t, "key"), []byte("value")
	operation := opPut(key, "", backends.WriteOptions{})
	operation.Value.Data = data
	results := transact(t, s, operation, opGet(key))
	copy(data, "XXXXX")
	wantValue(t, s, key, "value")
	copy(results[1].Data, "YYYYY")
	wantValue(t, s, key, "value")
}

// transactionTransfers moves money between accounts from many sides; readers
// see all of it at any time.
func transactionTransfers(t *testing.T, s twin) {
	const accounts, each = 4, 100
	account := func(i int) string { return named(t, fmt.Sprint(i%accounts)) }
	var reads []backends.Operation
	for i := range accounts {
		putValue(t, s, account(i), strconv.Itoa(each), backends.WriteOptions{})
		reads = append(reads, opGet(account(i)))
	}
	least := int64(0)
	atOnce(t, 20, problem.Unprocessable, func(i int) error {
		subject := []fullStore{s, s.other}[i%2]
		for n := range 10 {
			take := opAdd(account(i), int64(-n*i))
			take.Increment.Min = &least
			if _, err := subject.Transact(t.Context(), []backends.Operation{opAdd(account(i+1+n), int64(n*i)), take}); err != nil && problem.CodeOf(err) != problem.Unprocessable {
				return err
			}
			if err := wantTotal(t.Context(), subject, reads, accounts*each); err != nil {
				return err
			}
		}
		return nil
	})
}

func wantTotal(ctx context.Context, s fullStore, reads []backends.Operation, total int) error {
	results, err := s.Transact(ctx, reads)
	if err != nil {
		return err
	}
	sum := 0
	for _, result := range results {
		n, err := strconv.Atoi(string(result.Data))
		if err != nil {
			return err
		}
		sum += n
	}
	if sum != total {
		return fmt.Errorf("the accounts hold %d together, want %d", sum, total)
	}
	return nil
}

func transactionCancelled(t *testing.T, s twin) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Transact(ctx, []backends.Operation{opPut(named(t, "key"), "late", backends.WriteOptions{})})
	wantCode(t, err, problem.ClientClosed)
	if problem.From(err).Unknown {
		t.Fatal("a call that went nowhere is said to be of unknown outcome")
	}
	wantAbsent(t, s, named(t, "key"))
}
