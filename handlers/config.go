package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// Config answers /v1/config: groups of configuration items, read from memory.
type Config struct {
	Stores map[string]backends.ConfigStore
}

// Routes lists the block's lines of the contract.
func (h *Config) Routes() []Route {
	const all, group, key = "/v1/config/:store", "/v1/config/:store/:group", "/v1/config/:store/:group/*key"
	return []Route{
		{Method: "GET", Path: group, Access: configRight, Bound: MayStream, Handle: h.Group},
		{Method: "GET", Path: key, Access: configRight, Bound: MayStream, Handle: h.Key},
		planned("GET", all),
		planned("POST", group),
		planned("PUT", key),
		planned("DELETE", key),
		planned("GET", "/v1/releases/:store/:group"),
		planned("POST", "/v1/releases/:store/:group"),
	}
}

// configRight is the right on <store>/<backend's app>/<group>.
func configRight(c *gin.Context) (access.Request, error) {
	resource := nameParam(c, "store") + "/" + configApp(c) + "/" + nameParam(c, "group")
	return access.Request{Action: access.ConfigRead, Resource: resource}, nil
}

func configApp(c *gin.Context) string {
	if c.Request.URL.RawQuery != "" {
		if app := c.Query("app"); app != "" {
			return app
		}
	}
	return appOf(c)
}

// groupAnswer is the JSON form of a group.
type groupAnswer struct {
	App     string            `json:"app" example:"demo"`
	Group   string            `json:"group" example:"application"`
	Label   string            `json:"label,omitempty"`
	Version string            `json:"version" example:"20261121110000-5f2a"` // the store's release key
	Items   map[string]string `json:"items"`
} //	@name	ConfigGroup

// keyAnswer is the JSON form of one item.
type keyAnswer struct {
	Group   string            `json:"group" example:"application"`
	Key     string            `json:"key" example:"greeting"`
	Value   string            `json:"value" example:"hello"`
	Label   string            `json:"label,omitempty"`
	Tags    map[string]string `json:"tags"`
	Version string            `json:"version" example:"20261121110000-5f2a"`
} //	@name	ConfigItem

// configChange is the data of a change event.
type configChange struct {
	Group    string               `json:"group"`
	Version  string               `json:"version"`
	Added    map[string]string    `json:"added"`
	Modified map[string]itemDelta `json:"modified"`
	Deleted  []string             `json:"deleted"`
} //	@name	ConfigChange

type itemDelta struct {
	Old string `json:"old"`
	New string `json:"new"`
} //	@name	ConfigDelta

// Group reads a group.
//
//	@Summary		Read a configuration group
//	@Description	Served from memory. Age says for how many seconds the store has not confirmed it; Ottogate-Stale: true that the store cannot be reached. With wait and If-None-Match it is a long poll (304 when nothing changed); with Accept: text/event-stream a stream of snapshot and change events.
//	@Tags			config
//	@ID				getConfigGroup
//	@Produce		json
//	@Param			store			path	string	true	"Config component"	example(apollo)
//	@Param			group			path	string	true	"Group (Apollo namespace)"	example(application)
//	@Param			app				query	string	false	"The store's app; default is the caller"	example(demo)
//	@Param			label			query	string	false	"Gray label"
//	@Param			cluster			query	string	false	"Cluster; default is the configured one"
//	@Param			wait			query	string	false	"Long poll for at most this long"	example(20s)
//	@Param			stream			query	bool	false	"Same as Accept: text/event-stream"
//	@Param			If-None-Match	header	string	false	"Entity tags; 304 when the current one is among them"
//	@Param			Last-Event-ID	header	string	false	"Resume a stream after this version"
//	@Success		200	{object}	groupAnswer
//	@Header			200	{string}	ETag			"The store's release key"
//	@Header			200	{integer}	Age				"Seconds since the store confirmed it"
//	@Header			200	{string}	Ottogate-Stale	"true when the store cannot be reached"
//	@Success		304	"Not modified"
//	@Failure		404	{object}	problem.Document
//	@Failure		412	{object}	problem.Document
//	@Router			/v1/config/{store}/{group} [get]
func (h *Config) Group(c *gin.Context) error {
	read, err := h.reader(c)
	if err != nil {
		return err
	}
	switch stream, err := wantsStream(c); {
	case err != nil:
		return err
	case stream:
		return read.stream(c, nil)
	}
	reading, err := read.await(c, func(r backends.ConfigReading) string { return r.Version })
	if err != nil {
		return err
	}
	if done, err := answerConfig(c, reading, reading.Version); done || err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, snapshotOf(reading, nil))
}

