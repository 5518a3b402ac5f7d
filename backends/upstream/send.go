package upstream

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// send writes the head, together with the body when that is small, and starts
// the upload of one that is not.
func (x *exchange) send() *failure {
	lent := x.pool.buffers.block()
	defer x.pool.buffers.blocks.Put(lent)
	out := x.appendHead(lent[:0])
	out = append(out, x.inline...)
	n, err := x.c.Write(out)
	switch {
	case err == nil:
	case n == 0 && x.c.kept && !isTimeout(err):
		return &failure{unsent, err}
	default:
		x.cut = true // it may have answered before it stopped reading
		return nil
	}
	if x.streams && !x.expects() {
		x.startUpload()
	}
	return nil
}

func (x *exchange) startUpload() {
	_ = x.control.EnableFullDuplex() // HTTP/2 has it anyway
	x.upload = startUpload(x)
}

// appendHead writes the request line and the fields. Path and query go out
// byte for byte as they came.
func (x *exchange) appendHead(out []byte) []byte {
	out = append(out, x.r.Method...)
	out = append(out, ' ')
	out = append(out, x.path...)
	if x.r.URL.RawQuery != "" || x.r.URL.ForceQuery {
		out = append(out, '?')
		out = append(out, x.r.URL.RawQuery...)
	}
	out = append(out, " HTTP/1.1\r\n"...)
	out = appendField(out, "Host", x.endpoint.address)
	out = x.appendFraming(out)
	x.eachField(func(name, value string) { out = appendField(out, name, value) })
	return append(out, "\r\n"...)
}

// appendFraming declares the body: its length where that is known.
func (x *exchange) appendFraming(out []byte) []byte {
	if wantsTrailers(x.r.Header) {
		out = append(out, "Te: trailers\r\nConnection: Te\r\n"...)
	}
	length := x.r.ContentLength
	switch {
	case length < 0 && x.streams:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		if names := trailerNames(x.r.Trailer); names != "" {
			out = appendField(out, "Trailer", names)
		}
	case length > 0 || declaresEmpty(x.r.Method):
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, max(0, length), 10)
		out = append(out, "\r\n"...)
	}
	return out
}

// declaresEmpty tells whether a request without a body should say so (RFC
// 9110 §8.6).
func declaresEmpty(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

func appendField(out []byte, name, value string) []byte {
	out = append(out, name...)
	out = append(out, ": "...)
	out = append(out, value...)
	return append(out, "\r\n"...)
}

// trailerNames lists the trailers that the caller announced and that may pass.
func trailerNames(announced http.Header) string {
	var names []string
	for name := range announced {
		if name = textproto.CanonicalMIMEHeaderKey(name); isToken(name) && !forbiddenTrailer(name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
