package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Every operation of the specification, called with the specification's own
// examples, answers as the specification says: status, type and shape.
func TestContract(t *testing.T) {
	r := start(t, settings{})
	createTopic(t, "orders.created")
	document, err := openapi3.NewLoader().LoadFromData([]byte(r.do("GET", "/openapi.json", "").want(t, 200).body))
	if err != nil {
		t.Fatal(err)
	}
	// Writers come first, so that readers find what they ask for.
	order := []string{"PUT", "POST", "PATCH", "GET", "HEAD", "OPTIONS", "DELETE"}
	called, succeeded := 0, 0
	for _, method := range order {
		for path, item := range document.Paths.Map() {
			operation := item.GetOperation(method)
			if operation == nil {
				continue
			}
			t.Run(method+path, func(t *testing.T) {
				if method == "PUT" && strings.HasPrefix(path, "/v1/lock/") {
					r.do("POST", "/v1/lock/main/jobs/nightly", `{"owner":"worker-1","ttl":"10s"}`).want(t, 200)
				}
				target, body, contentType := example(operation, path)
				called++
				got := r.do(method, target, body, "Content-Type", contentType)
				checkAgainst(t, operation, method, got)
				if got.status < 300 {
					succeeded++
				} else if !strings.HasPrefix(path, "/v1/invoke/") {
					t.Errorf("the examples lead to %d: %s", got.status, got.body)
				}
			})
		}
	}
	if called < 30 || succeeded < 25 {
		t.Errorf("%d operations called, %d succeeded", called, succeeded)
	}
}

// example builds a request from the examples of an operation: its path, and of
// the query what the operation requires.
func example(operation *openapi3.Operation, path string) (target, body, contentType string) {
	query := url.Values{}
	for _, parameter := range operation.Parameters {
		switch p := parameter.Value; {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", fmt.Sprint(p.Example))
		case p.In == "query" && p.Required:
			query.Set(p.Name, fmt.Sprint(p.Example))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	if operation.RequestBody == nil {
		return path, "", ""
	}
	for media, content := range operation.RequestBody.Value.Content {
		if media == "application/json" {
			return path, exampleJSON(content.Schema.Value), media
		}
		if text, err := json.Marshal(content.Example); err == nil && content.Example != nil {
			return path, string(text), media
		}
		for _, one := range content.Examples {
			return path, fmt.Sprint(one.Value.Value), "application/json"
		}
	}
	return path, "x", "application/octet-stream"
}

// exampleJSON is an object of a schema's examples.
func exampleJSON(schema *openapi3.Schema) string {
	if text, err := json.Marshal(schema.Example); err == nil && schema.Example != nil {
		return string(text)
	}
	object := map[string]any{}
	for name, property := range schema.Properties {
		if property.Value.Example != nil {
			object[name] = property.Value.Example
		}
	}
	text, _ := json.Marshal(object) // examples came from JSON
	return string(text)
}

func checkAgainst(t *testing.T, operation *openapi3.Operation, method string, got answer) {
	t.Helper()
	response := operation.Responses.Value(strconv.Itoa(got.status))
	if response == nil {
		response = operation.Responses.Default()
	}
	if response == nil {
		t.Fatalf("the status %d is not in the specification: %s", got.status, got.body)
	}
	if got.body == "" || method == "HEAD" {
		return
	}
	media, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	content := response.Value.Content[media]
	if content == nil && response.Value.Content["*/*"] == nil {
		t.Fatalf("the type %q of a %d is not in the specification", media, got.status)
	}
	if content == nil || !strings.HasSuffix(media, "json") {
		return
	}
	var value any
	if err := json.Unmarshal([]byte(got.body), &value); err != nil {
		t.Fatal(err)
	}
	if err := content.Schema.Value.VisitJSON(value); err != nil {
		t.Errorf("the answer has another shape: %v\n%s", err, got.body)
	}
}