// Key reads an item.
//
//	@Summary		Read a configuration item
//	@Description	The value as text; as JSON with its group, label, tags and version on Accept: application/json. type checks the value (422), default stands in for an absent or unfit one. Long poll and stream as for a group.
//	@Tags			config
//	@ID				getConfigItem
//	@Produce		plain,json
//	@Param			store			path	string	true	"Config component"	example(apollo)
//	@Param			group			path	string	true	"Group (Apollo namespace)"	example(application)
//	@Param			key				path	string	true	"Item"	example(greeting)
//	@Param			app				query	string	false	"The store's app; default is the caller"	example(demo)
//	@Param			label			query	string	false	"Gray label"
//	@Param			cluster			query	string	false	"Cluster; default is the configured one"
//	@Param			default			query	string	false	"Answer this when the item is absent or of another type"
//	@Param			type			query	string	false	"What the value must be"	Enums(int, bool, duration, json)
//	@Param			wait			query	string	false	"Long poll for at most this long"	example(20s)
//	@Param			stream			query	bool	false	"Same as Accept: text/event-stream"
//	@Param			If-None-Match	header	string	false	"Entity tags; 304 when the current one is among them"
//	@Param			Last-Event-ID	header	string	false	"Resume a stream after this version"
//	@Success		200	{object}	keyAnswer
//	@Header			200	{string}	ETag			"Strong entity tag of this representation"
//	@Header			200	{integer}	Age				"Seconds since the store confirmed it"
//	@Header			200	{string}	Ottogate-Stale	"true when the store cannot be reached"
//	@Success		304	"Not modified"
//	@Failure		404	{object}	problem.Document
//	@Failure		406	{object}	problem.Document
//	@Failure		412	{object}	problem.Document
//	@Failure		422	{object}	problem.Document
//	@Router			/v1/config/{store}/{group}/{key} [get]
func (h *Config) Key(c *gin.Context) error {
	key, err := keyParam(c)
	if err != nil {
		return err
	}
	read, err := h.reader(c)
	if err != nil {
		return err
	}
	switch stream, err := wantsStream(c); {
	case err != nil:
		return err
	case stream:
		return read.stream(c, &key)
	}
	asJSON, err := prefersJSON(c.Request.Header.Get("Accept"))
	if err != nil {
		return err
	}
	tag := func(r backends.ConfigReading) string { return itemTag(r, key, asJSON) }
	reading, err := read.await(c, tag)
	if err != nil {
		return err
	}
	value, err := typedValue(c, reading.Items, key)
	if err != nil {
		return err
	}
	if done, err := answerConfig(c, reading, tag(reading)); done || err != nil {
		return err
	}
	if asJSON {
		return writeJSON(c, http.StatusOK, keyAnswer{Group: reading.Ref.Group, Key: key, Value: value, Label: reading.Ref.Label, Tags: map[string]string{}, Version: reading.Version})
	}
	c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(value))
	return nil
}

// groupReader reads one group for one request.
type groupReader struct {
	store backends.ConfigStore
	ref   backends.GroupRef
}

