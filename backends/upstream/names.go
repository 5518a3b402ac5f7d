package upstream

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Which header fields pass and which do not, in both directions. Names are in
// canonical form.

// isHop tells whether a field belongs to one connection only (RFC 9110
// §7.6.1) or to the framing, which every connection does anew.
func isHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Proxy-Authentication-Info", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// isOurs tells whether a field carries what only the gateway may say.
func isOurs(name string) bool {
	return strings.HasPrefix(name, "Ottogate-") || name == "Ottogate"
}

// isForwarding tells whether a field says where a request came from, which is
// believed from trusted proxies only.
func isForwarding(name string) bool {
	return name == "Forwarded" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-")
}

// dashed is the name as servers read it that take underscores for dashes (CGI
// and its heirs), so that no field slips past under its other spelling.
func dashed(name string) string {
	if strings.IndexByte(name, '_') < 0 {
		return name
	}
	return textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
}

// nominated lists the fields that Connection declares to be hop-by-hop.
func nominated(connection []string) []string {
	var names []string
	for _, line := range connection {
		for option := range strings.SplitSeq(line, ",") {
			option = strings.Trim(option, " \t")
			if option == "" || strings.EqualFold(option, "close") || strings.EqualFold(option, "keep-alive") {
				continue
			}
			names = append(names, textproto.CanonicalMIMEHeaderKey(option))
		}
	}
	return names
}

// forbiddenTrailer tells whether a field must not come behind a body (RFC 9110
// §6.5.1): one that frames, routes or proves.
func forbiddenTrailer(name string) bool {
	name = dashed(name)
	switch name {
	case "Content-Length", "Content-Encoding", "Content-Type", "Content-Range", "Host", "Authorization",
		"Cookie", "Set-Cookie", "X-Api-Key", "Via", "Age", "Cache-Control", "Expires", "Location", "Vary":
		return true
	}
	return isHop(name) || isOurs(name) || isForwarding(name)
}

// upgrades tells whether the request asks to turn the connection into a
// WebSocket, the one upgrade that passes; all others, h2c above all, lose
// their Upgrade header and are ordinary requests.
func upgrades(r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || len(r.Header["Upgrade"]) != 1 {
		return false
	}
	return slices.Contains(nominated(r.Header["Connection"]), "Upgrade") && r.ProtoMajor == 1 && r.ContentLength == 0
}

// wantsTrailers tells whether the caller said TE: trailers.
func wantsTrailers(header http.Header) bool {
	for _, line := range header["Te"] {
		for coding := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(coding, " \t"), "trailers") {
				return true
			}
		}
	}
	return false
}

// passedBefore tells whether Via names pseudonym (RFC 9110 §7.6.3).
func passedBefore(header http.Header, pseudonym string) bool {
	for _, line := range header["Via"] {
		for member := range strings.SplitSeq(line, ",") {
			words := strings.Fields(member)
			if len(words) >= 2 && strings.EqualFold(words[1], pseudonym) {
				return true
			}
		}
	}
	return false
}

// isToken tells whether text is a token of RFC 9110 §5.6.2.
func isToken(text string) bool {
	for i := range len(text) {
		if !isTokenByte(text[i]) {
			return false
		}
	}
	return text != ""
}

func isTokenByte(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isValue tells whether text may stand as a field's value: no control
// characters but the tab.
func isValue(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isTarget tells whether text may stand in a request line.
func isTarget(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
