// Command generate lifts what swag wrote (Swagger 2.0) to the published
// OpenAPI 3.1 documents: it converts, adds what annotations cannot say
// (overlay.go), validates, and writes JSON and YAML. `make openapi` runs it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: generate SWAGGER.json FOLDER")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(from, folder string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if text, err = keepExamples(rename(text)); err != nil {
		return err
	}
	var old openapi2.T
	if err := json.Unmarshal(text, &old); err != nil {
		return err
	}
	document, err := openapi2conv.ToV3(&old)
	if err != nil {
		return err
	}
	moveExamples(document)
	overlay(document)
	if err := validate(document); err != nil {
		return err
	}
	document.OpenAPI = "3.1.0"
	return write(document, folder)
}

// validate reads the document as a stranger would, so that every reference is
// followed. It does so before the lift to 3.1, whose rules are a superset of
// what is used here.
func validate(document json.Marshaler) error {
	text, err := document.MarshalJSON()
	if err != nil {
		return err
	}
	read, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return err
	}
	return read.Validate(context.Background())
}

// write puts the document down twice; map keys come sorted, so that the same
// source gives the same bytes.
func write(document json.Marshaler, folder string) error {
	compact, err := document.MarshalJSON()
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, compact, "", "  "); err != nil {
		return err
	}
	pretty.WriteByte('\n')
	var tree any // a document of any shape, on its way from JSON to YAML
	if err := yaml.Unmarshal(compact, &tree); err != nil {
		return err
	}
	var readable bytes.Buffer
	encoder := yaml.NewEncoder(&readable)
	encoder.SetIndent(2)
	if err := encoder.Encode(tree); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "openapi.json"), pretty.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "openapi.yaml"), readable.Bytes(), 0o644)
}