func (h *Config) reader(c *gin.Context) (groupReader, error) {
	store, err := find(h.Stores, nameParam(c, "store"), "config")
	if err != nil {
		return groupReader{}, err
	}
	ref := backends.GroupRef{App: configApp(c), Group: nameParam(c, "group"), Label: c.Query("label"), Cluster: c.Query("cluster")}
	for _, name := range []string{ref.App, ref.Group, ref.Label, ref.Cluster} {
		if err := validKey(name); err != nil {
			return groupReader{}, err
		}
	}
	return groupReader{store: store, ref: ref}, nil
}

// await answers at once, or as the contract's long poll: until the tag is
// none of those that the caller has, or an absent group appears. The end of
// the wait is not an error: the present state is given again.
func (r groupReader) await(c *gin.Context, tag func(backends.ConfigReading) string) (backends.ConfigReading, error) {
	ctx, cancel := request.From(c.Request.Context()).Bound(c.Request.Context())
	defer cancel()
	wait, err := durationParam(c, "wait")
	if err != nil {
		return backends.ConfigReading{}, err
	}
	reading, err := r.store.Group(ctx, r.ref)
	if wait == 0 {
		return reading, err
	}
	ctx, cancelWait := context.WithTimeout(ctx, wait)
	defer cancelWait()
	known := tagsHeader(c.Request.Header, "If-None-Match")
	if problem.CodeOf(err) == problem.NoSuchGroup && len(known.list) == 0 {
		return r.appearance(ctx)
	}
	awaited := func(t string) bool { return known.has(t) || (t == absentTag && len(known.list) == 0) }
	for err == nil && awaited(tag(reading)) {
		next, changeErr := r.store.Changed(ctx, r.ref, reading.Version)
		if ctx.Err() != nil {
			return reading, nil
		}
		reading, err = next, changeErr
	}
	return reading, err
}

// appearance asks for an absent group until it is there.
func (r groupReader) appearance(ctx context.Context) (backends.ConfigReading, error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return backends.ConfigReading{}, problem.New(problem.NoSuchGroup, "the group has not appeared")
		case <-tick.C:
		}
		reading, err := r.store.Group(ctx, r.ref)
		if problem.CodeOf(err) != problem.NoSuchGroup && ctx.Err() == nil {
			return reading, err
		}
	}
}

// stream sends the present state unless the caller has it, then every change;
// key narrows both to one item.
func (r groupReader) stream(c *gin.Context, key *string) error {
	ctx := c.Request.Context()
	bounded, cancel := request.From(ctx).Bound(ctx)
	current, err := r.store.Group(bounded, r.ref)
	cancel()
	if err != nil {
		return err
	}
	c.Header("Vary", "Accept")
	events := openStream(c, "")
	if lastEventID(c) != streamTag(current, key) {
		events.sendJSON(streamTag(current, key), "snapshot", snapshotOf(current, key))
	}
	r.follow(ctx, events, current, key)
	return nil
}

// follow sends changes until the reader or the group is gone.
func (r groupReader) follow(ctx context.Context, events *eventStream, current backends.ConfigReading, key *string) {
	for ctx.Err() == nil && !events.broken() {
		waiting, cancel := context.WithTimeout(ctx, heartbeat)
		next, err := r.store.Changed(waiting, r.ref, current.Version)
		idle := waiting.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case idle:
			events.beat()
		case err != nil:
			events.fail(ctx, err)
			return
		default:
			sendChange(events, current, next, key)
			current = next
		}
	}
}

func sendChange(events *eventStream, before, after backends.ConfigReading, key *string) {
	change := changeBetween(before.Snapshot, after.Snapshot, key)
	if key == nil || len(change.Added)+len(change.Modified)+len(change.Deleted) > 0 {
		events.sendJSON(streamTag(after, key), "change", change)
	}
}

// streamTag is the id of the events of a group or of one of its items: the tag
// that the same thing has when it is read as text.
func streamTag(reading backends.ConfigReading, key *string) string {
	if key == nil {
		return reading.Version
	}
	return itemTag(reading, *key, false)
}

