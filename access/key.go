package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

const hashPrefix = "sha256:"

// NewKey makes an API key for an app: `otg_<app>_<secret>` with 256 random
// bits, and the line for the configuration file, which holds its SHA-256
// only. The key itself is kept nowhere.
func NewKey(app string) (key, hashLine string, err error) {
	if !validName.MatchString(app) {
		return "", "", fmt.Errorf("app %q: a name has 1 to 63 characters of a-z, 0-9 and -, and neither begins nor ends with -", app)
	}
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return "", "", fmt.Errorf("no randomness: %w", err)
	}
	key = "otg_" + app + "_" + base64.RawURLEncoding.EncodeToString(secret[:])
	return key, HashOf(key), nil
}

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// HashOf is the form in which the configuration holds a key: "sha256:" and
// 64 hexadecimal digits.
func HashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// ParseHash reads what HashOf wrote.
func ParseHash(text string) ([32]byte, error) {
	var hash [32]byte
	digits, found := strings.CutPrefix(text, hashPrefix)
	if !found {
		return hash, fmt.Errorf("a key is given by its digest: want %s and 64 hexadecimal digits; `ottogate keys new` makes one", hashPrefix)
	}
	if len(digits) != hex.EncodedLen(len(hash)) {
		return hash, fmt.Errorf("a key's digest has 64 hexadecimal digits, not %d", len(digits))
	}
	if _, err := hex.Decode(hash[:], []byte(digits)); err != nil {
		return hash, fmt.Errorf("a key's digest has hexadecimal digits only")
	}
	return hash, nil
}
