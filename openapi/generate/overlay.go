package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/ottogate/ottogate/problem"
)

const problemType = "application/problem+json"

// overlay adds what swag's annotations cannot say.
func overlay(document *openapi3.T) {
	document.Servers = openapi3.Servers{{URL: "/", Description: "this gateway"}}
	document.Info.License = &openapi3.License{Name: "Apache-2.0", URL: "https://www.apache.org/licenses/LICENSE-2.0"}
	document.Components.SecuritySchemes = openapi3.SecuritySchemes{
		"bearer": {Value: openapi3.NewSecurityScheme().WithType("http").WithScheme("bearer").WithDescription("An API key: Authorization: Bearer <key>")},
		"apiKey": {Value: openapi3.NewSecurityScheme().WithType("apiKey").WithIn("header").WithName("X-Api-Key").WithDescription("The same key in a header of its own")},
	}
	delete(document.Components.Schemas["ProblemCode"].Value.Extensions, "x-enum-varnames")
	document.Components.Responses = problemResponses()
	document.Components.Schemas["StateBatch"].Value.Example = exampleBatch()
	anyValue(document)
	addRoot(document)
	for path, item := range document.Paths.Map() {
		addHead(item)
		for method, operation := range item.Operations() {
			complete(path, method, operation)
		}
	}
}

// exampleKey is the extension under which the examples of parameters survive
// the conversion: Swagger 2.0 has no word for them.
const exampleKey = "x-example"

// keepExamples renames the examples of parameters in swag's document.
func keepExamples(text []byte) ([]byte, error) {
	var tree struct {
		Paths map[string]map[string]map[string]json.RawMessage `json:"paths"`
	}
	var whole map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(text, &tree), json.Unmarshal(text, &whole)); err != nil {
		return nil, err
	}
	for _, methods := range tree.Paths {
		for _, operation := range methods {
			var parameters []map[string]json.RawMessage
			if operation["parameters"] == nil {
				continue
			}
			if err := json.Unmarshal(operation["parameters"], &parameters); err != nil {
				return nil, err
			}
			for _, parameter := range parameters {
				if example, given := parameter["example"]; given {
					parameter[exampleKey] = example
					delete(parameter, "example")
				}
			}
			operation["parameters"], _ = json.Marshal(parameters) // what was decoded encodes
		}
	}
	whole["paths"], _ = json.Marshal(tree.Paths) // what was decoded encodes
	return json.Marshal(whole)
}

// moveExamples puts the examples where OpenAPI 3 has them.
func moveExamples(document *openapi3.T) {
	for _, item := range document.Paths.Map() {
		for _, operation := range item.Operations() {
			for _, parameter := range operation.Parameters {
				if example, given := parameter.Value.Extensions[exampleKey]; given {
					parameter.Value.Example = example
					delete(parameter.Value.Extensions, exampleKey)
				}
			}
			if body := operation.RequestBody; body != nil && body.Value.Extensions[exampleKey] != nil {
				body.Value.Content = openapi3.Content{"*/*": binary().WithExample("example", body.Value.Extensions[exampleKey])}
			}
			if body := operation.RequestBody; body != nil {
				body.Value.Extensions = nil // the converter's own notes
			}
		}
	}
}

// anyValue says of the members that hold a caller's JSON that they may hold
// any, for which Swagger 2.0 has no word.
func anyValue(document *openapi3.T) {
	for _, name := range []string{"StateItem", "StateResult", "StateOperation", "QueryFilter"} {
		document.Components.Schemas[name].Value.Properties["value"].Value.Type = nil
	}
}

// rename gives the shapes of other packages names without a dot.
func rename(text []byte) []byte {
	return []byte(strings.NewReplacer("problem.Document", "Problem", "problem.Field", "ProblemField", "problem.Code", "ProblemCode").Replace(string(text)))
}

