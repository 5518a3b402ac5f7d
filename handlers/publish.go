package handlers

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/cloudevents"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// PubSub answers /v1/publish and /v1/subscribe.
type PubSub struct{ Components map[string]PubSubComponent }

// PubSubComponent is one configured broker.
type PubSubComponent struct {
	Publisher  backends.Publisher
	Subscriber backends.Subscriber
}

// Routes lists the block's lines of the contract.
func (p *PubSub) Routes() []Route {
	const subscription = "/v1/subscriptions/:name"
	return []Route{
		{Method: "POST", Path: "/v1/publish/:pubsub/:topic", Access: onTopic(access.Publish), Handle: p.Publish},
		{Method: "GET", Path: "/v1/subscribe/:pubsub/:topic", Access: onTopic(access.Subscribe), Bound: MayStream, Handle: p.Subscribe},
		planned("DELETE", "/v1/delayed/:pubsub/:id"),
		planned("GET", "/v1/subscriptions"),
		planned("PUT", subscription), planned("GET", subscription), planned("DELETE", subscription),
		planned("POST", subscription+"/pause"), planned("POST", subscription+"/resume"),
		planned("POST", subscription+"/seek"), planned("POST", subscription+"/redrive"),
		planned("GET", "/v1/events/:pubsub/:topic"),
	}
}

// topicForm is what the contract allows as a topic's name.
var topicForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

func topicParam(c *gin.Context) (string, error) {
	topic := nameParam(c, "topic")
	if !topicForm.MatchString(topic) || topic == "." || topic == ".." {
		return "", problem.New(problem.InvalidName, "a topic's name is 1 to 249 of the characters A-Z a-z 0-9 . _ -")
	}
	return topic, nil
}

// onTopic is the right on <pubsub>/<topic>.
func onTopic(action access.Action) func(*gin.Context) (access.Request, error) {
	return func(c *gin.Context) (access.Request, error) {
		topic, err := topicParam(c)
		return access.Request{Action: action, Resource: nameParam(c, "pubsub") + "/" + topic}, err
	}
}

// receipt tells where a message went.
type receipt struct {
	ID        string    `json:"id,omitempty" example:"0193a5f0-7c1e-7000-8000-5d0c2a1b3c4d"` // the event's id; absent for raw records
	Topic     string    `json:"topic" example:"orders.created"`
	Partition int32     `json:"partition" example:"3"`
	Offset    string    `json:"offset" example:"1042"`
	Timestamp time.Time `json:"timestamp" example:"2026-11-21T11:00:00Z"`
} //	@name	Receipt

// Publish appends a message to a topic.
//
//	@Summary		Publish a message
//	@Description	Answers after the broker acknowledged on all in-sync replicas. By default the body becomes a CloudEvents 1.0 event in binary mode (ce_ headers, body untouched); a structured or binary CloudEvent keeps its id; raw=true adds nothing. A 503 or 504 with outcome unknown means that the broker may have the message.
//	@Tags			pubsub
//	@ID				publish
//	@Accept			octet-stream
//	@Produce		json
//	@Param			pubsub			path	string	true	"Pubsub component"	example(events)
//	@Param			topic			path	string	true	"Topic"	example(orders.created)
//	@Param			key				query	string	false	"Record key: equal keys keep their order"	example(customer-7)
//	@Param			partition		query	int		false	"Partition; default is by key, else in turn"	minimum(0)
//	@Param			raw				query	bool	false	"Publish the body without making it an event"
//	@Param			tombstone		query	bool	false	"Publish a null value; needs a key"
//	@Param			Ottogate-Key	header	string	false	"The same as key"
//	@Param			ce-id			header	string	false	"CloudEvents attributes in binary mode; id, source and specversion make the body an event of the caller's"
//	@Param			message			body	string	false	"Any bytes"	example({"order":1})
//	@Success		200	{object}	receipt
//	@Failure		404	{object}	problem.Document
//	@Failure		422	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Router			/v1/publish/{pubsub}/{topic} [post]
func (p *PubSub) Publish(c *gin.Context) error {
	component, topic, err := p.at(c)
	if err != nil {
		return err
	}
	if err := refusePublish(c); err != nil {
		return err
	}
	body, err := readBody(c.Request)
	if err != nil {
		return err
	}
	message, id, err := messageOf(c, body)
	if err != nil {
		return err
	}
	where, err := component.Publisher.Publish(c.Request.Context(), topic, message)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, receipt{
		ID: id, Topic: topic, Partition: where.Partition, Offset: strconv.FormatInt(where.Offset, 10), Timestamp: where.Timestamp.UTC(),
	})
}

