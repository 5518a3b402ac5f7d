package capture

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// redacted stands in the place of a secret value.
const redacted = "***"

// credentials are the headers that carry secrets by their nature; no
// configuration can have them recorded.
var credentials = [...]string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key"}

// references are the headers that hold a URL, whose query is redacted like the
// request's own.
var references = [...]string{"Referer", "Location", "Content-Location"}

// secrets knows by name which values are not kept.
type secrets struct {
	headers    map[string]struct{} // canonical
	parameters parameters
}

func newSecrets(configured []string) secrets {
	s := secrets{headers: make(map[string]struct{}, len(credentials)+len(configured)), parameters: newParameters(configured)}
	for _, name := range credentials {
		s.headers[name] = struct{}{}
	}
	for _, name := range configured {
		s.headers[canonical(strings.TrimSpace(name))] = struct{}{}
	}
	return s
}

// redact copies a header with every secret value replaced. Names and the
// number of values stay, so that a reader sees that something was there.
func (s secrets) redact(header http.Header) http.Header {
	clean := make(http.Header, len(header))
	for name, values := range header {
		kept := make([]string, len(values))
		spelt := canonical(name)
		_, secret := s.headers[spelt]
		for i, value := range values {
			switch {
			case secret:
				kept[i] = redacted
			case slices.Contains(references[:], spelt):
				kept[i] = s.parameters.redactURL(value)
			default:
				kept[i] = value
			}
		}
		clean[name] = kept
	}
	return clean
}

// canonical is the one spelling under which a header is looked up. Underscores
// count as hyphens, because many servers behind a gateway read them so.
func canonical(name string) string {
	if strings.Contains(name, "_") {
		name = strings.ReplaceAll(name, "_", "-")
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}
