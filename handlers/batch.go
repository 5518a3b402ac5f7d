package handlers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// Bounds of a batch.
const (
	maxOperations  = 1000
	batchWorkers   = 64 // operations of one batch at work at a time
	opPatch        = "patch"
	opUnauthorised = "no rule allows this operation"
)

// batchRequest is the body of a batch.
type batchRequest struct {
	Atomic     bool             `json:"atomic"` // all or nothing
	Operations []batchOperation `json:"operations"`
} //	@name	StateBatch

// batchOperation is one operation of a batch.
type batchOperation struct {
	Op          string          `json:"op" enums:"get,put,delete,patch,increment" example:"put"`
	Key         string          `json:"key" example:"orders/1"`
	Value       json.RawMessage `json:"value,omitempty" swaggertype:"object"`              // JSON, of put and patch
	Data        *string         `json:"data,omitempty" format:"base64"`                    // any bytes, of put
	ContentType string          `json:"contentType,omitempty" example:"application/json"`  // of put
	TTL         string          `json:"ttl,omitempty" example:"30s"`                       // of put
	IfMatch     string          `json:"ifMatch,omitempty"`                                 // a tag, or *
	IfNoneMatch string          `json:"ifNoneMatch,omitempty" example:"*"`                 // a tag, or *
	By          json.RawMessage `json:"by,omitempty" swaggertype:"string" example:"1"`     // of increment
	Min         json.RawMessage `json:"min,omitempty" swaggertype:"string" example:"0"`    // of increment
	Max         json.RawMessage `json:"max,omitempty" swaggertype:"string" example:"1000"` // of increment
} //	@name	StateOperation

// integer reads a 64-bit number, written as a number or as a string, without
// loss; nil is absent.
func integer(raw json.RawMessage, pointer string) (*int64, error) {
	if raw == nil {
		return nil, nil
	}
	text := string(raw)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(value, 10) != text {
		return nil, problem.AtPointer(pointer, "a whole number from -2^63 to 2^63-1, as a number or a string")
	}
	return &value, nil
}

// batchResult is what became of one operation.
type batchResult struct {
	Status      int               `json:"status" example:"200"`
	Key         string            `json:"key" example:"orders/1"`
	ETag        string            `json:"etag,omitempty"`
	Value       json.RawMessage   `json:"value,omitempty" swaggertype:"object"`
	Data        *[]byte           `json:"data,omitempty" swaggertype:"string" format:"base64"`
	ContentType string            `json:"contentType,omitempty"`
	TTLMs       int64             `json:"ttlMs,omitempty"`
	Problem     *problem.Document `json:"problem,omitempty"`
} //	@name	StateResult

// batchAnswer lists the results in the order of the operations.
type batchAnswer struct {
	Results []batchResult `json:"results"`
} //	@name	StateResults

// Batch does several operations in one call.
//
//	@Summary		Do several operations at once
//	@Description	Not atomic: each operation for itself, 207 when one failed (Ottogate-Failed counts them). Atomic: all or nothing; one failed condition is 412 and nothing is applied. On a Redis Cluster the keys of an atomic batch need one slot (422 cross-slot): give them a common {tag}.
//	@Tags			state
//	@ID				batchState
//	@Accept			json
//	@Produce		json
//	@Param			store	path	string			true	"State component"	example(main)
//	@Param			consistency	query	string	false	"What the operations wait for"	Enums(strong, eventual)
//	@Param			batch	body	batchRequest	true	"Operations"
//	@Success		200	{object}	batchAnswer
//	@Success		207	{object}	batchAnswer
//	@Header			207	{integer}	Ottogate-Failed	"How many operations failed"
//	@Failure		412	{object}	problem.Document
//	@Failure		422	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Router			/v1/state/{store} [post]
func (s *State) Batch(c *gin.Context) error {
	if err := refuseHeaders(c, "Idempotency-Key", "Lock-Fence"); err != nil {
		return err
	}
	store := nameParam(c, "store")
	component, err := find(s.Stores, store, "state")
	if err != nil {
		return err
	}
	body, err := control[batchRequest](c)
	if err != nil {
		return err
	}
	consistency, err := consistencyParam(c)
	if err != nil {
		return err
	}
	b := batch{consistency: consistency, State: s, component: component, store: store, app: appOf(c), operations: body.Operations}
	if err := b.compile(); err != nil {
		return err
	}
	var results []batchResult
	if body.Atomic {
		results, err = b.together(c.Request.Context())
	} else {
		results = b.each(c.Request.Context())
	}
	if err != nil {
		return err
	}
	return answerBatch(c, body.Atomic, results)
}