func (p *PubSub) at(c *gin.Context) (component PubSubComponent, topic string, err error) {
	if component, err = find(p.Components, nameParam(c, "pubsub"), "pubsub"); err != nil {
		return component, "", err
	}
	topic, err = topicParam(c)
	return component, topic, err
}

// refusePublish answers 501 for what the contract has and this version has not.
func refusePublish(c *gin.Context) error {
	switch mediaType(c.GetHeader("Content-Type")) {
	case "application/cloudevents-batch+json", "application/x-ndjson":
		return problem.New(problem.NotImplemented, "this version cannot publish batches yet")
	}
	if err := refuseHeaders(c, "Idempotency-Key"); err != nil {
		return err
	}
	if raw, _ := boolParam(c, "raw"); raw && c.Query("ttl") != "" {
		return problem.New(problem.InvalidParameter, "ttl needs an event; raw=true makes none")
	}
	return refuseParameters(c, "ttl", "delay")
}

// messageOf builds the record: a caller's event, an event around the body, a
// raw record or a tombstone.
func messageOf(c *gin.Context, body []byte) (message backends.Message, id string, err error) {
	if message.Key, err = recordKey(c); err != nil {
		return message, "", err
	}
	if message.Partition, err = partitionParam(c); err != nil {
		return message, "", err
	}
	raw, err := boolParam(c, "raw")
	if err != nil {
		return message, "", err
	}
	if message.Tombstone, err = boolParam(c, "tombstone"); err != nil {
		return message, "", err
	}
	switch {
	case message.Tombstone && len(body) > 0:
		return message, "", problem.New(problem.InvalidRequest, "a tombstone has no body")
	case message.Tombstone && message.Key == nil:
		return message, "", problem.New(problem.InvalidParameter, "a tombstone needs a key")
	case message.Tombstone || raw:
		message.Value = body
	default:
		id, err = wrapEvent(c, &message, body)
	}
	if err != nil {
		return message, "", err
	}
	own, err := recordHeaders(c.Request.Header, raw)
	message.Headers = append(message.Headers, own...)
	return message, id, err
}

// wrapEvent makes the record an event in Kafka's binary mode and says its id.
func wrapEvent(c *gin.Context, message *backends.Message, body []byte) (string, error) {
	info := request.From(c.Request.Context())
	event, err := cloudevents.FromRequest(c.Request.Header, body, cloudevents.Defaults{Source: "/apps/" + info.App})
	if err != nil {
		return "", err
	}
	message.Value, message.Headers = event.Data, event.Headers()
	for _, trace := range []struct{ name, value string }{
		{"traceparent", info.Traceparent}, {"tracestate", info.Tracestate}, {"baggage", info.Baggage}, {"x-request-id", info.ID},
	} {
		if trace.value != "" {
			message.Headers = append(message.Headers, backends.Header{Name: trace.name, Value: []byte(trace.value)})
		}
	}
	return event.ID, nil
}

// recordKey reads the key from its parameter or header, which must agree.
func recordKey(c *gin.Context) ([]byte, error) {
	key, inQuery := c.GetQuery("key")
	fromHeader := c.Request.Header.Values("Ottogate-Key")
	switch {
	case len(fromHeader) > 1 || (inQuery && len(fromHeader) == 1 && fromHeader[0] != key):
		return nil, problem.New(problem.InvalidParameter, "key and Ottogate-Key name different keys")
	case inQuery:
		return []byte(key), nil
	case len(fromHeader) == 1:
		return []byte(fromHeader[0]), nil
	default:
		return nil, nil
	}
}

func partitionParam(c *gin.Context) (*int32, error) {
	text, present := c.GetQuery("partition")
	if !present {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return nil, problem.New(problem.InvalidParameter, "partition must be a whole number from 0")
	}
	partition := int32(n)
	return &partition, nil
}

// recordHeaders are the caller's own: Ottogate-Header-<name>. Those that make
// a record an event are refused beside an event, whose attributes they would
// forge.
func recordHeaders(header http.Header, raw bool) ([]backends.Header, error) {
	var found []backends.Header
	for name, values := range header {
		if short, ok := strings.CutPrefix(name, "Ottogate-Header-"); ok && short != "" {
			if !raw && cloudevents.IsEventHeader(strings.ToLower(short)) {
				return nil, problem.New(problem.InvalidParameter, "the record header %s belongs to the event; send the attribute as a ce- header", strings.ToLower(short))
			}
			for _, value := range values {
				found = append(found, backends.Header{Name: strings.ToLower(short), Value: []byte(value)})
			}
		}
	}
	return found, nil
}
