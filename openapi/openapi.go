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

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
)

//go:embed openapi.json
var specJSON []byte

//go:embed openapi.yaml
var specYAML []byte

// JSON is the specification, OpenAPI 3.1, as JSON. Nobody may write to it.
func JSON() []byte { return specJSON }

// YAML is the same as YAML.
func YAML() []byte { return specYAML }

// UI serves Swagger UI below basePath; everything it loads is in the binary.
func UI(basePath, specPath string) http.Handler {
	return v5emb.NewHandlerWithConfig(swgui.Config{
		Title: "Ottogate", SwaggerJSON: specPath, BasePath: basePath, ShowTopBar: false,
		SettingsUI: map[string]string{"tryItOutEnabled": "true", "displayRequestDuration": "true"},
	})
}
