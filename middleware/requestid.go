package middleware

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gin-gonic/gin"
)

const (
	requestIDHeader = "X-Request-Id"
	maxRequestID    = 128
)

// RequestID begins the exchange: it gives the request its request.Info, an
// id (the caller's X-Request-Id where that is 1 to 128 visible ASCII
// characters, else a new one) that the answer repeats, its place in a trace,
// and takes away the Ottogate-* headers that a caller may not send. trusted
// are the networks of the proxies whose X-Forwarded-For is believed.
//
// Whoever passes the request on takes traceparent, tracestate and baggage from
// request.Info, not from the caller's headers.
func RequestID(trusted []netip.Prefix) gin.HandlerFunc {
	return func(c *gin.Context) {
		removeReserved(c.Request.Header)
		x := begin(c, trusted)
		defer x.finish()
		continueTrace(&x.info, c.Request.Header)
		x.info.ID = requestID(c.Request.Header[requestIDHeader])
		if x.info.ID == "" {
			x.info.ID = newHex()
		}
		x.idHeader[0] = x.info.ID
		c.Writer.Header()[requestIDHeader] = x.idHeader[:]
		c.Next()
	}
}

// requestID is the caller's id, "" if there is none to use.
func requestID(values []string) string {
	if len(values) != 1 || len(values[0]) > maxRequestID || !visible(values[0]) {
		return ""
	}
	return values[0]
}

// visible tells whether text has visible ASCII characters only.
func visible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// newHex makes 16 random bytes as hexadecimal digits. They are for telling
// requests apart, not for keeping secrets.
func newHex() string {
	var id [32]byte
	putHex(id[:16], rand.Uint64())
	putHex(id[16:], rand.Uint64())
	return string(id[:])
}

// putHex fills 16 bytes with the digits of number.
func putHex(into []byte, number uint64) {
	const digits = "0123456789abcdef"
	for i := 15; i >= 0; i-- {
		into[i] = digits[number&15]
		number >>= 4
	}
}

// removeReserved takes away every header that begins with `ottogate-` or
// `ottogate_` but those that the contract gives to callers.
func removeReserved(header http.Header) {
	for name := range header {
		if reserved(name) {
			delete(header, name)
		}
	}
}

// reserved looks at a name in canonical form, in which a hyphenated word
// begins with a capital and an underscore is a letter like any other.
func reserved(name string) bool {
	const prefix = "ottogate"
	if len(name) <= len(prefix) || name[0] != 'O' || name[len(prefix)] != '-' && name[len(prefix)] != '_' || !strings.EqualFold(name[:len(prefix)], prefix) {
		return false
	}
	switch name {
	case "Ottogate-Key", "Ottogate-Route", "Ottogate-Fanout", "Ottogate-Hash":
		return false
	}
	parameter, isHeader := strings.CutPrefix(name, "Ottogate-Header-")
	return !isHeader || parameter == ""
}
