package jsondoc

import "strings"

// rank orders values of different types: null, false, true, numbers, strings,
// arrays, objects.
func (n *node) rank() int {
	switch {
	case n.kind == objectKind:
		return 6
	case n.kind == arrayKind:
		return 5
	case n.scalar[0] == '"':
		return 4
	case n.scalar[0] == 'n':
		return 0
	case n.scalar[0] == 'f':
		return 1
	case n.scalar[0] == 't':
		return 2
	default:
		return 3
	}
}

// compare orders two values: by type, then numbers by value and strings by
// their bytes. Arrays and objects have no order among themselves.
func compare(a, b *node) int {
	if left, right := a.rank(), b.rank(); left != right {
		return left - right
	}
	switch a.rank() {
	case 3:
		return compareNumbers(string(a.scalar), string(b.scalar))
	case 4:
		return strings.Compare(unquote(a.scalar), unquote(b.scalar))
	default:
		return 0
	}
}

// compareNumbers orders numbers by their value, whatever their length. Those
// beyond any use (exponents over 2^31) are ordered by their text.
func compareNumbers(a, b string) int {
	left, ok := parseDecimal(a)
	right, ok2 := parseDecimal(b)
	switch {
	case !ok || !ok2:
		return strings.Compare(a, b)
	case left.sign() != right.sign():
		return left.sign() - right.sign()
	}
	return left.sign() * compareMagnitude(left, right)
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	default:
		return 1
	}
}

// compareMagnitude compares the place of the first digit, then the digits.
func compareMagnitude(a, b decimal) int {
	first, second := a.power+int64(len(a.digits)), b.power+int64(len(b.digits))
	switch {
	case first < second:
		return -1
	case first > second:
		return 1
	default:
		return strings.Compare(a.digits, b.digits)
	}
}
