package handlers

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Lock answers /v1/lock: leases with fences.
type Lock struct{ Stores map[string]LockComponent }

// LockComponent is one configured lock store.
type LockComponent struct {
	Locker backends.Locker
	Keys   Keyspace
}

// Bounds of what a caller may ask of a lease.
const (
	defaultLease = 30 * time.Second
	maxLease     = 24 * time.Hour // the last holder is remembered this long
	maxOwner     = 256            // bytes
)

// Routes lists the block's lines of the contract.
func (l *Lock) Routes() []Route {
	const one = "/v1/lock/:store/*key"
	right := keyed(access.Lock)
	return []Route{
		{Method: "POST", Path: one, Access: right, Handle: l.Acquire},
		{Method: "PUT", Path: one, Access: right, Handle: l.Renew},
		{Method: "DELETE", Path: one, Access: right, Handle: l.Release},
		{Method: "GET", Path: one, Access: right, Handle: l.Read},
		planned("GET", "/v1/lock/:store"),
		planned("POST", "/v1/election/:store/*key"),
		planned("PUT", "/v1/election/:store/*key"),
		planned("GET", "/v1/election/:store/*key"),
		planned("DELETE", "/v1/election/:store/*key"),
	}
}

// lockRequest is the body of an acquisition or renewal.
type lockRequest struct {
	Owner string `json:"owner" example:"worker-1" maxLength:"256"` // generated when an acquisition has none
	TTL   string `json:"ttl" example:"10s"`                        // 30s when absent, at most 24h
	Wait  string `json:"wait" swaggerignore:"true"`
} //	@name	LockRequest

// lockAnswer tells about a lease.
type lockAnswer struct {
	Resource string `json:"resource" example:"jobs/nightly"`
	Owner    string `json:"owner,omitempty" example:"worker-1"` // told to the holder's app only
	Fence    string `json:"fence" example:"1790000000000001"`   // grows with every grant of the resource
	TTLMs    int64  `json:"ttlMs" example:"9998"`               // time left
	Queue    int    `json:"queue" example:"0"`                  // callers that wait for it
} //	@name	Lock

// Acquire takes a lock.
//
//	@Summary		Acquire a lock
//	@Description	Grants a lease at once or answers 409 lock-held with retryAfterMs. The same owner again gets the same fence and a renewed ttl, so that a lost reply can be retried. On Redis this is mutual exclusion while Redis and its clock behave; what guards data beyond that is the fence.
//	@Tags			lock
//	@ID				acquireLock
//	@Accept			json
//	@Produce		json
//	@Param			store	path	string		true	"Lock component"	example(main)
//	@Param			key		path	string		true	"Resource"			example(jobs/nightly)
//	@Param			lease	body	lockRequest	false	"Owner and time to live"
//	@Success		200	{object}	lockAnswer
//	@Header			200	{string}	ETag	"Weak entity tag: the fence"
//	@Failure		409	{object}	problem.Document
//	@Failure		415	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Router			/v1/lock/{store}/{key} [post]
func (l *Lock) Acquire(c *gin.Context) error {
	if err := refuseHeaders(c, "Idempotency-Key"); err != nil {
		return err
	}
	if err := refuseParameters(c, "stream"); err != nil {
		return err
	}
	component, resource, err := l.at(c)
	if err != nil {
		return err
	}
	owner, ttl, err := leaseOf(c)
	if err != nil {
		return err
	}
	if owner == "" {
		owner = rand.Text()
	}
	app := appOf(c)
	lease, err := component.Locker.Acquire(c.Request.Context(), component.Keys.Of(app, resource), backends.Holder{App: app, Owner: owner}, ttl)
	if err != nil {
		return err
	}
	return answerLease(c, resource, lease)
}

// Renew extends a lease.
//
//	@Summary		Renew a lock
//	@Description	Sets the time left of the owner's own lease. 409 when another owner holds the lock, 410 when the lease has expired (for 24 h after it), 404 when it was never held.
//	@Tags			lock
//	@ID				renewLock
//	@Accept			json
//	@Produce		json
//	@Param			store	path	string		true	"Lock component"	example(main)
//	@Param			key		path	string		true	"Resource"			example(jobs/nightly)
//	@Param			lease	body	lockRequest	true	"Owner and time to live"
//	@Success		200	{object}	lockAnswer
//	@Header			200	{string}	ETag	"Weak entity tag: the fence"
//	@Failure		404	{object}	problem.Document
//	@Failure		409	{object}	problem.Document
//	@Failure		410	{object}	problem.Document
//	@Failure		415	{object}	problem.Document
//	@Router			/v1/lock/{store}/{key} [put]
func (l *Lock) Renew(c *gin.Context) error {
	component, resource, err := l.at(c)
	if err != nil {
		return err
	}
	owner, ttl, err := leaseOf(c)
	if err != nil {
		return err
	}
	if owner == "" {
		return problem.AtPointer("/owner", "a renewal names the owner that the acquisition answered")
	}
	app := appOf(c)
	lease, err := component.Locker.Renew(c.Request.Context(), component.Keys.Of(app, resource), backends.Holder{App: app, Owner: owner}, ttl)
	if err != nil {
		return err
	}
	return answerLease(c, resource, lease)
}

