package upstream

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// head is a parsed head of an answer. The parser is strict where leniency has
// been used to smuggle answers: whatever two parsers could read in two ways
// is refused (RFC 9112 §11).
type head struct {
	status    int
	fields    []field
	hop       []string // fields that Connection nominates
	announced []string // Trailer lines
	length    int64    // of the body; -1 = not declared
	chunked   bool
	bodiless  bool // no body follows, whatever the fields say
	last      bool // the connection ends with this answer
}

// parse reads text, which is whole and ends with an empty line; every line of
// it ends with CRLF, that is certain already. method is the request's.
func (h *head) parse(text, method string, maxFields int) error {
	*h = head{fields: h.fields[:0], length: -1}
	line, rest, _ := strings.Cut(text, "\r\n")
	old, err := h.parseStatus(line)
	if err != nil {
		return err
	}
	for {
		if line, rest, _ = strings.Cut(rest, "\r\n"); line == "" {
			break
		}
		if len(h.fields) == maxFields {
			return babble("too many fields")
		}
		f, err := parseField(line)
		if err != nil {
			return err
		}
		h.fields = append(h.fields, f)
		if err := h.note(f); err != nil {
			return err
		}
	}
	return h.frame(method, old)
}

// parseStatus reads the status line and tells whether it is HTTP/1.0's.
func (h *head) parseStatus(line string) (old bool, err error) {
	if len(line) < 12 || line[:7] != "HTTP/1." || line[8] != ' ' || line[7] != '0' && line[7] != '1' {
		return false, babble("bad version")
	}
	status, err := strconv.ParseUint(line[9:12], 10, 16)
	if err != nil || status < 100 || (len(line) > 12 && line[12] != ' ') || !isValue(line[12:]) {
		return false, babble("bad status line")
	}
	h.status = int(status)
	return line[7] == '0', nil
}

func parseField(line string) (field, error) {
	name, value, found := strings.Cut(line, ":")
	switch {
	case line[0] == ' ' || line[0] == '\t':
		return field{}, babble("folded field")
	case !found || !isToken(name):
		return field{}, babble("bad field name")
	case !isValue(value):
		return field{}, babble("control character in a field")
	}
	return field{textproto.CanonicalMIMEHeaderKey(name), strings.Trim(value, " \t")}, nil
}

// note takes down what a field says about framing.
func (h *head) note(f field) error {
	switch f.name {
	case "Content-Length":
		if h.length >= 0 {
			return babble("two lengths")
		}
		length, err := strconv.ParseUint(f.value, 10, 60)
		if err != nil {
			return babble("bad length")
		}
		h.length = int64(length)
	case "Transfer-Encoding":
		if h.chunked || !strings.EqualFold(f.value, "chunked") {
			return babble("bad transfer encoding")
		}
		h.chunked = true
	case "Trailer":
		h.announced = append(h.announced, f.value)
	case "Connection":
		for option := range strings.SplitSeq(f.value, ",") {
			h.last = h.last || strings.EqualFold(strings.Trim(option, " \t"), "close")
		}
		h.hop = append(h.hop, nominated([]string{f.value})...)
	}
	return nil
}

// frame decides how long the body is (RFC 9112 §6.3).
func (h *head) frame(method string, old bool) error {
	switch {
	case h.chunked && h.length >= 0:
		return babble("both a length and a transfer encoding")
	case h.chunked && old:
		return babble("transfer encoding in HTTP/1.0")
	}
	h.bodiless = method == http.MethodHead || h.status < 200 || h.status == http.StatusNoContent || h.status == http.StatusNotModified
	if h.status < 200 || h.status == http.StatusNoContent {
		h.last = h.last || h.chunked || h.length > 0 // a body that must not be there may follow
		h.dropLength()
	}
	// HTTP/1.0's keep-alive was never well defined; what has no declared end
	// ends with the connection.
	h.last = h.last || old || (!h.bodiless && !h.chunked && h.length < 0)
	return nil
}

// dropLength removes Content-Length where none may be (RFC 9110 §8.6).
func (h *head) dropLength() {
	kept := h.fields[:0]
	for _, f := range h.fields {
		if f.name != "Content-Length" {
			kept = append(kept, f)
		}
	}
	h.fields = kept
}