// answerBatch counts the failures of a batch that is not atomic. In an atomic
// one that was applied nothing has failed: a get that finds nothing is an
// answer.
func answerBatch(c *gin.Context, atomic bool, results []batchResult) error {
	status, failed := http.StatusOK, 0
	for _, result := range results {
		if result.Problem != nil {
			failed++
		}
	}
	if failed > 0 && !atomic {
		status = http.StatusMultiStatus
		c.Header("Ottogate-Failed", strconv.Itoa(failed))
	}
	return writeJSON(c, status, batchAnswer{Results: results})
}

// batch is one call under way.
type batch struct {
	*State
	component  StateComponent
	store, app string
	operations []batchOperation

	consistency backends.Consistency
	compiled    []backends.Operation
	patches     []patch // of the operations that are patches
}

// compile checks every operation; a malformed one is 400 for the whole batch.
func (b *batch) compile() error {
	if n := len(b.operations); n == 0 || n > maxOperations {
		return problem.AtPointer("/operations", "a batch has 1 to %d operations", maxOperations)
	}
	b.compiled, b.patches = make([]backends.Operation, len(b.operations)), make([]patch, len(b.operations))
	failure := &problem.Error{Code: problem.InvalidBody}
	for i, o := range b.operations {
		at := "/operations/" + strconv.Itoa(i)
		if err := b.compileOne(i, o); err != nil {
			for _, field := range problem.From(err).Fields {
				failure.Fields = append(failure.Fields, problem.Field{Pointer: at + field.Pointer, Detail: field.Detail})
			}
		}
	}
	if len(failure.Fields) > 0 {
		failure.Detail = failure.Fields[0].Detail
		return failure
	}
	return nil
}

func (b *batch) compileOne(i int, o batchOperation) error {
	if o.Key == "" || validKey(o.Key) != nil {
		return problem.AtPointer("/key", "a key is 1 to %d bytes of UTF-8 without control characters", maxKey)
	}
	if err := o.misplaced(); err != nil {
		return err
	}
	out := backends.Operation{Kind: backends.OperationKind(o.Op), Key: b.component.Keys.Of(b.app, o.Key)}
	out.Options.Consistency = b.consistency
	var err error
	if out.Options.Condition, err = o.condition(); err != nil {
		return problem.AtPointer("/ifMatch", "%s", problem.From(err).Detail)
	}
	switch o.Op {
	case "get", "delete":
	case "put":
		out.Value, err = o.value()
		if err == nil && o.TTL != "" {
			out.Options.TTL, err = time.ParseDuration(o.TTL)
			if err != nil || out.Options.TTL < time.Millisecond {
				err = problem.AtPointer("/ttl", "ttl must be a duration from 1ms such as 30s")
			}
		}
	case "increment":
		out.Increment, err = o.increment()
	case opPatch:
		b.patches[i], err = patchOf(o.ContentType, o.Value, b.MaxValue)
	default:
		err = problem.AtPointer("/op", "op must be get, put, delete, patch or increment")
	}
	b.compiled[i] = out
	return err
}

