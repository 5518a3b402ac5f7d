package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ottogate/ottogate/problem"
)

// The ways in which a caller is proved.
const (
	ViaAPIKey    = "apiKey"
	ViaAnonymous = "anonymous"
)

// The headers that carry credentials.
const (
	authorizationHeader = "Authorization"
	apiKeyHeader        = "X-Api-Key"
)

// Identity is who a request proved to be.
type Identity struct {
	App              string
	Via              string
	CredentialHeader string    // the header that proved it; "" for none
	NotAfter         time.Time // when the credential ends; the zero time = never
}

// Authenticator finds out which app a request belongs to. It is immutable and
// safe for concurrent use.
type Authenticator struct {
	keys      map[[sha256.Size]byte]provenKey
	anonymous string
	now       func() time.Time
}

type provenKey struct {
	hash     [sha256.Size]byte
	app      string
	notAfter time.Time
}

// NewAuthenticator knows the keys of all apps. anonymous is the app that
// callers without a credential are, "" for none. A key that two apps list is
// an error, and so is an anonymous app that does not exist.
func NewAuthenticator(apps Apps, anonymous string, now func() time.Time) (*Authenticator, error) {
	if _, known := apps[anonymous]; anonymous != "" && !known {
		return nil, fmt.Errorf("anonymous app %q is not among the apps", anonymous)
	}
	a := &Authenticator{keys: make(map[[sha256.Size]byte]provenKey), anonymous: anonymous, now: now}
	for name, app := range apps {
		for _, key := range app.Keys {
			if other, taken := a.keys[key.Hash]; taken && other.app != name {
				return nil, fmt.Errorf("apps %q and %q list the same key", min(name, other.app), max(name, other.app))
			}
			a.keys[key.Hash] = provenKey{hash: key.Hash, app: name, notAfter: key.NotAfter}
		}
	}
	return a, nil
}

// Anonymous is the app that callers without a credential are, "" for none.
func (a *Authenticator) Anonymous() string { return a.anonymous }

// Authenticate finds the app of a request by X-Api-Key, else by Authorization,
// else by the absence of both. A credential that proves nothing is
// problem.InvalidCredential even where unproved callers are let in, and an
// unknown key is told like a wrong or expired one; none at all is
// problem.Unauthenticated.
func (a *Authenticator) Authenticate(r *http.Request) (Identity, error) {
	if values, given := r.Header[apiKeyHeader]; given {
		return a.byKeys(values, apiKeyHeader)
	}
	if values, given := r.Header[authorizationHeader]; given {
		return a.byBearer(values)
	}
	if a.anonymous != "" {
		return Identity{App: a.anonymous, Via: ViaAnonymous}, nil
	}
	return Identity{}, problem.New(problem.Unauthenticated, "send Authorization: Bearer <key> or X-Api-Key: <key>")
}

// byKeys wants every key to prove the same app.
func (a *Authenticator) byKeys(keys []string, header string) (Identity, error) {
	var proved Identity
	for i, key := range keys {
		entry, ok := a.lookUp(key)
		switch {
		case !ok:
			return Identity{}, problem.New(problem.InvalidCredential, "the key is not valid")
		case i > 0 && entry.app != proved.App:
			return Identity{}, problem.New(problem.InvalidCredential, "the credentials belong to different apps")
		}
		proved = Identity{App: entry.app, Via: ViaAPIKey, CredentialHeader: header, NotAfter: entry.notAfter}
	}
	return proved, nil
}

func (a *Authenticator) byBearer(values []string) (Identity, error) {
	if len(values) != 1 {
		return Identity{}, problem.New(problem.InvalidCredential, "more than one Authorization header")
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return Identity{}, problem.New(problem.InvalidCredential, "the Authorization header is not of the form Bearer <key>")
	}
	token = strings.TrimLeft(token, " ")
	if strings.Count(token, ".") == 2 {
		return Identity{}, problem.New(problem.InvalidCredential, "no app lists this token")
	}
	entry, ok := a.lookUp(token)
	if !ok {
		return Identity{}, problem.New(problem.InvalidCredential, "the key is not valid")
	}
	return Identity{App: entry.app, Via: ViaAPIKey, CredentialHeader: authorizationHeader, NotAfter: entry.notAfter}, nil
}

// lookUp finds a key by its digest. The digest, not the key, meets the map,
// so that the time it takes tells nothing about the keys that exist; an
// unknown key takes the same comparison as a known one.
func (a *Authenticator) lookUp(key string) (provenKey, bool) {
	sum := digest(key)
	entry, found := a.keys[sum]
	same := subtle.ConstantTimeCompare(entry.hash[:], sum[:]) == 1
	if !found || !same {
		return provenKey{}, false
	}
	return entry, entry.notAfter.IsZero() || a.now().Before(entry.notAfter)
}

// digest is the SHA-256 of a key; one of a usual length stays on the stack.
func digest(key string) [sha256.Size]byte {
	var buffer [128]byte
	if len(key) > len(buffer) {
		return sha256.Sum256([]byte(key))
	}
	return sha256.Sum256(buffer[:copy(buffer[:], key)])
}
