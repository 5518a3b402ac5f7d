package configfile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/ottogate/ottogate/access"
)

// Duration is a span of time, written as in Go: 250ms, 30s, 1h.
type Duration time.Duration

// Std is the duration as the standard library knows it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes the duration the short way: 1h, not 1h0m0s.
func (d Duration) String() string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a number with a unit; a negative one is refused.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 || string(text) == "0" {
		return errors.New("needs a duration with its unit, like 250ms, 30s or 1h")
	}
	*d = Duration(parsed)
	return nil
}

// ByteSize is a number of bytes, written with a binary unit: 512B, 32KiB, 4MiB.
type ByteSize int64

// sizeUnits is ordered from the largest, so that String finds the best one.
func sizeUnits() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

// String writes the size in its largest whole unit.
func (s ByteSize) String() string {
	for _, unit := range sizeUnits() {
		if s != 0 && int64(s)%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", int64(s)/unit.bytes, unit.name)
		}
	}
	return "0B"
}

// MarshalText is String.
func (s ByteSize) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a whole number with its unit.
func (s *ByteSize) UnmarshalText(text []byte) error {
	for _, unit := range sizeUnits() {
		digits, ok := strings.CutSuffix(string(text), unit.name)
		if !ok {
			continue
		}
		count, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || count > uint64(1<<62/unit.bytes) {
			break
		}
		*s = ByteSize(count) * ByteSize(unit.bytes)
		return nil
	}
	return errors.New("needs a whole number with a unit of B, KiB, MiB, GiB or TiB, like 4MiB")
}

// Percent is a share, kept as a fraction of one: 10% is 0.1.
type Percent float64

// String writes the share in percent.
func (p Percent) String() string { return strconv.FormatFloat(float64(p)*100, 'g', 12, 64) + "%" }

// MarshalText is String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a decimal number with a percent sign.
func (p *Percent) UnmarshalText(text []byte) error {
	digits, ok := strings.CutSuffix(string(text), "%")
	share, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || strings.Trim(digits, "0123456789.") != "" {
		return errors.New("needs a share in percent, like 10% or 0.5%")
	}
	*p = Percent(share / 100)
	return nil
}

// Rate is a number of requests in a fixed window: 2000/s, 100/m, 10/h. The
// zero value is no limit.
type Rate struct{ access.Rate }

// MarshalText writes the rate as in the file.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a whole positive number and its window.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := access.ParseRate(string(text))
	if err != nil {
		return errors.New("needs a rate like 2000/s, 100/m or 10/h")
	}
	r.Rate = parsed
	return nil
}

// Rule is one line of an app's allow list.
type Rule struct{ access.Rule }

// MarshalText writes the rule as in the file.
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a rule.
func (r *Rule) UnmarshalText(text []byte) error {
	parsed, err := access.ParseRule(string(text))
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("rule %q: ", text)))
	}
	r.Rule = parsed
	return nil
}

// mask is what stands in the place of everything secret.
const mask = "***"

// Secret is a text that no way of printing or marshalling shows. Reveal gives
// it to the one place that needs it.
type Secret string

// Reveal gives the text itself.
func (s Secret) Reveal() string { return string(s) }

// String is the mask, or nothing when there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// Format shows the mask under every verb.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(s.String())) }

// LogValue shows the mask to slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText shows the mask; encoding/json and yaml use it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// KeyHash is the SHA-256 of an API key. Its printed form is cut short: enough
// to tell keys apart, too little to search for a weak one.
type KeyHash [32]byte

// String shows the first four bytes.
func (h KeyHash) String() string { return "sha256:" + hex.EncodeToString(h[:4]) + "…" }

// MarshalText is String.
func (h KeyHash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads sha256: and 64 hex digits.
func (h *KeyHash) UnmarshalText(text []byte) error {
	hash, err := access.ParseHash(string(text))
	*h = hash
	return err
}

// Keys is whose the keys of a component are.
type Keys struct {
	Scope  KeyScope
	Prefix string // of ScopeLiteral
}

// KeyScope is one of the strategies of Keys.
type KeyScope string

// The scopes.
const (
	ScopeApp     KeyScope = "app"     // every app has its own
	ScopeShared  KeyScope = "shared"  // all apps of the namespace have them together
	ScopeNone    KeyScope = "none"    // stored exactly as the caller names them
	ScopeLiteral KeyScope = "literal" // stored behind a fixed prefix
)

// String writes the strategy as in the file.
func (k Keys) String() string {
	if k.Scope == ScopeLiteral {
		return string(k.Scope) + ":" + k.Prefix
	}
	return string(k.Scope)
}

// MarshalText is String.
func (k Keys) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the strategy.
func (k *Keys) UnmarshalText(text []byte) error {
	scope, prefix, literal := strings.Cut(string(text), ":")
	switch KeyScope(scope) {
	case ScopeApp, ScopeShared, ScopeNone:
		if literal {
			break
		}
		*k = Keys{Scope: KeyScope(scope)}
		return nil
	case ScopeLiteral:
		if prefix == "" {
			break
		}
		*k = Keys{Scope: ScopeLiteral, Prefix: prefix}
		return nil
	}
	return errors.New("needs app, shared, none or literal:<prefix>")
}