// misplaced names a member that has no meaning for the operation.
func (o batchOperation) misplaced() error {
	for _, member := range []struct {
		name    string
		present bool
		ops     string
	}{
		{"value", o.Value != nil, "put patch"},
		{"data", o.Data != nil, "put"},
		{"contentType", o.ContentType != "", "put patch"},
		{"ttl", o.TTL != "", "put"},
		{"by", o.By != nil, "increment"},
		{"min", o.Min != nil, "increment"},
		{"max", o.Max != nil, "increment"},
		{"ifMatch", o.IfMatch != "", "put delete patch increment"},
		{"ifNoneMatch", o.IfNoneMatch != "", "put delete patch increment"},
	} {
		if member.present && !slices.Contains(strings.Fields(member.ops), o.Op) {
			return problem.AtPointer("/"+member.name, "%s has no meaning for %s", member.name, o.Op)
		}
	}
	if o.Op == opPatch && o.Value == nil {
		return problem.AtPointer("/value", "a patch needs a value")
	}
	if o.Op == "put" && (o.Value == nil) == (o.Data == nil) {
		return problem.AtPointer("/value", "put needs either value or data")
	}
	return nil
}

func (o batchOperation) condition() (backends.Condition, error) {
	header := http.Header{}
	if o.IfMatch != "" {
		header.Set("If-Match", o.IfMatch)
	}
	if o.IfNoneMatch != "" {
		header.Set("If-None-Match", o.IfNoneMatch)
	}
	return conditionOf(header)
}

func (o batchOperation) value() (backends.Value, error) {
	if o.Data == nil {
		contentType := o.ContentType
		if contentType == "" {
			contentType = "application/json"
		}
		return backends.Value{Data: o.Value, ContentType: contentType}, nil
	}
	data, err := base64.StdEncoding.DecodeString(*o.Data)
	if err != nil {
		return backends.Value{}, problem.AtPointer("/data", "data must be base64")
	}
	return valueOf(http.Header{"Content-Type": {o.ContentType}}, data), nil
}

func (o batchOperation) increment() (step backends.Increment, err error) {
	by, err := integer(o.By, "/by")
	if err != nil {
		return step, err
	}
	step.By = 1
	if by != nil {
		step.By = *by
	}
	if step.Min, err = integer(o.Min, "/min"); err != nil {
		return step, err
	}
	step.Max, err = integer(o.Max, "/max")
	return step, err
}

// allowed says whether the app may do an operation.
func (b *batch) allowed(o batchOperation) bool {
	action := access.StateWrite
	if o.Op == "get" {
		action = access.StateRead
	}
	return b.Policy.Decide(b.app, access.Request{Action: action, Resource: b.store + "/" + o.Key}).Allowed
}

// each does the operations independently of each other: those on one key in
// their order, those on different keys at once.
func (b *batch) each(ctx context.Context) []batchResult {
	byKey, order := map[string][]int{}, []string{}
	for i, o := range b.operations {
		if byKey[o.Key] == nil {
			order = append(order, o.Key)
		}
		byKey[o.Key] = append(byKey[o.Key], i)
	}
	results := make([]batchResult, len(b.operations))
	var wait sync.WaitGroup
	places := make(chan struct{}, batchWorkers)
	for _, key := range order {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			for _, i := range byKey[key] {
				results[i] = b.one(ctx, i)
			}
		})
	}
	wait.Wait()
	return results
}

func (b *batch) one(ctx context.Context, i int) batchResult {
	if !b.allowed(b.operations[i]) {
		return b.result(ctx, i, backends.Item{}, problem.New(problem.Forbidden, opUnauthorised))
	}
	item, err := b.perform(ctx, i)
	return b.result(ctx, i, item, err)
}

func (b *batch) perform(ctx context.Context, i int) (item backends.Item, err error) {
	store, o := b.component.Store, b.compiled[i]
	switch b.operations[i].Op {
	case "get":
		return store.Get(ctx, o.Key, backends.ReadOptions{WithTTL: true, Consistency: b.consistency})
	case "put":
		item.ETag, err = store.Put(ctx, o.Key, o.Value, o.Options)
	case "delete":
		err = store.Delete(ctx, o.Key, o.Options)
	case opPatch:
		item.ETag, err = b.component.patch(ctx, o.Key, b.patches[i], o.Options)
	default:
		counter, ok := store.(backends.Incrementer)
		if !ok {
			return item, problem.New(problem.Unsupported, "this component cannot count")
		}
		var value int64
		value, item.ETag, err = counter.Increment(ctx, o.Key, o.Increment, o.Options)
		item.Data = strconv.AppendInt(nil, value, 10)
	}
	return item, err
}

