package capture

import (
	"net/http"
	"net/textproto"
	"strings"
)

// redacted stands in the place of a secret value.
const redacted = "***"

// credentials are the headers that carry secrets by their nature; no
// configuration can have them recorded.
var credentials = [...]string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key"}

// secrets is the set of header names, canonical, whose values are not kept.
type secrets map[string]struct{}

func newSecrets(configured []string) secrets {
	names := make(secrets, len(credentials)+len(configured))
	for _, name := range credentials {
		names[name] = struct{}{}
	}
	for _, name := range configured {
		names[canonical(strings.TrimSpace(name))] = struct{}{}
	}
	return names
}

// redact copies a header with every secret value replaced. Names and the
// number of values stay, so that a reader sees that something was there.
func (s secrets) redact(header http.Header) http.Header {
	clean := make(http.Header, len(header))
	for name, values := range header {
		kept := make([]string, len(values))
		if _, secret := s[canonical(name)]; secret {
			for i := range kept {
				kept[i] = redacted
			}
		} else {
			copy(kept, values)
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
