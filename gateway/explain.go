package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/configfile"
	"github.com/ottogate/ottogate/handlers"
	"github.com/ottogate/ottogate/request"
)

// Explanation is the answer to whether an app may do something.
type Explanation struct {
	access.Decision
	Request access.Request // the action and resource that the request needs
}

// Explain says whether app may send what, such as "PUT /v1/state/main/x", and
// which rule decides. It asks the same routes and the same policy that serve
// requests, and calls no backend.
func Explain(file *configfile.File, app, what string) (Explanation, error) {
	if _, known := file.Apps[app]; !known {
		return Explanation{}, fmt.Errorf("the file has no app %q", app)
	}
	method, target, found := strings.Cut(what, " ")
	parsed, err := url.ParseRequestURI(strings.TrimSpace(target))
	if !found || err != nil {
		return Explanation{}, fmt.Errorf("%q is not a method and a path such as PUT /v1/state/main/x", what)
	}
	wanted, err := wantedBy(file, app, strings.ToUpper(method), parsed)
	if err != nil {
		return Explanation{}, err
	}
	if wanted == nil { // no right is needed
		return Explanation{Decision: access.Decision{Allowed: true}}, nil
	}
	return Explanation{Decision: access.NewPolicy(appsOf(file)).Decide(app, *wanted), Request: *wanted}, nil
}

// wantedBy routes the request and asks its route which right it needs; nil is
// none.
func wantedBy(file *configfile.File, app, method string, target *url.URL) (wanted *access.Request, err error) {
	err = fmt.Errorf("there is no route %s %s", method, target.Path)
	engine := newEngine()
	blocks := components{invoke: handlers.Invoke{Methods: file.Invoke.Methods}}
	meta := handlers.Meta{}
	for _, route := range slices.Concat(blocks.routes(&meta), handlers.WithHead(meta.PublicRoutes())) {
		engine.Handle(route.Method, route.Path, func(c *gin.Context) {
			wanted, err = rightOf(route, c)
		})
	}
	r := &http.Request{Method: method, URL: target, Header: http.Header{}, Host: "localhost"}
	engine.ServeHTTP(discard{http.Header{}}, r.WithContext(request.With(r.Context(), &request.Info{App: app})))
	return wanted, err
}

func rightOf(route handlers.Route, c *gin.Context) (*access.Request, error) {
	switch {
	case route.Planned:
		return nil, fmt.Errorf("this version does not implement %s %s", route.Method, route.Path)
	case route.Access == nil:
		return nil, nil
	}
	wanted, err := route.Access(c)
	return &wanted, err
}

// discard is the answer that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header            { return d.header }
func (d discard) Write(body []byte) (int, error) { return len(body), nil }
func (d discard) WriteHeader(int)                {}

// Routes lists method and path of every served route in the form of the
// specification, so that a test can hold both together.
func Routes(methods []string) []string {
	blocks := components{invoke: handlers.Invoke{Methods: methods}}
	meta := handlers.Meta{}
	var all []string
	for _, route := range slices.Concat(blocks.routes(&meta), handlers.WithHead(meta.PublicRoutes())) {
		if !route.Planned {
			all = append(all, route.Method+" "+specPath(route.Path))
		}
	}
	slices.Sort(all)
	return all
}

// specPath turns gin's :name and *name into {name}.
func specPath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if strings.HasPrefix(segment, ":") || strings.HasPrefix(segment, "*") {
			segments[i] = "{" + segment[1:] + "}"
		}
	}
	return strings.Join(segments, "/")
}
