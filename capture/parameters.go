package capture

import (
	"net/url"
	"slices"
	"strings"
)

// Query parameters are secret by their plain names: lower-case letters and
// digits only, so that apiKey, api_key and user[api-key] are one.
var (
	// secretEndings are how the names of credentials end, whatever precedes:
	// access_token, client_secret, X-Amz-Signature.
	secretEndings = [...]string{
		"token", "key", "secret", "password", "passwd", "passphrase", "pwd", "signature", "credential", "credentials",
		"cookie", "jwt", "assertion", "authorization", "session", "sessionid",
	}
	// secretNames would be harmless at the end of a longer word (zipcode).
	secretNames = [...]string{"code", "authcode", "authorizationcode", "devicecode", "sig", "auth", "pass", "sid", "pin", "otp"}
)

// parameters is the set of plain names that are secret besides those above.
type parameters map[string]struct{}

// newParameters takes the names of headers, with and without a leading X-.
func newParameters(headers []string) parameters {
	names := make(parameters, 2*len(headers))
	for _, header := range headers {
		name := strings.ToLower(strings.TrimSpace(header))
		names[plain(name)] = struct{}{}
		names[plain(strings.TrimPrefix(strings.ReplaceAll(name, "_", "-"), "x-"))] = struct{}{}
	}
	delete(names, "")
	return names
}

// redact replaces the values of secret parameters in a raw query. All else
// stays byte for byte. A semicolon separates parameters too, as some servers
// read it, but does not end a secret value, since others do not.
func (p parameters) redact(query string) string {
	if query == "" {
		return ""
	}
	parts := strings.Split(query, "&")
	for i, part := range parts {
		for at := 0; at < len(part); {
			end := len(part)
			if semicolon := strings.IndexByte(part[at:], ';'); semicolon >= 0 {
				end = at + semicolon
			}
			name, _, valued := strings.Cut(part[at:end], "=")
			if valued && p.secret(name) {
				parts[i] = part[:at+len(name)+1] + redacted
				break
			}
			at = end + 1
		}
	}
	return strings.Join(parts, "&")
}

// redactURL redacts a URL's query, and its fragment, in which OAuth hands out
// tokens.
func (p parameters) redactURL(text string) string {
	rest, fragment, fragmented := strings.Cut(text, "#")
	if address, query, found := strings.Cut(rest, "?"); found {
		rest = address + "?" + p.redact(query)
	}
	if fragmented {
		rest += "#" + p.redact(fragment)
	}
	return rest
}

// secret tells whether a parameter's value must not be kept. A name that
// cannot be decoded could be read as anything.
func (p parameters) secret(name string) bool {
	decoded, err := url.QueryUnescape(name)
	if err != nil {
		return true
	}
	spelt := plain(decoded)
	if _, configured := p[spelt]; configured || slices.Contains(secretNames[:], spelt) {
		return true
	}
	ends := func(ending string) bool { return strings.HasSuffix(spelt, ending) }
	return slices.ContainsFunc(secretEndings[:], ends)
}

// plain is what all spellings of a name have in common.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, name)
}
