package middleware

import (
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/ottogate/ottogate/request"
)

// The most of tracestate and baggage that is passed on; more is dropped whole.
const (
	maxTracestate = 1024
	maxBaggage    = 8192
)

const traceparentLength = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-00")

// continueTrace fills in the request's place in a trace: that of a valid W3C
// traceparent, else of B3 headers, else a new and unsampled one; the gateway's
// own span is always new. It follows the W3C Trace Context and Baggage
// recommendations and the B3 specification.
func continueTrace(info *request.Info, header http.Header) {
	var parent [traceparentLength]byte
	copy(parent[:], "00-")
	parent[35], parent[52] = '-', '-'
	putHex(parent[36:52], rand.Uint64()|1) // never all zeros
	switch incoming, trace := header["Traceparent"], ""; {
	case len(incoming) == 1 && validTraceparent(incoming[0]):
		copy(parent[3:35], incoming[0][3:35])
		copy(parent[53:], incoming[0][53:55])
		info.Tracestate = joined(header["Tracestate"], maxTracestate)
	case readB3(header, &trace, parent[53:]):
		copy(parent[3:35], strings.Repeat("0", 32-len(trace))+trace)
	default:
		putHex(parent[3:19], rand.Uint64())
		putHex(parent[19:35], rand.Uint64()|1)
		copy(parent[53:], "00")
	}
	info.Traceparent = string(parent[:])
	info.Baggage = joined(header["Baggage"], maxBaggage)
}

// validTraceparent checks a traceparent of version 00, or of a later one that
// begins like it.
func validTraceparent(text string) bool {
	if len(text) < traceparentLength || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return false
	}
	version := text[:2]
	if !isHex(version) || version == "ff" || version == "00" && len(text) != traceparentLength {
		return false
	}
	if len(text) > traceparentLength && text[traceparentLength] != '-' {
		return false
	}
	return isID(text[3:35]) && isID(text[36:52]) && isHex(text[53:55])
}

// readB3 reads the trace id and the sampling flag of B3 headers, single or
// multiple.
func readB3(header http.Header, trace *string, flags []byte) bool {
	id, sampled := header.Get("X-B3-Traceid"), header.Get("X-B3-Sampled")
	if header.Get("X-B3-Flags") == "1" {
		sampled = "1"
	}
	if single := header.Get("B3"); single != "" {
		var rest string
		id, rest, _ = strings.Cut(single, "-")
		_, rest, _ = strings.Cut(rest, "-")
		sampled, _, _ = strings.Cut(rest, "-")
	}
	if len(id) != 16 && len(id) != 32 || !isID(id) {
		return false
	}
	*trace = id
	copy(flags, "00")
	if sampled == "1" || sampled == "d" || sampled == "true" {
		flags[1] = '1'
	}
	return true
}

// isID tells whether text is hexadecimal and not all zeros.
func isID(text string) bool {
	return isHex(text) && strings.Trim(text, "0") != ""
}

func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// joined makes one list of several header lines; it is "" when the whole is
// too long or holds anything but printable ASCII.
func joined(lines []string, limit int) string {
	if len(lines) == 0 {
		return ""
	}
	text := lines[0]
	if len(lines) > 1 {
		text = strings.Join(lines, ",")
	}
	if len(text) > limit {
		return ""
	}
	for i := range len(text) {
		if (text[i] < ' ' || text[i] > '~') && text[i] != '\t' {
			return ""
		}
	}
	return text
}
