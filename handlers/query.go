package handlers

import (
	"bytes"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/jsondoc"
	"github.com/ottogate/ottogate/problem"
)

// Bounds of a query.
const (
	maxQueryLimit = 1000
	maxSorts      = 8
	maxSelects    = 64
	queryPage     = 500 // values read from the store at a time
	cursorSum     = 6   // bytes of a cursor that tell whether it is whole
)

// queryRequest is the body of a query.
type queryRequest struct {
	Prefix string         `json:"prefix" example:"orders/"`
	Filter jsondoc.Filter `json:"filter"`
	Sort   []querySort    `json:"sort"`
	Select []string       `json:"select" example:"/id"` // pointers; the members of the answer's values
	Limit  *int           `json:"limit" minimum:"1" maximum:"1000" default:"100" example:"10"`
	Cursor string         `json:"cursor"`
} //	@name	StateQuery

// querySort orders the results by what a pointer names.
type querySort struct {
	Pointer string `json:"pointer" example:"/created"`
	Order   string `json:"order" enums:"asc,desc" default:"asc"`
} //	@name	QuerySort

// Query finds JSON values.
//
//	@Summary		Query JSON values
//	@Description	Filter, sort and page over the JSON values under a prefix; values that are no JSON do not match. The order is total: equal values are ordered by key. A query that would read more values than the component allows is 422 query-too-wide.
//	@Tags			state
//	@ID				queryState
//	@Accept			json
//	@Produce		json
//	@Param			store	path	string			true	"State component"	example(main)
//	@Param			query	body	queryRequest	true	"What to find"
//	@Success		200	{object}	stateList
//	@Failure		422	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Router			/v1/query/{store} [post]
func (s *State) Query(c *gin.Context) error {
	store := nameParam(c, "store")
	component, err := find(s.Stores, store, "state")
	if err != nil {
		return err
	}
	lister, ok := component.Store.(backends.Lister)
	if !ok {
		return problem.New(problem.Unsupported, "this component cannot list its keys")
	}
	body, err := control[queryRequest](c)
	if err != nil {
		return err
	}
	app := appOf(c)
	q, err := body.compile(func(complete string) string { return component.Keys.Trim(app, complete) })
	if err != nil {
		return err
	}
	wanted := access.Request{Action: access.StateRead, Resource: store + "/" + body.Prefix, Prefix: true}
	if !s.Policy.Decide(app, wanted).Allowed {
		return problem.New(problem.Forbidden, "no rule lets this app read everything under the prefix")
	}
	if err := refuseParameters(c, "consistency"); err != nil {
		return err
	}
	if err := q.scan(c.Request.Context(), lister, component.Keys.Of(app, body.Prefix), component.MaxScan); err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, q.page())
}

// query is one query under way: of all values that match behind the cursor it
// keeps the first limit+1, so that its memory does not depend on how much is
// scanned.
type query struct {
	matches jsondoc.Predicate
	sorts   []sortBy
	selects []jsondoc.Path
	limit   int
	trim    func(string) string // of a backend's key, the app's own
	shape   string              // identifies filter, sort and prefix, so that a cursor fits its query only
	after   *place
	best    found
	scanned int
}

type sortBy struct {
	path       jsondoc.Path
	descending bool
}

// place is where a value stands in the order: what it is sorted by, then its
// key.
type place struct {
	Sorted [][]byte `json:"s"`
	Key    string   `json:"k"`
	Shape  string   `json:"q"`
}

// match is a value that the query may answer.
type match struct {
	place
	item backends.ListedItem
}

