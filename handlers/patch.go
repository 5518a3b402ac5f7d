package handlers

import (
	"bytes"
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/jsondoc"
	"github.com/ottogate/ottogate/problem"
)

// Media types of the two kinds of patches.
const (
	mergePatchType = "application/merge-patch+json"
	jsonPatchType  = "application/json-patch+json"
)

// patchTries is how often a patch is tried anew because another writer came
// in between; each of them made progress.
const patchTries = 32

// patch is a change of a JSON document.
type patch func(document []byte) ([]byte, error)

// Patch changes a value.
//
//	@Summary		Change a JSON value
//	@Description	JSON Merge Patch (RFC 7386) or JSON Patch (RFC 6902), applied atomically; numbers that the patch does not name stay as they are, and the expiry is kept. Without a patch type an object is a merge patch and an array a JSON Patch.
//	@Tags			state
//	@ID				patchState
//	@Param			store			path	string	true	"State component"	example(main)
//	@Param			key				path	string	true	"Key"	example(orders/1)
//	@Param			consistency		query	string	false	"What the write waits for"	Enums(strong, eventual)
//	@Param			If-Match		header	string	false	"Entity tags; 412 unless the current one is among them"
//	@Param			If-None-Match	header	string	false	"Entity tags; 412 when the current one is among them"
//	@Param			Lock-Fence		header	string	false	"{store}/{resource}={fence}: refuse the write when a newer fence of the resource was seen"
//	@Param			patch			body	string	true	"The patch"	example({"total":4})
//	@Accept			json
//	@Success		204	"Changed"
//	@Header			204	{string}	ETag	"The new entity tag"
//	@Failure		404	{object}	problem.Document
//	@Failure		412	{object}	problem.Document
//	@Failure		415	{object}	problem.Document
//	@Failure		422	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Router			/v1/state/{store}/{key} [patch]
func (s *State) Patch(c *gin.Context) error {
	if err := refuseHeaders(c, "Idempotency-Key"); err != nil {
		return err
	}
	component, key, options, err := s.writing(c)
	if err != nil {
		return err
	}
	if c.Query("ttl") != "" {
		return problem.New(problem.InvalidParameter, "a patch keeps the expiry; ttl belongs to PUT")
	}
	body, err := readBody(c.Request)
	if err != nil {
		return err
	}
	change, err := patchOf(c.GetHeader("Content-Type"), body, s.MaxValue)
	if err != nil {
		return err
	}
	etag, err := component.patch(c.Request.Context(), key, change, options)
	if err != nil {
		return err
	}
	c.Writer.Header()["Etag"] = []string{quote(etag)}
	c.Status(http.StatusNoContent)
	return nil
}

// patchOf decides which kind of patch a body is.
func patchOf(contentType string, body []byte, limit int) (patch, error) {
	media := mediaType(contentType)
	isArray := bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("["))
	switch {
	case media == jsonPatchType, isArray && untypedPatch(media):
		return func(document []byte) ([]byte, error) { return jsondoc.Apply(document, body, limit) }, nil
	case media == mergePatchType, untypedPatch(media):
		return func(document []byte) ([]byte, error) { return jsondoc.Merge(document, body) }, nil
	default:
		return nil, problem.New(problem.UnsupportedType, "a patch is %s or %s", mergePatchType, jsonPatchType)
	}
}

func untypedPatch(media string) bool {
	return media == "" || media == formType || media == "application/json"
}

// patch reads, changes and writes back what it read, again while others write
// in between. The expiry stays; the caller's condition is asked of every
// state that is read.
func (s StateComponent) patch(ctx context.Context, key string, change patch, options backends.WriteOptions) (string, error) {
	for range patchTries {
		item, err := s.Store.Get(ctx, key, backends.ReadOptions{})
		if err != nil {
			return "", err
		}
		if !options.Holds(true, item.ETag) {
			return "", problem.New(problem.PreconditionFailed, "the condition does not hold for the current value")
		}
		changed, err := change(item.Data)
		if err != nil {
			return "", err
		}
		guarded := options
		guarded.Condition, guarded.KeepTTL = backends.Condition{IfMatch: []string{item.ETag}}, true
		etag, err := s.Store.Put(ctx, key, backends.Value{Data: changed, ContentType: item.ContentType}, guarded)
		if problem.CodeOf(err) != problem.PreconditionFailed {
			return etag, err
		}
	}
	return "", problem.New(problem.Overloaded, "other writers changed the value each time")
}
