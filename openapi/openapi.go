// Package openapi holds the generated specification, embedded, and Swagger UI
// to read it with. `make openapi` writes both files anew from the handlers'
// comments; a test keeps them true to the router.
//
//	@title			Ottogate
//	@version		1
//	@description	State, publish and subscribe, configuration, locks, sequences and invocation over plain HTTP. Every failure is an RFC 9457 problem document whose type is a page at /problems/{code}.
//	@license.name	Apache-2.0
//	@license.identifier	Apache-2.0
//	@tag.name			state
//	@tag.description	Opaque values under keys
//	@tag.name			pubsub
//	@tag.description	Publish to topics and read them without a group
//	@tag.name			config
//	@tag.description	Configuration groups, read from memory
//	@tag.name			lock
//	@tag.description	Leases with fences
//	@tag.name			sequence
//	@tag.description	Numbers that never repeat
//	@tag.name			invoke
//	@tag.description	Calls to named services
//	@tag.name			gateway
//	@tag.description	About the gateway itself
package openapi

import (
	_ "embed" // the two files below
	"net/http"
	"strings"

	"github.com/swaggest/swgui/v5/static"
	"github.com/vearutop/statigz"
)

//go:embed openapi.json
var specJSON []byte

//go:embed openapi.yaml
var specYAML []byte

// JSON is the specification, OpenAPI 3.1, as JSON. Nobody may write to it.
func JSON() []byte { return specJSON }

// YAML is the same as YAML.
func YAML() []byte { return specYAML }

// UI serves Swagger UI below base, which ends with a slash; everything it
// loads is in the binary. The page around the library's files is our own:
// swgui's handler renders one with html/template, which makes the linker keep
// every exported method of every library.
func UI(base string) http.Handler {
	assets := http.StripPrefix(base, statigz.FileServer(static.FS))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, base) {
		case "", "index.html":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", uiPolicy)
			_, _ = w.Write([]byte(uiPage)) // the browser may be gone
		case "start.js":
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = w.Write([]byte(uiStart))
		default:
			assets.ServeHTTP(w, r)
		}
	})
}

// uiPolicy lets the page load and call nothing but this gateway.
const uiPolicy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"

const uiPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Ottogate API</title>
<link rel="stylesheet" href="swagger-ui.css">
<link rel="icon" type="image/png" href="favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</body>
</html>
`

const uiStart = `SwaggerUIBundle({
  url: "../openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
});
`
