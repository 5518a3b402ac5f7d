package handlers

import (
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// Invoke answers /v1/invoke: any HTTP request to a named service.
type Invoke struct {
	Invoker backends.Invoker
	Methods []string // further methods that may pass
}

// Routes lists the block's lines of the contract.
func (h *Invoke) Routes() []Route {
	const root, path = "/v1/invoke/:service", "/v1/invoke/:service/*path"
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	for _, method := range h.Methods {
		if !slices.Contains(methods, method) {
			methods = append(methods, method)
		}
	}
	routes := make([]Route, 0, 2*len(methods)+5)
	for _, method := range methods {
		routes = append(routes,
			Route{Method: method, Path: root, Access: invokeRight, Bound: HeadersOnly, Handle: h.Invoke},
			Route{Method: method, Path: path, Access: invokeRight, Bound: HeadersOnly, Handle: h.Invoke})
	}
	return append(routes,
		planned("GET", "/v1/services/:service"),
		planned("PUT", "/v1/services/:service/instances/:id"),
		planned("DELETE", "/v1/services/:service/instances/:id"))
}

// invokeRight is the right on <service>[/path], decoded.
func invokeRight(c *gin.Context) (access.Request, error) {
	path, err := url.PathUnescape(c.Param("path"))
	if err != nil {
		return access.Request{}, problem.Wrap(problem.InvalidRequest, err, "the path is not percent-encoded correctly")
	}
	if climbs(path) {
		return access.Request{}, problem.New(problem.InvalidRequest, "the path holds a dot segment, which the upstream could read as another path than the one that the rules allow")
	}
	resource := nameParam(c, "service")
	if path != "/" {
		resource += path
	}
	return access.Request{Action: access.Invoke, Resource: resource, Method: c.Request.Method}, nil
}

// climbs says whether a server that normalises paths would read this one as
// another. Some take a backslash for a slash, and cut a segment at a semicolon
// before they look at it.
func climbs(path string) bool {
	if !strings.Contains(path, "/.") && !strings.Contains(path, `\.`) {
		return false
	}
	for _, segment := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment, _, _ = strings.Cut(segment, ";"); segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// Invoke passes a request to a service.
//
//	@Summary		Call a service
//	@Description	Passes method, path, query, headers and body to an endpoint of the service and its answer back, both streamed. The upstream's answer is untouched; failures of the gateway itself are problem documents marked with Ottogate-Error. WebSocket upgrades pass. Ottogate-Attempts and Ottogate-Upstream tell who answered. Methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS and those configured; /v1/invoke/{service} is the path /.
//	@Tags			invoke
//	@ID				invoke
//	@Accept			octet-stream
//	@Produce		octet-stream
//	@Param			service				path	string	true	"Service"	example(echo)
//	@Param			path				path	string	true	"Path at the upstream"	example(status/418)
//	@Param			X-Request-Timeout	header	string	false	"Time to the answer's headers"	example(300ms)
//	@Param			body				body	string	false	"Any bytes"
//	@Success		200	{string}	binary	"Whatever the upstream answers, with its own status"
//	@Header			200	{integer}	Ottogate-Attempts	"How often the request was sent"
//	@Header			200	{string}	Ottogate-Upstream	"Service and instance that answered"
//	@Failure		404	{object}	problem.Document
//	@Failure		502	{object}	problem.Document
//	@Failure		508	{object}	problem.Document
//	@Router			/v1/invoke/{service}/{path} [get]
//	@Router			/v1/invoke/{service}/{path} [post]
//	@Router			/v1/invoke/{service}/{path} [put]
//	@Router			/v1/invoke/{service}/{path} [patch]
//	@Router			/v1/invoke/{service}/{path} [delete]
//	@Router			/v1/invoke/{service}/{path} [head]
//	@Router			/v1/invoke/{service}/{path} [options]
func (h *Invoke) Invoke(c *gin.Context) error {
	if err := refuseHeaders(c, "Ottogate-Route", "Ottogate-Fanout", "Ottogate-Hash"); err != nil {
		return err
	}
	return h.Invoker.Invoke(c.Writer, c.Request, backends.Call{
		Service:  nameParam(c, "service"),
		Path:     upstreamPath(c.Request.URL),
		Deadline: request.From(c.Request.Context()).Deadline,
	})
}

// upstreamPath is what stands behind /v1/invoke/{service}, as it was sent.
func upstreamPath(u *url.URL) string {
	rest := strings.TrimPrefix(u.EscapedPath(), "/v1/invoke/")
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		return rest[slash:]
	}
	return "/"
}