// lastEventID is the tag that a reconnecting reader has seen.
func lastEventID(c *gin.Context) string {
	if id := c.GetHeader("Last-Event-ID"); id != "" {
		return id
	}
	if known := tagsHeader(c.Request.Header, "If-None-Match"); len(known.list) == 1 {
		return known.list[0]
	}
	return ""
}

func snapshotOf(reading backends.ConfigReading, key *string) groupAnswer {
	items := reading.Items
	if key != nil {
		items = map[string]string{}
		if value, ok := reading.Items[*key]; ok {
			items[*key] = value
		}
	}
	return groupAnswer{App: reading.Ref.App, Group: reading.Ref.Group, Label: reading.Ref.Label, Version: reading.Version, Items: items}
}

func changeBetween(before, after *backends.Snapshot, key *string) configChange {
	change := configChange{Group: after.Ref.Group, Version: after.Version, Added: map[string]string{}, Modified: map[string]itemDelta{}, Deleted: []string{}}
	for k, value := range after.Items {
		old, was := before.Items[k]
		switch {
		case key != nil && k != *key:
		case !was:
			change.Added[k] = value
		case old != value:
			change.Modified[k] = itemDelta{Old: old, New: value}
		}
	}
	for k := range before.Items {
		if _, is := after.Items[k]; !is && (key == nil || k == *key) {
			change.Deleted = append(change.Deleted, k)
		}
	}
	return change
}

// absentTag stands for an item that is not there; it is never sent.
const absentTag = "absent"

// itemTag is the strong tag of an item: of its value as text, of value and
// release as JSON.
func itemTag(r backends.ConfigReading, key string, asJSON bool) string {
	value, ok := r.Items[key]
	if !ok {
		return absentTag
	}
	if asJSON {
		return r.Version + "-json"
	}
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// prefersJSON decides between the two representations of an item.
func prefersJSON(accept string) (bool, error) {
	wantsJSON := strings.Contains(accept, "application/json")
	wantsText := accept == "" || strings.Contains(accept, "text/") || strings.Contains(accept, "*/*")
	if !wantsJSON && !wantsText {
		return false, problem.New(problem.NotAcceptable, "an item is text/plain or application/json")
	}
	return wantsJSON, nil
}

// typedValue finds the item, checks its type, and falls back to the default.
func typedValue(c *gin.Context, items map[string]string, key string) (string, error) {
	value, ok := items[key]
	if c.Request.URL.RawQuery == "" {
		if !ok {
			return "", problem.New(problem.NoSuchKey, "the group has no such item")
		}
		return value, nil
	}
	kind := c.Query("type")
	fits, known := fitsType(value, kind)
	if !known {
		return "", problem.New(problem.InvalidParameter, "type must be int, bool, duration or json")
	}
	if ok && fits {
		return value, nil
	}
	if fallback, has := c.GetQuery("default"); has {
		return fallback, nil
	}
	if !ok {
		return "", problem.New(problem.NoSuchKey, "the group has no such item")
	}
	return "", problem.New(problem.Unprocessable, "the value is not of type %s", kind)
}

func fitsType(value, kind string) (fits, known bool) {
	var err error
	switch kind {
	case "":
	case "int":
		_, err = strconv.ParseInt(value, 10, 64)
	case "bool":
		_, err = strconv.ParseBool(value)
	case "duration":
		_, err = time.ParseDuration(value)
	case "json":
		return json.Valid([]byte(value)), true
	default:
		return false, false
	}
	return err == nil, true
}

// answerConfig writes the headers that say how fresh the answer is; done means
// that the caller has it already.
func answerConfig(c *gin.Context, reading backends.ConfigReading, etag string) (done bool, err error) {
	header := c.Writer.Header()
	header["Etag"] = []string{quote(etag)}
	header["Vary"] = []string{"Accept"}
	header["Age"] = []string{strconv.FormatInt(int64(reading.Age/time.Second), 10)}
	if reading.Stale {
		header["Ottogate-Stale"] = []string{"true"}
	}
	return conditionalRead(c, etag)
}
