package jsondoc

import (
	"math"
	"strconv"
	"strings"
)

// equal compares two values as RFC 6902 §4.6 does: strings by their
// characters, numbers by their value, objects without regard to order.
func equal(a, b *node) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case objectKind:
		return equalMembers(a, b)
	case arrayKind:
		return equalItems(a, b)
	default:
		return equalScalars(string(a.scalar), string(b.scalar))
	}
}

func equalMembers(a, b *node) bool {
	if a.count() != b.count() {
		return false
	}
	for _, m := range a.members {
		if m.value == nil {
			continue
		}
		if i := b.find(m.name); i < 0 || !equal(m.value, b.members[i].value) {
			return false
		}
	}
	return true
}

func equalItems(a, b *node) bool {
	if len(a.items) != len(b.items) {
		return false
	}
	for i := range a.items {
		if !equal(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}

func equalScalars(a, b string) bool {
	if a == b {
		return true
	}
	if a[0] == '"' && b[0] == '"' {
		return unquote([]byte(a)) == unquote([]byte(b))
	}
	left, ok := parseDecimal(a)
	right, ok2 := parseDecimal(b)
	return ok && ok2 && left == right
}

// decimal is a number in one form only: sign, digits without zeros at either
// end, and the power of ten of the last digit. Comparing forms costs nothing
// even for 1e999999999, which converting would.
type decimal struct {
	negative bool
	digits   string
	power    int64
}

func parseDecimal(text string) (decimal, bool) {
	if text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return decimal{}, false // a string, true, false or null
	}
	var d decimal
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa, exponent := text, ""
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		mantissa, exponent = text[:at], text[at+1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	d.digits = strings.TrimLeft(whole+fraction, "0")
	d.power = -int64(len(fraction))
	if d.digits == "" {
		return decimal{}, true // zero has no sign and no power
	}
	if exponent != "" {
		power, err := strconv.ParseInt(exponent, 10, 64)
		if err != nil || power > math.MaxInt32 || power < math.MinInt32 {
			return decimal{}, false // only the same text is equal to a number this large
		}
		d.power += power
	}
	trimmed := strings.TrimRight(d.digits, "0")
	d.power += int64(len(d.digits) - len(trimmed))
	d.digits = trimmed
	return d, true
}