// addRoot adds /v1/invoke/{service}, which is the path / of the service.
func addRoot(document *openapi3.T) {
	whole := document.Paths.Value("/v1/invoke/{service}/{path}")
	root := &openapi3.PathItem{}
	for method, operation := range whole.Operations() {
		operation.OperationID = "invoke" + strings.ToUpper(method[:1]) + strings.ToLower(method[1:])
		at := *operation
		at.OperationID += "Root"
		at.Parameters = nil
		for _, parameter := range operation.Parameters {
			if parameter.Value.Name != "path" {
				at.Parameters = append(at.Parameters, parameter)
			}
		}
		at.Responses = openapi3.NewResponses()
		for status, response := range operation.Responses.Map() {
			at.Responses.Set(status, response)
		}
		root.SetOperation(method, &at)
	}
	document.Paths.Set("/v1/invoke/{service}", root)
}

// addHead adds HEAD wherever GET is and has no HEAD of its own.
func addHead(item *openapi3.PathItem) {
	if item.Get == nil || item.Head != nil {
		return
	}
	head := *item.Get
	head.OperationID += "Head"
	head.Summary += " (headers only)"
	head.Parameters = append(openapi3.Parameters(nil), item.Get.Parameters...)
	head.Responses = openapi3.NewResponses()
	for status, response := range item.Get.Responses.Map() {
		head.Responses.Set(status, response)
	}
	if found := head.Responses.Status(http.StatusOK); found != nil {
		success := *found.Value
		head.Responses.Set("200", &openapi3.ResponseRef{Value: &success})
	}
	item.Head = &head
}

// complete finishes one operation.
func complete(path, method string, operation *openapi3.Operation) {
	private := strings.HasPrefix(path, "/v1/")
	none := openapi3.NewSecurityRequirements()
	operation.Security = none
	if private {
		operation.Security = none.With(openapi3.NewSecurityRequirement().Authenticate("bearer")).
			With(openapi3.NewSecurityRequirement().Authenticate("apiKey")).
			With(openapi3.NewSecurityRequirement()) // where the configuration names an anonymous app
	}
	addParameters(path, operation)
	addProblems(method, operation, private)
	fixContent(path, method, operation)
}

// addParameters adds the headers that every route under /v1 understands.
func addParameters(path string, operation *openapi3.Operation) {
	if !strings.HasPrefix(path, "/v1/") {
		return
	}
	add := func(name, description, example string) {
		if operation.Parameters.GetByInAndName("header", name) == nil {
			parameter := openapi3.NewHeaderParameter(name).WithDescription(description).WithSchema(openapi3.NewStringSchema())
			parameter.Example = example
			operation.AddParameter(parameter)
		}
	}
	add("X-Request-Timeout", "Deadline of the answer, at most the configured maximum", "300ms")
	add("X-Request-Id", "Name of this request in logs and problems; made when absent", "8f14e45f")
}

// alwaysPossible are the problems that the chain in front of every handler
// may answer.
var alwaysPossible = [...]int{400, 403, 414, 429, 431, 500, 503, 504}

func addProblems(method string, operation *openapi3.Operation, private bool) {
	add := func(status int) {
		operation.Responses.Set(strconv.Itoa(status), &openapi3.ResponseRef{Ref: "#/components/responses/" + problemName(status)})
	}
	for status := range operation.Responses.Map() {
		if code, err := strconv.Atoi(status); err == nil && code >= 400 {
			add(code)
		}
	}
	for _, status := range alwaysPossible {
		add(status)
	}
	if private {
		add(http.StatusUnauthorized)
		add(http.StatusNotFound) // no such component
	}
	if method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		add(http.StatusRequestTimeout)
		add(http.StatusRequestEntityTooLarge)
		add(http.StatusUnsupportedMediaType)
	}
	operation.Responses.Delete("default")
}

func problemName(status int) string {
	return "Problem" + strconv.Itoa(status)
}

// problemResponses makes one named response for each status of the closed set
// of codes, which says what the codes of that status are.
func problemResponses() openapi3.ResponseBodies {
	codes := map[int][]string{}
	for _, kind := range problem.Kinds() {
		codes[kind.Status] = append(codes[kind.Status], string(kind.Code)+": "+kind.Meaning)
	}
	responses := openapi3.ResponseBodies{}
	for status, meanings := range codes {
		responses[problemName(status)] = &openapi3.ResponseRef{Value: problemResponse(strings.Join(meanings, "\n\n"))}
	}
	return responses
}

