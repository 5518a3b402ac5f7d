package handlers

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/request"
)

// Meta answers what is about the gateway itself: who the caller is, the
// specification, the problem pages, and the way in.
type Meta struct {
	Namespace string
	Allow     func(app string) []string // the app's rules, as configured
	Ready     func(context.Context) (word string, ready bool)
	SpecJSON  []byte
	SpecYAML  []byte
}

// Routes lists what needs a proved app.
func (m *Meta) Routes() []Route {
	return []Route{{Method: "GET", Path: "/v1/whoami", Handle: m.Whoami}}
}

// PublicRoutes lists what anybody may read.
func (m *Meta) PublicRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/", Handle: m.Home},
		{Method: "GET", Path: "/healthz", Handle: m.Healthz},
		{Method: "GET", Path: "/readyz", Handle: m.Readyz},
		{Method: "GET", Path: "/openapi.json", Handle: m.JSON},
		{Method: "GET", Path: "/openapi.yaml", Handle: m.YAML},
		{Method: "GET", Path: "/problems/:code", Handle: m.Problem},
	}
}

// whoami tells a caller about itself.
type whoami struct {
	App       string   `json:"app" example:"demo"`
	Via       string   `json:"via" enums:"apiKey,jwt,certificate,anonymous"`
	Namespace string   `json:"namespace" example:"dev"`
	Allow     []string `json:"allow" example:"state.* main/**"`
} //	@name	Whoami

// Whoami tells who the caller is.
//
//	@Summary		Who am I
//	@Description	The app that the credential proves, how it was proved, and the app's allow rules.
//	@Tags			gateway
//	@ID				whoami
//	@Produce		json
//	@Success		200	{object}	whoami
//	@Router			/v1/whoami [get]
func (m *Meta) Whoami(c *gin.Context) error {
	info := request.From(c.Request.Context())
	return writeJSON(c, http.StatusOK, whoami{App: info.App, Via: info.Via, Namespace: m.Namespace, Allow: m.Allow(info.App)})
}

// JSON gives the specification.
//
//	@Summary	This specification as JSON
//	@Tags		gateway
//	@ID			openapiJSON
//	@Produce	json
//	@Success	200	{object}	object	"OpenAPI 3.1"
//	@Router		/openapi.json [get]
func (m *Meta) JSON(c *gin.Context) error {
	c.Data(http.StatusOK, "application/json", m.SpecJSON)
	return nil
}

// YAML gives the specification.
//
//	@Summary	This specification as YAML
//	@Tags		gateway
//	@ID			openapiYAML
//	@Produce	plain
//	@Success	200	{string}	string	"OpenAPI 3.1"
//	@Router		/openapi.yaml [get]
func (m *Meta) YAML(c *gin.Context) error {
	c.Data(http.StatusOK, "application/yaml", m.SpecYAML)
	return nil
}

// Healthz says that the process lives.
//
//	@Summary	Is the process alive
//	@Tags		gateway
//	@ID			healthz
//	@Produce	plain
//	@Success	200	{string}	string	"UP"
//	@Router		/healthz [get]
func (m *Meta) Healthz(c *gin.Context) error {
	c.String(http.StatusOK, "UP\n")
	return nil
}

// Readyz says whether this replica should get traffic.
//
//	@Summary	Is this replica ready for traffic
//	@Tags		gateway
//	@ID			readyz
//	@Produce	plain
//	@Success	200	{string}	string	"UP"
//	@Failure	503	{string}	string	"INIT or DOWN"
//	@Router		/readyz [get]
func (m *Meta) Readyz(c *gin.Context) error {
	word, ready := m.Ready(c.Request.Context())
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	c.String(status, word+"\n")
	return nil
}

// problemPage explains one code.
type problemPage struct {
	Type      string       `json:"type" example:"/problems/lock-held"`
	Code      problem.Code `json:"code" example:"lock-held"`
	Status    int          `json:"status" example:"409"`
	Title     string       `json:"title" example:"Lock held"`
	Retriable bool         `json:"retriable"`
	Meaning   string       `json:"meaning"`
	Advice    string       `json:"advice"`
} //	@name	ProblemKind

// Problem explains a problem's code.
//
//	@Summary		What a problem means
//	@Description	The page that a problem's type points at: as HTML for browsers, as JSON for all others.
//	@Tags			gateway
//	@ID				problemPage
//	@Produce		json,html
//	@Param			code	path	string	true	"Problem code"	example(lock-held)
//	@Success		200	{object}	problemPage
//	@Failure		404	{object}	problem.Document
//	@Router			/problems/{code} [get]
func (m *Meta) Problem(c *gin.Context) error {
	kind, ok := problem.Lookup(nameParam(c, "code"))
	if !ok {
		return problem.New(problem.NoSuchRoute, "there is no problem of this code")
	}
	page := problemPage{
		Type: "/problems/" + string(kind.Code), Code: kind.Code, Status: kind.Status, Title: kind.Title,
		Retriable: kind.Retriable, Meaning: kind.Meaning, Advice: kind.Advice,
	}
	c.Header("Vary", "Accept")
	if strings.Contains(c.GetHeader("Accept"), "text/html") {
		c.Data(http.StatusOK, htmlType, []byte(page.html()))
		return nil
	}
	return writeJSON(c, http.StatusOK, page)
}

// Home is the short page at the root.
//
//	@Summary	The way in
//	@Tags		gateway
//	@ID			home
//	@Produce	html
//	@Success	200	{string}	string	"A page with links"
//	@Router		/ [get]
func (m *Meta) Home(c *gin.Context) error {
	c.Data(http.StatusOK, htmlType, []byte(pageHead+homePage))
	return nil
}

const (
	htmlType = "text/html; charset=utf-8"
	pageHead = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:42em;margin:3em auto;padding:0 1em;color-scheme:light dark}</style>
`
	homePage = `<title>Ottogate</title><h1>Ottogate</h1>
<p>State, publish and subscribe, configuration, locks, sequences and invocation over plain HTTP.</p>
<ul><li><a href="/docs/">Swagger UI</a></li><li><a href="/openapi.json">openapi.json</a>, <a href="/openapi.yaml">openapi.yaml</a></li>
<li><a href="/v1/whoami">Who am I</a></li><li><a href="/healthz">healthz</a>, <a href="/readyz">readyz</a></li></ul>
`
)

// html is the page for browsers. All its texts are our own, from the table of
// codes. It is put together by hand because html/template makes the linker
// keep every exported method of every library, a third of the binary.
func (p problemPage) html() string {
	retry := ""
	if p.Retriable {
		retry = ", worth a retry"
	}
	return pageHead + fmt.Sprintf(`<title>%[1]s</title><h1>%[2]d %[1]s</h1>
<p><code>%[3]s</code>%[4]s</p><p>%[5]s</p><p>%[6]s</p><p><a href="/docs/">All routes</a></p>
`, html.EscapeString(p.Title), p.Status, p.Code, retry, html.EscapeString(p.Meaning), html.EscapeString(p.Advice))
}
