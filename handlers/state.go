package handlers

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// State answers /v1/state: opaque values under keys.
type State struct {
	Stores   map[string]StateComponent
	Locks    map[string]Keyspace // the lock components' resources, for fences
	Policy   *access.Policy      // decides each operation of a batch, and each fence
	MaxValue int                 // bytes of a value that a patch may make
}

// StateComponent is one configured store.
type StateComponent struct {
	Store   backends.StateStore
	Keys    Keyspace
	MaxScan int // values that a query may read
}

// Routes lists the block's lines of the contract.
func (s *State) Routes() []Route {
	const one, all = "/v1/state/:store/*key", "/v1/state/:store"
	read, write := keyed(access.StateRead), keyed(access.StateWrite)
	return []Route{
		{Method: "GET", Path: one, Access: read, Bound: MayStream, Handle: s.Get},
		{Method: "HEAD", Path: one, Access: read, Handle: s.Head},
		{Method: "PUT", Path: one, Access: write, Handle: s.Put},
		{Method: "DELETE", Path: one, Access: write, Handle: s.Delete},
		{Method: "GET", Path: all, Access: prefixed(access.StateRead), Handle: s.List},
		{Method: "PATCH", Path: one, Access: write, Handle: s.Patch},
		{Method: "POST", Path: all, Handle: s.Batch},                // each operation needs a right of its own
		{Method: "POST", Path: "/v1/query/:store", Handle: s.Query}, // its body names the prefix
	}
}

// Get reads a value.
//
//	@Summary		Read a value
//	@Description	Gives the bytes as they were stored, with their Content-Type and a strong ETag. With If-None-Match and the current tag it answers 304 without a body. With wait it is a long poll for a value that the caller does not have; with Accept: text/event-stream a stream of put, delete and expire events, whoever made the change, which shows the latest state and may skip others.
//	@Tags			state
//	@ID				getState
//	@Param			store			path	string	true	"State component"	example(main)
//	@Param			key				path	string	true	"Key; any UTF-8, slashes included, percent-encoded once"	example(orders/1)
//	@Param			consistency		query	string	false	"How current the value must be"	Enums(strong, eventual)
//	@Param			wait			query	string	false	"Long poll for at most this long"	example(20s)
//	@Param			stream			query	bool	false	"Same as Accept: text/event-stream"
//	@Param			If-None-Match	header	string	false	"Entity tags; 304 when the current one is among them"
//	@Param			If-Match		header	string	false	"Entity tags; 412 unless the current one is among them"
//	@Param			Last-Event-ID	header	string	false	"The tag that a resumed stream has seen"
//	@Produce		octet-stream
//	@Success		200	{string}	binary	"The value"
//	@Header			200	{string}	ETag	"Strong entity tag of this value"
//	@Success		304	"Not modified"
//	@Failure		404	{object}	problem.Document
//	@Failure		412	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Router			/v1/state/{store}/{key} [get]
func (s *State) Get(c *gin.Context) error {
	c.Writer.Header()["Vary"] = []string{"Accept"}
	if stream, err := wantsStream(c); stream || err != nil {
		if err != nil {
			return err
		}
		return s.stream(c)
	}
	item, err := s.read(c, false)
	if err != nil {
		return err
	}
	return answerItem(c, item)
}

// Head tells about a value without its bytes.
//
//	@Summary		Look at a value without reading it
//	@Description	Like GET without the body; adds Ottogate-TTL, the milliseconds left, when the value expires.
//	@Tags			state
//	@ID				headState
//	@Param			store			path	string	true	"State component"	example(main)
//	@Param			key				path	string	true	"Key"	example(orders/1)
//	@Param			consistency		query	string	false	"How current the value must be"	Enums(strong, eventual)
//	@Param			If-None-Match	header	string	false	"Entity tags; 304 when the current one is among them"
//	@Param			If-Match		header	string	false	"Entity tags; 412 unless the current one is among them"
//	@Success		200	"The value exists"
//	@Header			200	{string}	ETag			"Strong entity tag of this value"
//	@Header			200	{integer}	Ottogate-TTL	"Milliseconds left; absent when the value does not expire"
//	@Success		304	"Not modified"
//	@Failure		404	{object}	problem.Document
//	@Failure		412	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Router			/v1/state/{store}/{key} [head]
func (s *State) Head(c *gin.Context) error {
	item, err := s.read(c, true)
	if err != nil {
		return err
	}
	if item.TTL > 0 {
		c.Header("Ottogate-TTL", strconv.FormatInt(millis(item.TTL), 10))
	}
	return answerItem(c, item)
}

