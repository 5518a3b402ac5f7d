package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/cloudevents"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// pageBytes is how much data a page takes before it ends, whatever its max.
const pageBytes = 4 << 20

// Times of a page.
const (
	// firstLook is how long a page without wait looks for its first message:
	// the broker must be asked at least once.
	firstLook = 500 * time.Millisecond
	// settle is how long a page that has messages waits for one more.
	settle = 20 * time.Millisecond
)

// messageView is a message as streams and pages show it.
type messageView struct {
	Cursor    string              `json:"cursor"` // resume behind this message; valid on every replica
	Topic     string              `json:"topic" example:"orders.created"`
	Partition int32               `json:"partition" example:"3"`
	Offset    string              `json:"offset" example:"1042"`
	Timestamp time.Time           `json:"timestamp" example:"2026-11-21T11:00:00Z"`
	Key       *string             `json:"key,omitempty" example:"customer-7"`
	KeyData   []byte              `json:"keyData,omitempty"` // a key that is not UTF-8, base64
	Attempt   int                 `json:"attempt" example:"1"`
	Headers   map[string][]string `json:"headers"`
	Event     json.RawMessage     `json:"event,omitempty" swaggertype:"object"`                // CloudEvents 1.0, JSON format
	Data      *[]byte             `json:"data,omitempty" swaggertype:"string" format:"base64"` // a record that is no event, base64; null for a tombstone
} //	@name	Message

// messagePage is a part of a topic.
type messagePage struct {
	Messages []messageView `json:"messages"`
	Cursor   string        `json:"cursor"` // where the next page begins
} //	@name	MessagePage

// Subscribe reads a topic without a group.
//
//	@Summary		Read a topic
//	@Description	No state is kept anywhere: whoever has a cursor goes on from there through any replica. With Accept: text/event-stream (or stream=true) a stream of message events whose ids are cursors; Last-Event-ID resumes. Otherwise a page: it waits up to wait for its first message and answers an empty page with a cursor when none came.
//	@Tags			pubsub
//	@ID				subscribe
//	@Produce		json
//	@Param			pubsub			path	string	true	"Pubsub component"	example(events)
//	@Param			topic			path	string	true	"Topic"	example(orders.created)
//	@Param			from			query	string	false	"earliest, latest (default) or a time of RFC 3339"	example(earliest)
//	@Param			cursor			query	string	false	"Go on behind this place; wins over from"
//	@Param			wait			query	string	false	"How long a page waits for its first message"	example(10s)
//	@Param			max				query	int		false	"Messages in a page"	minimum(1)	maximum(1000)	default(100)
//	@Param			stream			query	bool	false	"Same as Accept: text/event-stream"
//	@Param			Last-Event-ID	header	string	false	"Go on behind this place; wins over cursor"
//	@Success		200	{object}	messagePage
//	@Failure		404	{object}	problem.Document
//	@Failure		410	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Router			/v1/subscribe/{pubsub}/{topic} [get]
func (p *PubSub) Subscribe(c *gin.Context) error {
	component, topic, err := p.at(c)
	if err != nil {
		return err
	}
	c.Header("Vary", "Accept")
	stream, err := wantsStream(c)
	if err != nil {
		return err
	}
	if err := refuseSubscribe(c, stream); err != nil {
		return err
	}
	start, err := startOf(c)
	if err != nil {
		return err
	}
	if stream {
		return streamTopic(c, component.Subscriber, topic, start)
	}
	return pageTopic(c, component.Subscriber, topic, start)
}

// refuseSubscribe tells apart what the contract forbids from what this version
// does not do yet.
func refuseSubscribe(c *gin.Context, stream bool) error {
	if c.GetHeader("Idempotency-Key") != "" {
		return problem.New(problem.InvalidRequest, "Idempotency-Key has no meaning on a read")
	}
	upgrade := strings.EqualFold(c.GetHeader("Upgrade"), "websocket")
	if upgrade {
		return problem.New(problem.NotImplemented, "this version cannot subscribe over WebSocket yet")
	}
	switch _, grouped := c.GetQuery("group"); {
	case grouped && !stream:
		return problem.New(problem.InvalidParameter, "a page cannot be read with a group")
	case grouped && c.Query("ack") != "auto":
		return problem.New(problem.InvalidParameter, "a group over server-sent events needs ack=auto")
	}
	return refuseParameters(c, "group", "filter")
}