func problemResponse(description string) *openapi3.Response {
	header := func(text string) *openapi3.HeaderRef {
		return &openapi3.HeaderRef{Value: &openapi3.Header{Parameter: openapi3.Parameter{Description: text, Schema: openapi3.NewStringSchema().NewRef()}}}
	}
	return &openapi3.Response{
		Description: &description,
		Content:     openapi3.NewContentWithSchemaRef(openapi3.NewSchemaRef("#/components/schemas/Problem", nil), []string{problemType}),
		Headers: openapi3.Headers{
			"Ottogate-Error": header("The problem's code"),
			"Retry-After":    header("Seconds until a retry makes sense; where it is known"),
		},
	}
}

// fixContent says what Swagger 2.0 has no words for: opaque bytes, event
// streams, and answers without a body.
func fixContent(path, method string, operation *openapi3.Operation) {
	opaque := strings.HasPrefix(path, "/v1/invoke/") || strings.HasPrefix(path, "/v1/publish/") || path == "/v1/state/{store}/{key}"
	if opaque && operation.RequestBody != nil {
		if operation.RequestBody.Value.Content["*/*"] == nil {
			operation.RequestBody.Value.Content = openapi3.Content{"*/*": binary()}
		}
		operation.RequestBody.Value.Required = false
	}
	if method == http.MethodPatch && path == "/v1/state/{store}/{key}" {
		setPatchTypes(operation)
	}
	success := operation.Responses.Status(200)
	switch {
	case method == "HEAD" && success != nil:
		success.Value.Content = nil
	case path == "/v1/state/{store}/{key}" && method == "GET", strings.HasPrefix(path, "/v1/invoke/"):
		success.Value.Content = openapi3.Content{"*/*": binary()}
	case path == "/openapi.yaml":
		success.Value.Content = openapi3.Content{"application/yaml": openapi3.NewMediaType().WithSchema(openapi3.NewStringSchema())}
	case path == "/v1/config/{store}/{group}/{key}":
		success.Value.Content["text/plain"] = openapi3.NewMediaType().WithSchema(openapi3.NewStringSchema())
	case path == "/problems/{code}":
		success.Value.Content["text/html"] = openapi3.NewMediaType().WithSchema(openapi3.NewStringSchema())
	}
	if strings.HasPrefix(path, "/v1/invoke/") {
		whatever := "Whatever the upstream answers, with its own status"
		operation.AddResponse(0, &openapi3.Response{Description: &whatever, Content: openapi3.Content{"*/*": binary()}})
	}
	if method == http.MethodGet && (strings.HasPrefix(path, "/v1/subscribe/") || strings.HasPrefix(path, "/v1/config/")) {
		stream := openapi3.NewStringSchema()
		stream.Description = "Server-sent events (WHATWG HTML section 9.2); each data line is one JSON document"
		success.Value.Content["text/event-stream"] = openapi3.NewMediaType().WithSchema(stream)
	}
}

// setPatchTypes names the two kinds of patches; without a type an object is the
// first and an array the second.
func setPatchTypes(operation *openapi3.Operation) {
	merge := openapi3.NewMediaType().WithSchema(openapi3.NewObjectSchema().WithAnyAdditionalProperties())
	merge.Example = map[string]string{"status": "paid"}
	steps := openapi3.NewMediaType().WithSchema(openapi3.NewArraySchema().WithItems(openapi3.NewObjectSchema().WithAnyAdditionalProperties()))
	steps.Example = []map[string]string{{"op": "add", "path": "/status", "value": "paid"}}
	operation.RequestBody.Value.Content = openapi3.Content{"application/merge-patch+json": merge, "application/json-patch+json": steps}
}

// exampleBatch stands for an object whose members do not make sense together.
func exampleBatch() map[string][]map[string]string {
	return map[string][]map[string]string{"operations": {
		{"op": "put", "key": "orders/1", "data": "eyJ0b3RhbCI6M30="},
		{"op": "increment", "key": "orders/count", "by": "1"},
		{"op": "get", "key": "orders/1"},
	}}
}

func binary() *openapi3.MediaType {
	return openapi3.NewMediaType().WithSchema(openapi3.NewStringSchema().WithFormat("binary"))
}