// together does all operations or none. Patches are computed from what is
// stored and guarded by its tag, again while others write in between.
func (b *batch) together(ctx context.Context) ([]batchResult, error) {
	store, ok := b.component.Store.(backends.Transactor)
	if !ok {
		return nil, problem.New(problem.Unsupported, "this component cannot change several keys in one step")
	}
	for _, o := range b.operations {
		if !b.allowed(o) {
			return nil, problem.New(problem.Forbidden, opUnauthorised)
		}
	}
	for range patchTries {
		operations, err := b.withPatches(ctx)
		if err != nil {
			return nil, err
		}
		outcomes, err := store.Transact(ctx, operations)
		if err == nil {
			return b.results(ctx, outcomes), nil
		}
		if !b.patchRaced(outcomes) {
			return nil, b.place(err, outcomes)
		}
	}
	return nil, problem.New(problem.Overloaded, "other writers changed the values each time")
}

// withPatches turns patches into conditional writes of what they make of the
// present values.
func (b *batch) withPatches(ctx context.Context) ([]backends.Operation, error) {
	operations := append([]backends.Operation(nil), b.compiled...)
	for i, change := range b.patches {
		if change == nil {
			continue
		}
		item, err := b.component.Store.Get(ctx, operations[i].Key, backends.ReadOptions{})
		if err == nil && !operations[i].Options.Holds(true, item.ETag) {
			err = problem.New(problem.PreconditionFailed, "the condition does not hold for the current value")
		}
		var changed []byte
		if err == nil {
			changed, err = change(item.Data)
		}
		if err != nil {
			return nil, b.placeOne(err, i)
		}
		operations[i].Kind = backends.OperationPut
		operations[i].Value = backends.Value{Data: changed, ContentType: item.ContentType}
		operations[i].Options.Condition = backends.Condition{IfMatch: []string{item.ETag}}
		operations[i].Options.KeepTTL = true
	}
	return operations, nil
}

// patchRaced says that nothing failed but the guards of patches.
func (b *batch) patchRaced(outcomes []backends.Result) bool {
	raced := false
	for i, outcome := range outcomes {
		if outcome.Err == nil {
			continue
		}
		if b.patches[i] == nil || problem.CodeOf(outcome.Err) != problem.PreconditionFailed {
			return false
		}
		raced = true
	}
	return raced
}

// place names the operations that failed in the problem of the whole batch.
func (b *batch) place(err error, outcomes []backends.Result) error {
	failure := *problem.From(err)
	for i, outcome := range outcomes {
		if outcome.Err != nil {
			one := problem.From(outcome.Err)
			failure.Fields = append(failure.Fields, problem.Field{Pointer: "/operations/" + strconv.Itoa(i), Detail: string(one.Code) + ": " + one.Detail})
		}
	}
	return &failure
}

func (b *batch) placeOne(err error, i int) error {
	failure := *problem.From(err)
	failure.Fields = []problem.Field{{Pointer: "/operations/" + strconv.Itoa(i), Detail: string(failure.Code) + ": " + failure.Detail}}
	return &failure
}

func (b *batch) results(ctx context.Context, outcomes []backends.Result) []batchResult {
	results := make([]batchResult, len(outcomes))
	for i, outcome := range outcomes {
		results[i] = b.result(ctx, i, outcome.Item, outcome.Err)
	}
	return results
}

// result words what became of an operation.
func (b *batch) result(ctx context.Context, i int, item backends.Item, err error) batchResult {
	o := b.operations[i]
	out := batchResult{Status: http.StatusOK, Key: o.Key, ETag: item.ETag}
	switch {
	case err != nil:
		document := problem.DocumentOf(err, request.From(ctx).ID)
		out.Status, out.Problem = document.Status, &document
	case o.Op == "get":
		shown := listed(o.Key, item, true)
		out.Value, out.Data, out.ContentType, out.TTLMs = shown.Value, shown.Data, shown.ContentType, millis(item.TTL)
	case o.Op == "increment":
		out.Value = item.Data
	default:
		out.Status = http.StatusNoContent
	}
	return out
}