// Put writes a value.
//
//	@Summary		Write a value
//	@Description	Stores the body byte for byte with its Content-Type; value and expiry are set in one atomic step. If-None-Match: * creates only; If-Match compares and sets.
//	@Tags			state
//	@ID				putState
//	@Param			store			path	string	true	"State component"	example(main)
//	@Param			key				path	string	true	"Key"	example(orders/1)
//	@Param			ttl				query	string	false	"Time to live; without it the value does not expire"	example(30s)
//	@Param			consistency		query	string	false	"What the write waits for"	Enums(strong, eventual)
//	@Param			If-Match		header	string	false	"Entity tags; 412 unless the current one is among them"
//	@Param			If-None-Match	header	string	false	"* writes only when the key is absent"
//	@Param			Lock-Fence		header	string	false	"{store}/{resource}={fence}: refuse the write when a newer fence of the resource was seen"
//	@Param			value			body	string	false	"Any bytes"	example({"total":3})
//	@Accept			octet-stream
//	@Success		204	"Written"
//	@Header			204	{string}	ETag	"The new entity tag"
//	@Failure		412	{object}	problem.Document
//	@Failure		422	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Router			/v1/state/{store}/{key} [put]
func (s *State) Put(c *gin.Context) error {
	component, key, options, err := s.writing(c)
	if err != nil {
		return err
	}
	data, err := readBody(c.Request)
	if err != nil {
		return err
	}
	etag, err := component.Store.Put(c.Request.Context(), key, valueOf(c.Request.Header, data), options)
	if err != nil {
		return err
	}
	c.Writer.Header()["Etag"] = []string{quote(etag)}
	c.Status(http.StatusNoContent)
	return nil
}

