package gateway_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/ottogate/ottogate/gateway"
	"github.com/ottogate/ottogate/openapi"
	"github.com/ottogate/ottogate/problem"
)

func spec(t *testing.T) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(openapi.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// The router and the specification name the same operations, both ways.
func TestSpecificationIsTheRouter(t *testing.T) {
	served := gateway.Routes(nil)
	var written []string
	for path, item := range spec(t).Paths.Map() {
		for method := range item.Operations() {
			written = append(written, method+" "+path)
		}
	}
	slices.Sort(written)
	for _, route := range served {
		if !slices.Contains(written, route) {
			t.Errorf("served but not in the specification: %s", route)
		}
	}
	for _, route := range written {
		if !slices.Contains(served, route) {
			t.Errorf("in the specification but not served: %s", route)
		}
	}
	if len(written) < 20 {
		t.Errorf("the specification has %d operations only", len(written))
	}
}

func TestEveryOperationIsDescribed(t *testing.T) {
	ids := map[string]string{}
	for path, item := range spec(t).Paths.Map() {
		for method, operation := range item.Operations() {
			place := method + " " + path
			if operation.Summary == "" || len(operation.Tags) == 0 {
				t.Errorf("%s has no summary or tag", place)
			}
			if other, taken := ids[operation.OperationID]; taken || operation.OperationID == "" {
				t.Errorf("%s has the operationId %q of %s", place, operation.OperationID, other)
			}
			ids[operation.OperationID] = place
			for _, parameter := range operation.Parameters {
				if parameter.Value.Description == "" {
					t.Errorf("%s: parameter %s has no description", place, parameter.Value.Name)
				}
				if parameter.Value.In == "path" && parameter.Value.Example == nil {
					t.Errorf("%s: path parameter %s has no example", place, parameter.Value.Name)
				}
			}
			for _, status := range []int{400, 429, 500, 503, 504} {
				if operation.Responses.Status(status) == nil {
					t.Errorf("%s lacks the status %d", place, status)
				}
			}
			if strings.HasPrefix(path, "/v1/") && (operation.Responses.Status(401) == nil || operation.Responses.Status(404) == nil) {
				t.Errorf("%s lacks 401 or 404", place)
			}
		}
	}
}

// Every code of the closed set is an enum value of the specification.
func TestSpecificationKnowsEveryProblemCode(t *testing.T) {
	text, err := json.Marshal(spec(t).Components.Schemas["ProblemCode"].Value.Enum)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range problem.Kinds() {
		if !strings.Contains(string(text), `"`+string(kind.Code)+`"`) {
			t.Errorf("the specification does not know the code %s", kind.Code)
		}
	}
}
