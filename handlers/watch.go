package handlers

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// stateChange is the data of a state event.
type stateChange struct {
	Key         string          `json:"key" example:"orders/1"`
	ETag        string          `json:"etag,omitempty"`
	Value       json.RawMessage `json:"value,omitempty" swaggertype:"object"`
	Data        *[]byte         `json:"data,omitempty" swaggertype:"string" format:"base64"`
	ContentType string          `json:"contentType,omitempty"`
} //	@name	StateChange

// openWatch opens under the request's deadline a watch that lives longer.
func openWatch(c *gin.Context, store backends.StateStore, key string) (backends.StateWatch, error) {
	watcher, ok := store.(backends.Watcher)
	if !ok {
		return nil, problem.New(problem.Unsupported, "this component cannot tell of changes")
	}
	ctx, cancel := request.From(c.Request.Context()).Bound(c.Request.Context())
	defer cancel()
	return watcher.Watch(ctx, key)
}

// awaitItem is the contract's long poll: a value that the caller does not have
// answers at once, an absent one is waited for unless the caller had one. The
// end of the wait is not an error: the present state is answered.
func awaitItem(c *gin.Context, store backends.StateStore, key string, wait time.Duration) (backends.Item, error) {
	watch, err := openWatch(c, store, key)
	if err != nil {
		return backends.Item{}, err
	}
	defer func() { _ = watch.Close() }() // nothing is lost with a reader
	whole, cancel := request.From(c.Request.Context()).Bound(c.Request.Context())
	defer cancel()
	ctx, cancelWait := context.WithTimeout(whole, wait)
	defer cancelWait()
	known := tagsHeader(c.Request.Header, "If-None-Match")
	latest := backends.StateChange{Kind: backends.ChangeDelete}
	for {
		change, err := watch.Next(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return present(latest), ifAbsent(latest, c.Request.Context().Err())
		case err != nil:
			return backends.Item{}, err
		}
		latest = change
		isNew := change.Kind == backends.ChangePut && !known.has(change.ETag)
		isGone := change.Kind != backends.ChangePut && len(known.list) > 0
		if isNew || isGone {
			return present(latest), ifAbsent(latest, nil)
		}
	}
}

func present(change backends.StateChange) backends.Item { return change.Item }

// ifAbsent is the error of a read that found nothing; left is the caller's own
// departure, which comes first.
func ifAbsent(change backends.StateChange, left error) error {
	if left != nil {
		return left
	}
	if change.Kind != backends.ChangePut {
		return problem.New(problem.NoSuchKey, "nothing is stored under this key")
	}
	return nil
}

// streamKey sends the present state unless the caller has it, then every
// change until the caller or the watch is gone.
func streamKey(c *gin.Context, store backends.StateStore, complete, key string) error {
	watch, err := openWatch(c, store, complete)
	if err != nil {
		return err
	}
	defer func() { _ = watch.Close() }() // nothing is lost with a reader
	events := openStream(c, "")
	seen := lastEventID(c)
	for ctx := c.Request.Context(); ctx.Err() == nil && !events.broken(); {
		change, idle, err := nextChange(ctx, watch)
		switch {
		case ctx.Err() != nil:
		case idle:
			events.beat()
		case err != nil:
			events.fail(ctx, err)
			return nil
		case change.Kind != backends.ChangePut || change.ETag != seen:
			events.sendJSON(change.ETag, string(change.Kind), changeOf(key, change))
			seen = ""
		}
	}
	return nil
}

// nextChange waits for a change, but not longer than a heartbeat.
func nextChange(parent context.Context, watch backends.StateWatch) (change backends.StateChange, idle bool, err error) {
	ctx, cancel := context.WithTimeout(parent, heartbeat)
	defer cancel()
	change, err = watch.Next(ctx)
	return change, err != nil && ctx.Err() != nil, err
}

func changeOf(key string, change backends.StateChange) stateChange {
	if change.Kind != backends.ChangePut {
		return stateChange{Key: key}
	}
	shown := listed(key, change.Item, true)
	return stateChange{Key: key, ETag: shown.ETag, Value: shown.Value, Data: shown.Data, ContentType: shown.ContentType}
}