// Delete removes a value.
//
//	@Summary		Remove a value
//	@Description	Answers 204 also when nothing was there. If-Match removes only that version; on an absent key it is 412.
//	@Tags			state
//	@ID				deleteState
//	@Param			store			path	string	true	"State component"	example(main)
//	@Param			key				path	string	true	"Key"	example(orders/1)
//	@Param			consistency		query	string	false	"What the write waits for"	Enums(strong, eventual)
//	@Param			If-Match		header	string	false	"Entity tags; 412 unless the current one is among them"
//	@Param			If-None-Match	header	string	false	"Entity tags; 412 when the current one is among them"
//	@Param			Lock-Fence		header	string	false	"{store}/{resource}={fence}: refuse the write when a newer fence of the resource was seen"
//	@Success		204	"Gone"
//	@Failure		412	{object}	problem.Document
//	@Failure		422	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Router			/v1/state/{store}/{key} [delete]
func (s *State) Delete(c *gin.Context) error {
	component, key, options, err := s.writing(c)
	if err != nil {
		return err
	}
	if err := component.Store.Delete(c.Request.Context(), key, options); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// stateItem is one entry of a listing.
type stateItem struct {
	Key         string          `json:"key"`
	ETag        string          `json:"etag"`
	Value       json.RawMessage `json:"value,omitempty" swaggertype:"object"`
	Data        *[]byte         `json:"data,omitempty" swaggertype:"string" format:"base64"`
	ContentType string          `json:"contentType,omitempty"`
} //	@name	StateItem

// stateList is a page of a listing.
type stateList struct {
	Items  []stateItem `json:"items"`
	Cursor string      `json:"cursor,omitempty"` // absent at the end
} //	@name	StateList

// List gives a page of keys.
//
//	@Summary		List keys by prefix
//	@Description	Every own key that existed throughout the listing is given at least once, in no order. A page may be short or empty while it has a cursor; no cursor is the end. With values=true JSON values come as value, all others as data (base64).
//	@Tags			state
//	@ID				listState
//	@Param			store	path	string	true	"State component"	example(main)
//	@Param			prefix	query	string	false	"What the keys begin with"	example(orders/)
//	@Param			limit	query	int		false	"Items to aim for"	minimum(1)	maximum(1000)	default(100)
//	@Param			cursor	query	string	false	"The previous page's cursor"
//	@Param			values	query	bool	false	"Give the values too"
//	@Produce		json
//	@Success		200	{object}	stateList
//	@Failure		404	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Router			/v1/state/{store} [get]
func (s *State) List(c *gin.Context) error {
	component, err := find(s.Stores, nameParam(c, "store"), "state")
	if err != nil {
		return err
	}
	lister, ok := component.Store.(backends.Lister)
	if !ok {
		return problem.New(problem.Unsupported, "this component cannot list its keys")
	}
	options, err := listOptions(c)
	if err != nil {
		return err
	}
	app := appOf(c)
	page, err := lister.List(c.Request.Context(), component.Keys.Of(app, c.Query("prefix")), options)
	if err != nil {
		return err
	}
	list := stateList{Items: make([]stateItem, 0, len(page.Items)), Cursor: page.Cursor}
	for _, item := range page.Items {
		list.Items = append(list.Items, listed(component.Keys.Trim(app, item.Key), item.Item, options.Values))
	}
	return writeJSON(c, http.StatusOK, list)
}

func listOptions(c *gin.Context) (options backends.ListOptions, err error) {
	options.Cursor = c.Query("cursor")
	if options.Limit, err = intParam(c, "limit", 100, 1, 1000); err != nil {
		return options, err
	}
	options.Values, err = boolParam(c, "values")
	return options, err
}

func listed(key string, item backends.Item, withValue bool) stateItem {
	out := stateItem{Key: key, ETag: item.ETag}
	if !withValue {
		return out
	}
	out.ContentType = item.ContentType
	if mediaType(item.ContentType) == "application/json" && utf8.Valid(item.Data) && json.Valid(item.Data) {
		out.Value = item.Data
	} else {
		out.Data = &item.Data
	}
	return out
}

func (s *State) read(c *gin.Context, withTTL bool) (backends.Item, error) {
	component, key, err := s.at(c)
	if err != nil {
		return backends.Item{}, err
	}
	options, wait, err := readOptions(c)
	if err != nil {
		return backends.Item{}, err
	}
	options.WithTTL = withTTL
	if wait > 0 {
		if item, err := awaitItem(c, component.Store, key, wait); err != nil || !withTTL {
			return item, err
		}
	}
	ctx, cancel := request.From(c.Request.Context()).Bound(c.Request.Context())
	defer cancel()
	return component.Store.Get(ctx, key, options)
}

func readOptions(c *gin.Context) (options backends.ReadOptions, wait time.Duration, err error) {
	if c.Request.URL.RawQuery == "" {
		return options, 0, nil
	}
	if options.Consistency, err = consistencyParam(c); err != nil {
		return options, 0, err
	}
	wait, err = durationParam(c, "wait")
	return options, wait, err
}

// stream follows one key.
func (s *State) stream(c *gin.Context) error {
	component, complete, err := s.at(c)
	if err != nil {
		return err
	}
	key, err := keyParam(c)
	if err != nil {
		return err
	}
	return streamKey(c, component.Store, complete, key)
}

// at finds the component and the complete key that the path names.
func (s *State) at(c *gin.Context) (StateComponent, string, error) {
	component, err := find(s.Stores, nameParam(c, "store"), "state")
	if err != nil {
		return component, "", err
	}
	key, err := keyParam(c)
	return component, component.Keys.Of(appOf(c), key), err
}

func (s *State) writing(c *gin.Context) (component StateComponent, key string, options backends.WriteOptions, err error) {
	if component, key, err = s.at(c); err != nil {
		return component, key, options, err
	}
	if options.Fence, err = s.fenceOf(c); err != nil {
		return component, key, options, err
	}
	if options.Condition, err = conditionOf(c.Request.Header); err != nil {
		return component, key, options, err
	}
	if c.Request.URL.RawQuery == "" {
		return component, key, options, nil
	}
	if options.TTL, err = durationParam(c, "ttl"); err != nil {
		return component, key, options, err
	}
	options.Consistency, err = consistencyParam(c)
	return component, key, options, err
}

// valueOf types a body that came without a type: JSON if it parses.
func valueOf(header http.Header, data []byte) backends.Value {
	contentType := header.Get("Content-Type")
	if media := mediaType(contentType); media == "" || media == formType {
		contentType = "application/octet-stream"
		if json.Valid(data) {
			contentType = "application/json"
		}
	}
	return backends.Value{Data: data, ContentType: contentType}
}

// answerItem writes a value under the conditions of RFC 9110 §13.2.2.
func answerItem(c *gin.Context, item backends.Item) error {
	header := c.Writer.Header()
	header["Etag"] = []string{quote(item.ETag)}
	if done, err := conditionalRead(c, item.ETag); done || err != nil {
		return err
	}
	if item.ContentType == "" {
		item.ContentType = "application/octet-stream"
	}
	header["Content-Type"] = []string{item.ContentType}
	header["Content-Length"] = []string{strconv.Itoa(len(item.Data))}
	// Whoever wrote the value chose its type: a browser must not run it as a
	// page of this origin.
	header["X-Content-Type-Options"] = []string{"nosniff"}
	header["Content-Security-Policy"] = []string{"default-src 'none'; sandbox"}
	c.Status(http.StatusOK)
	if c.Request.Method == http.MethodHead {
		return nil
	}
	_, _ = c.Writer.Write(item.Data) // a caller who left needs no answer
	return nil
}

// conditionalRead evaluates If-Match and If-None-Match of a read; done means
// that the answer is a 304.
func conditionalRead(c *gin.Context, etag string) (done bool, err error) {
	header := c.Request.Header
	if len(header["If-Match"]) == 0 && len(header["If-None-Match"]) == 0 {
		return false, nil
	}
	if _, err := conditionOf(header); err != nil {
		return false, err
	}
	if match := tagsHeader(header, "If-Match"); (match.any || len(match.list) > 0) && !match.has(etag) {
		return false, problem.New(problem.PreconditionFailed, "the current entity tag is not among those of If-Match")
	}
	if tagsHeader(header, "If-None-Match").has(etag) {
		c.Status(http.StatusNotModified)
		return true, nil
	}
	return false, nil
}
