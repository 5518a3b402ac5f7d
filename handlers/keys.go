package handlers

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
)

// maxKey is the length of a decoded key, resource or group in bytes.
const maxKey = 1024

// Keyspace says which part of a backend's keys belongs to whom: keys of the
// contract on one side, complete backend keys on the other.
type Keyspace struct {
	strategy string // app | shared | none | literal
	prefix   string
}

// The strategies of a component's `keys` setting.
const (
	KeysApp     = "app"     // every app has its own keys
	KeysShared  = "shared"  // all apps of the namespace share the keys
	KeysNone    = "none"    // keys are used as they are
	KeysLiteral = "literal" // a fixed text stands before every key
)

// NewKeyspace makes the keyspace of one component. kind keeps components of
// different blocks apart that have one name; setting is app, shared, none or
// literal:<prefix>, empty means app.
func NewKeyspace(namespace, kind, component, setting string) Keyspace {
	base := namespace + ":" + kind + ":" + component + ":"
	switch literal, isLiteral := strings.CutPrefix(setting, KeysLiteral+":"); {
	case isLiteral:
		return Keyspace{KeysLiteral, literal}
	case setting == KeysNone:
		return Keyspace{KeysNone, ""}
	case setting == KeysShared:
		// An app's name is never empty, so this cannot meet an app's prefix.
		return Keyspace{KeysShared, base + ":"}
	default:
		return Keyspace{KeysApp, base}
	}
}

// Of gives the complete backend key of an app's key. App names hold no colon,
// so two apps' keys never meet.
func (s Keyspace) Of(app, key string) string {
	if s.strategy == KeysApp {
		return s.prefix + app + ":" + key
	}
	return s.prefix + key
}

// Trim is the way back from a complete key that Of made for the app.
func (s Keyspace) Trim(app, complete string) string {
	return strings.TrimPrefix(complete, s.Of(app, ""))
}

// keyParam reads the key at the end of the path: one slash, then the key,
// decoded once and never interpreted as a path.
func keyParam(c *gin.Context) (string, error) {
	return decodeKey(strings.TrimPrefix(c.Param("key"), "/"))
}

func decodeKey(escaped string) (string, error) {
	key := escaped
	if strings.IndexByte(escaped, '%') >= 0 {
		decoded, err := url.PathUnescape(escaped)
		if err != nil {
			return "", problem.Wrap(problem.InvalidKey, err, "the key is not percent-encoded correctly")
		}
		key = decoded
	}
	if key == "" {
		return "", problem.New(problem.EmptyKey, "the path ends where a key should stand")
	}
	return key, validKey(key)
}

// validKey checks a key, resource, group or prefix as the contract defines it.
func validKey(key string) error {
	switch {
	case len(key) > maxKey:
		return problem.New(problem.InvalidKey, "the key is %d bytes long; at most %d are allowed", len(key), maxKey)
	case !utf8.ValidString(key):
		return problem.New(problem.InvalidKey, "the key is not valid UTF-8")
	case strings.IndexFunc(key, unicode.IsControl) >= 0:
		return problem.New(problem.InvalidKey, "the key holds a control character")
	default:
		return nil
	}
}

// nameParam reads a single-segment parameter such as a component's name.
func nameParam(c *gin.Context, name string) string {
	raw := c.Param(name)
	if strings.IndexByte(raw, '%') < 0 {
		return raw
	}
	decoded, err := url.PathUnescape(raw)
	if err != nil {
		return raw // no component has a percent sign in its name
	}
	return decoded
}

// find looks a component up by the name in the path.
func find[C any](components map[string]C, name, kind string) (C, error) {
	component, ok := components[name]
	if !ok {
		return component, problem.New(problem.NoSuchComponent, "no %s component has this name", kind)
	}
	return component, nil
}