// Release gives a lock up.
//
//	@Summary		Release a lock
//	@Description	Frees the owner's own lease. 409 when another owner holds the lock, 404 when nobody does.
//	@Tags			lock
//	@ID				releaseLock
//	@Param			store	path	string	true	"Lock component"	example(main)
//	@Param			key		path	string	true	"Resource"			example(jobs/nightly)
//	@Param			owner	query	string	true	"Owner that the acquisition answered"	example(worker-1)
//	@Success		204	"Released"
//	@Failure		404	{object}	problem.Document
//	@Failure		409	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Router			/v1/lock/{store}/{key} [delete]
func (l *Lock) Release(c *gin.Context) error {
	if err := refuseParameters(c, "force"); err != nil {
		return err
	}
	component, resource, err := l.at(c)
	if err != nil {
		return err
	}
	owner := c.Query("owner")
	if owner == "" {
		return problem.New(problem.InvalidParameter, "owner must be the owner that the acquisition answered")
	}
	app := appOf(c)
	err = component.Locker.Release(c.Request.Context(), component.Keys.Of(app, resource), backends.Holder{App: app, Owner: owner})
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// Read tells who holds a lock.
//
//	@Summary		Look at a lock
//	@Description	Holder (its owner text only to the same app), fence, and time left; 404 when the lock is free.
//	@Tags			lock
//	@ID				getLock
//	@Produce		json
//	@Param			store			path	string	true	"Lock component"	example(main)
//	@Param			key				path	string	true	"Resource"			example(jobs/nightly)
//	@Param			If-None-Match	header	string	false	"Entity tags; 304 when the current one is among them"
//	@Success		200	{object}	lockAnswer
//	@Header			200	{string}	ETag	"Weak entity tag: the fence"
//	@Success		304	"The same grant as before"
//	@Failure		404	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Router			/v1/lock/{store}/{key} [get]
func (l *Lock) Read(c *gin.Context) error {
	if err := refuseWatch(c); err != nil {
		return err
	}
	component, resource, err := l.at(c)
	if err != nil {
		return err
	}
	app := appOf(c)
	lease, err := component.Locker.Inspect(c.Request.Context(), component.Keys.Of(app, resource))
	if err != nil {
		return err
	}
	if lease.Holder.App != app {
		lease.Holder.Owner = ""
	}
	if tagsHeader(c.Request.Header, "If-None-Match").has(strconv.FormatUint(lease.Fence, 10)) {
		c.Header("ETag", weakTag(lease))
		c.Status(http.StatusNotModified)
		return nil
	}
	return answerLease(c, resource, lease)
}

// refuseWatch keeps a caller who asked for changes from taking one answer for
// a stream.
func refuseWatch(c *gin.Context) error {
	stream, err := wantsStream(c)
	if err != nil {
		return err
	}
	if stream {
		return problem.New(problem.NotImplemented, "this version cannot stream changes of this yet")
	}
	return refuseParameters(c, "wait")
}

func (l *Lock) at(c *gin.Context) (LockComponent, string, error) {
	component, err := find(l.Stores, nameParam(c, "store"), "lock")
	if err != nil {
		return component, "", err
	}
	resource, err := keyParam(c)
	return component, resource, err
}

// leaseOf reads and checks the control body of an acquisition or renewal.
func leaseOf(c *gin.Context) (owner string, ttl time.Duration, err error) {
	body, err := control[lockRequest](c)
	if err != nil {
		return "", 0, err
	}
	if body.Wait != "" {
		return "", 0, problem.New(problem.NotImplemented, "this version cannot wait for a lock yet")
	}
	if err := validOwner(body.Owner); err != nil {
		return "", 0, err
	}
	ttl = defaultLease
	if body.TTL != "" {
		if ttl, err = time.ParseDuration(body.TTL); err != nil || ttl < time.Millisecond || ttl > maxLease {
			return "", 0, problem.AtPointer("/ttl", "ttl must be a duration from 1ms to %s such as 10s", "24h")
		}
	}
	return body.Owner, ttl, nil
}

func validOwner(owner string) error {
	if len(owner) > maxOwner {
		return problem.AtPointer("/owner", "the owner is longer than %d bytes", maxOwner)
	}
	if validKey(owner) != nil {
		return problem.AtPointer("/owner", "the owner holds a control character")
	}
	return nil
}

func weakTag(lease backends.Lease) string {
	return `W/"` + strconv.FormatUint(lease.Fence, 10) + `"`
}

func answerLease(c *gin.Context, resource string, lease backends.Lease) error {
	c.Header("ETag", weakTag(lease))
	return writeJSON(c, http.StatusOK, lockAnswer{
		Resource: resource, Owner: lease.Holder.Owner,
		Fence: strconv.FormatUint(lease.Fence, 10), TTLMs: millis(lease.TTL),
	})
}