func (r queryRequest) compile(trim func(string) string) (*query, error) {
	q := &query{limit: 100, shape: r.shape(), trim: trim}
	if r.Limit != nil {
		q.limit = *r.Limit
	}
	if q.limit < 1 || q.limit > maxQueryLimit {
		return nil, problem.AtPointer("/limit", "limit must be from 1 to %d", maxQueryLimit)
	}
	if r.Prefix != "" && validKey(r.Prefix) != nil {
		return nil, problem.AtPointer("/prefix", "a prefix is at most %d bytes of UTF-8 without control characters", maxKey)
	}
	var err error
	if q.matches, err = r.Filter.Compile("/filter"); err != nil {
		return nil, err
	}
	if err := q.compileOrder(r); err != nil {
		return nil, err
	}
	q.best.query = q
	if r.Cursor != "" {
		if q.after, err = q.readCursor(r.Cursor); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *query) compileOrder(r queryRequest) error {
	if len(r.Sort) > maxSorts {
		return problem.AtPointer("/sort", "at most %d sort keys", maxSorts)
	}
	for i, by := range r.Sort {
		at := "/sort/" + strconv.Itoa(i)
		if by.Order != "" && by.Order != "asc" && by.Order != "desc" {
			return problem.AtPointer(at+"/order", "order must be asc or desc")
		}
		path, err := jsondoc.ParsePath(by.Pointer, at+"/pointer")
		if err != nil {
			return err
		}
		q.sorts = append(q.sorts, sortBy{path, by.Order == "desc"})
	}
	if len(r.Select) > maxSelects {
		return problem.AtPointer("/select", "at most %d pointers", maxSelects)
	}
	for i, pointer := range r.Select {
		at := "/select/" + strconv.Itoa(i)
		if pointer == "" {
			return problem.AtPointer(at, "a pointer of select names a member, not the whole value")
		}
		path, err := jsondoc.ParsePath(pointer, at)
		if err != nil {
			return err
		}
		q.selects = append(q.selects, path)
	}
	return nil
}

// shape names what a cursor depends on.
func (r queryRequest) shape() string {
	text, _ := json.Marshal(struct {
		Prefix string         `json:"prefix"`
		Filter jsondoc.Filter `json:"filter"`
		Sort   []querySort    `json:"sort"`
	}{r.Prefix, r.Filter, r.Sort}) // what was decoded from JSON encodes again
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

func (q *query) readCursor(cursor string) (*place, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	var at place
	if err != nil || len(sealed) < cursorSum {
		return nil, problem.New(problem.InvalidCursor, "the cursor is not of this query")
	}
	sum, text := sealed[:cursorSum], sealed[cursorSum:]
	if whole := sha256.Sum256(text); !bytes.Equal(sum, whole[:cursorSum]) || json.Unmarshal(text, &at) != nil || at.Shape != q.shape || len(at.Sorted) != len(q.sorts) {
		return nil, problem.New(problem.InvalidCursor, "the cursor is not of this query")
	}
	for _, value := range at.Sorted {
		if _, ok := jsondoc.Read(value); value != nil && !ok {
			return nil, problem.New(problem.InvalidCursor, "the cursor is damaged")
		}
	}
	return &at, nil
}

func (p place) cursor() string {
	text, _ := json.Marshal(p) // strings and bytes always encode
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(append(sum[:cursorSum], text...))
}

// scan reads every value under the prefix once, but at most as many as the
// component allows.
func (q *query) scan(ctx context.Context, lister backends.Lister, prefix string, most int) error {
	options := backends.ListOptions{Limit: queryPage, Values: true}
	for {
		page, err := lister.List(ctx, prefix, options)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if q.scanned++; q.scanned > most {
				return problem.New(problem.QueryTooWide, "more than %d values lie under the prefix; name a longer one", most)
			}
			q.consider(item)
		}
		if options.Cursor = page.Cursor; options.Cursor == "" {
			return nil
		}
	}
}

// consider keeps a value if it matches, lies behind the cursor, and is among
// the first.
func (q *query) consider(item backends.ListedItem) {
	document, ok := jsondoc.Read(item.Data)
	if !ok || !q.matches(document) {
		return
	}
	m := match{item: item, place: place{Key: q.trim(item.Key), Shape: q.shape}}
	for _, by := range q.sorts {
		m.Sorted = append(m.Sorted, document.Find(by.path))
	}
	if q.after != nil && q.compare(m.place, *q.after) <= 0 {
		return
	}
	if q.best.holds(item.Key) {
		return // a listing may give a key twice
	}
	heap.Push(&q.best, m)
	if len(q.best.matches) > q.limit+1 {
		heap.Pop(&q.best)
	}
}

func (q *query) compare(a, b place) int {
	for i, by := range q.sorts {
		order := jsondoc.Compare(a.Sorted[i], b.Sorted[i])
		if by.descending {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return strings.Compare(a.Key, b.Key)
}

// page takes the results out in their order; a value more than asked for means
// that there is a next page.
func (q *query) page() stateList {
	matches := make([]match, len(q.best.matches))
	for i := len(matches) - 1; i >= 0; i-- {
		matches[i], _ = heap.Pop(&q.best).(match)
	}
	list := stateList{Items: []stateItem{}}
	if len(matches) > q.limit {
		matches = matches[:q.limit]
		list.Cursor = matches[q.limit-1].cursor()
	}
	for _, m := range matches {
		item := stateItem{Key: m.Key, ETag: m.item.ETag, Value: m.item.Data, ContentType: m.item.ContentType}
		if len(q.selects) > 0 {
			document, _ := jsondoc.Read(m.item.Data)
			item.Value = document.Select(q.selects)
		}
		list.Items = append(list.Items, item)
	}
	return list
}

// found is a heap whose root is the last of the values kept.
type found struct {
	query   *query
	matches []match
}

// Len, Less and Swap, with Push and Pop, are heap.Interface.
func (f *found) Len() int { return len(f.matches) }

func (f *found) Less(i, j int) bool {
	return f.query.compare(f.matches[i].place, f.matches[j].place) > 0
}
func (f *found) Swap(i, j int) { f.matches[i], f.matches[j] = f.matches[j], f.matches[i] }

// Push adds a match.
func (f *found) Push(one any) {
	if m, ok := one.(match); ok {
		f.matches = append(f.matches, m)
	}
}

// Pop takes the last element off.
func (f *found) Pop() any {
	last := f.matches[len(f.matches)-1]
	f.matches = f.matches[:len(f.matches)-1]
	return last
}

// holds says whether a key is kept already.
func (f *found) holds(key string) bool {
	for i := range f.matches {
		if f.matches[i].Key == key {
			return true
		}
	}
	return false
}