// startOf reads where to begin: Last-Event-ID wins over cursor, that over from.
func startOf(c *gin.Context) (backends.Start, error) {
	if id := c.GetHeader("Last-Event-ID"); id != "" {
		return backends.Start{Cursor: id}, nil
	}
	if cursor := c.Query("cursor"); cursor != "" {
		return backends.Start{Cursor: cursor}, nil
	}
	switch from := c.Query("from"); from {
	case "", string(backends.FromLatest):
		return backends.Start{From: backends.FromLatest}, nil
	case string(backends.FromEarliest):
		return backends.Start{From: backends.FromEarliest}, nil
	default:
		at, err := time.Parse(time.RFC3339, from)
		if err != nil {
			return backends.Start{}, problem.New(problem.InvalidParameter, "from must be earliest, latest or a time such as 2026-11-21T11:00:00Z")
		}
		return backends.Start{Time: at}, nil
	}
}

// openTail opens under the request's deadline a tail that lives longer.
func openTail(c *gin.Context, subscriber backends.Subscriber, topic string, start backends.Start) (backends.Tail, error) {
	ctx, cancel := request.From(c.Request.Context()).Bound(c.Request.Context())
	defer cancel()
	return subscriber.Tail(ctx, topic, start)
}

func pageTopic(c *gin.Context, subscriber backends.Subscriber, topic string, start backends.Start) error {
	limit, err := intParam(c, "max", 100, 1, 1000)
	if err != nil {
		return err
	}
	wait, err := durationParam(c, "wait")
	if err != nil {
		return err
	}
	tail, err := openTail(c, subscriber, topic, start)
	if err != nil {
		return err
	}
	defer func() { _ = tail.Close() }() // nothing is lost with a reader
	page, err := collect(c.Request.Context(), tail, limit, max(wait, firstLook))
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, page)
}

// collect waits for a first message and takes what is there behind it.
func collect(parent context.Context, tail backends.Tail, limit int, wait time.Duration) (messagePage, error) {
	page := messagePage{Messages: []messageView{}}
	whole, cancel := request.From(parent).Bound(parent)
	defer cancel()
	for size := 0; len(page.Messages) < limit && size < pageBytes; {
		ctx, cancel := context.WithTimeout(whole, wait)
		delivery, err := tail.Next(ctx)
		over := ctx.Err() != nil
		cancel()
		if err != nil && over {
			break
		}
		if err != nil {
			return page, err
		}
		page.Messages = append(page.Messages, viewOf(delivery))
		size += len(delivery.Value)
		wait = settle
	}
	page.Cursor = tail.Cursor()
	return page, parent.Err()
}

func streamTopic(c *gin.Context, subscriber backends.Subscriber, topic string, start backends.Start) error {
	start.SkipLost = true // a stream tells of the gap and goes on
	tail, err := openTail(c, subscriber, topic, start)
	if err != nil {
		return err
	}
	defer func() { _ = tail.Close() }() // nothing is lost with a reader
	events := openStream(c, tail.Cursor())
	for ctx := c.Request.Context(); ctx.Err() == nil && !events.broken(); {
		if !pass(ctx, events, tail) {
			break
		}
	}
	return nil
}

// pass sends the next message, or a heartbeat when none comes; it says whether
// there can be more.
func pass(parent context.Context, events *eventStream, tail backends.Tail) (more bool) {
	ctx, cancel := context.WithTimeout(parent, heartbeat)
	defer cancel()
	delivery, err := tail.Next(ctx)
	switch {
	case parent.Err() != nil:
		return false
	case err != nil && ctx.Err() != nil:
		events.beat()
		return true
	case err != nil:
		events.fail(parent, err)
		return false
	}
	if delivery.Gap {
		events.sendJSON("", "gap", problem.DocumentOf(problem.New(problem.CursorExpired, "records were lost to retention"), ""))
	}
	events.sendJSON(delivery.Cursor, "", viewOf(delivery))
	return true
}

// viewOf shows a record: as an event where it is one, else as bytes.
func viewOf(d backends.Delivery) messageView {
	view := messageView{
		Cursor: d.Cursor, Topic: d.Topic, Partition: d.Partition, Offset: strconv.FormatInt(d.Offset, 10),
		Timestamp: d.Timestamp.UTC(), Attempt: 1, Headers: make(map[string][]string, len(d.Headers)),
	}
	if d.Key != nil && utf8.Valid(d.Key) {
		key := string(d.Key)
		view.Key = &key
	} else {
		view.KeyData = d.Key
	}
	for _, header := range d.Headers {
		view.Headers[header.Name] = append(view.Headers[header.Name], string(header.Value))
	}
	if event, ok := cloudevents.FromDelivery(d); ok {
		view.Event = event.AppendJSON(nil)
	} else {
		view.Data = &d.Value
	}
	return view
}
