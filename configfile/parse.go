package configfile

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

type node = yaml.Node

// sizeLimit is far above any real file.
const sizeLimit = 4 << 20

// parse gives the root mapping of the only document, or nil after reporting
// why there is none.
func parse(report *report, data []byte) *node {
	if len(data) > sizeLimit {
		report.faultAtf(place{1, 1}, "", "is larger than %s", ByteSize(sizeLimit))
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		report.faultAtf(place{1, 1}, "", "is empty")
		return nil
	case err != nil:
		reportSyntax(report, data, err)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		report.faultAtf(placeOfNode(&second), "", "holds a second document; the file is one document")
	case !errors.Is(err, io.EOF):
		reportSyntax(report, data, err)
	}
	return rootMapping(report, &document)
}

func rootMapping(report *report, document *node) *node {
	if len(document.Content) != 1 {
		report.faultAtf(place{1, 1}, "", "is empty")
		return nil
	}
	root := document.Content[0]
	switch {
	case isNull(root):
		report.faultAtf(placeOfNode(root), "", "is empty")
	case root.Kind != yaml.MappingNode:
		report.faultAtf(placeOfNode(root), "", "needs a block of keys, not %s", describe(root))
	default:
		return root
	}
	return nil
}

func placeOfNode(n *node) place { return place{max(n.Line, 1), max(n.Column, 1)} }

var syntaxLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// reportSyntax turns the parser's only error into a fault. The parser tells
// the line but not the column, so the column is where the line's text begins,
// or its first tab, which is what the parser most often stumbles over.
func reportSyntax(report *report, data []byte, err error) {
	parts := syntaxLine.FindStringSubmatch(err.Error())
	if parts == nil {
		report.faultAtf(place{1, 1}, "", "is not YAML")
		return
	}
	line, _ := strconv.Atoi(parts[1])
	at := place{max(line, 1), 1}
	text := lineOf(data, at.line)
	indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	at.column = len(indent) + 1
	message := "is not YAML: " + parts[2]
	if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
		at.column = tab + 1
		message = "is not YAML: a tab in the indentation; indent with spaces"
	}
	report.faultAtf(at, "", "%s", message)
}

func lineOf(data []byte, number int) string {
	for line := range bytes.Lines(data) {
		if number--; number == 0 {
			return strings.TrimRight(string(line), "\r\n")
		}
	}
	return ""
}

// describe says in the operator's words what a node is.
func describe(n *node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a block of keys"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	case n.ShortTag() == "!!str":
		return "a text"
	case n.ShortTag() == "!!bool":
		return "true or false"
	case n.ShortTag() == "!!int":
		return "a number"
	case n.ShortTag() == "!!float":
		return "a number with a fraction or out of range"
	case n.ShortTag() == "!!timestamp":
		return "a date"
	default:
		return "a single value"
	}
}

func isNull(n *node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
