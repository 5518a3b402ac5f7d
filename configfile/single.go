package configfile

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// single decodes a value that has no keys of its own and checks it against
// the rules in its tag.
func (d *decoder) single(target reflect.Value, n *node, path string, tag reflect.StructTag) {
	if n.Kind != yaml.ScalarNode {
		d.mismatch(n, path, "a single value")
		return
	}
	text, ok := d.text(target, n, path)
	if !ok {
		return
	}
	err := setText(target, text)
	if err == nil {
		err = checkValue(target, text, tag)
	}
	switch {
	case err == nil:
	case isPlanned(path + "=" + text):
		d.faultf(path, "%s: %s", d.show(target, path, text), notImplemented)
	case text == "":
		d.faultf(path, "%v", err)
	case d.expanded[path]:
		d.faultf(path, "%s: %s", mask, quoted.ReplaceAllLiteralString(err.Error(), mask))
	default:
		d.faultf(path, "%s: %v", d.show(target, path, text), err)
	}
}

// quoted finds the values that error texts repeat.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// text is the scalar's text after expansion, when its YAML type suits target.
func (d *decoder) text(target reflect.Value, n *node, path string) (string, bool) {
	_, readsItself := textOf(target)
	isText := n.ShortTag() == "!!str"
	switch kind := target.Kind(); {
	case isNull(n):
		d.faultf(path, "has no value")
	case readsItself && !isText, kind == reflect.Int && n.ShortTag() == "!!int", kind == reflect.Bool && n.ShortTag() == "!!bool":
		return n.Value, true
	case kind == reflect.Int && !readsItself:
		d.faultf(path, "needs a whole number in decimal digits, not %s", describe(n))
	case kind == reflect.Bool:
		d.faultf(path, "needs true or false, not %s", describe(n))
	case isText:
		return d.expand(n, path)
	default:
		d.faultf(path, "needs a text, not %s; put it in quotes", describe(n))
	}
	return "", false
}

// show is how a value appears in a fault: not at all when it may be secret.
func (d *decoder) show(target reflect.Value, path, text string) string {
	_, secret := reflect.TypeAssert[Secret](target)
	withPassword := strings.Contains(text, "://") && strings.Contains(text, "@")
	if secret || withPassword || d.expanded[path] {
		return mask
	}
	return quote(text)
}

// quote shortens what it quotes, so that one fault stays one line.
func quote(text string) string {
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "…"
	}
	return strconv.Quote(text)
}

// setText gives target the value that text writes.
func setText(target reflect.Value, text string) error {
	if reader, ok := textOf(target); ok {
		return inOurWords(target, reader.UnmarshalText([]byte(text)))
	}
	switch target.Kind() {
	case reflect.Bool:
		target.SetBool(strings.EqualFold(text, "true"))
	case reflect.Int:
		number, err := strconv.ParseInt(text, 10, 0)
		if err != nil {
			return errors.New("needs a whole number in decimal digits")
		}
		target.SetInt(number)
	default:
		target.SetString(text)
	}
	return nil
}

// inOurWords replaces the texts of foreign types, which name internals and
// repeat the value.
func inOurWords(target reflect.Value, err error) error {
	if err == nil || target.Type().PkgPath() == reflect.TypeFor[File]().PkgPath() {
		return err
	}
	if target.Type().Name() == "Prefix" {
		return errors.New("needs a network like 10.0.0.0/8")
	}
	return errors.New("needs an RFC 3339 time like 2027-01-31T00:00:00Z")
}

// checkValue holds a value against the tags required, oneof, range and form.
func checkValue(target reflect.Value, text string, tag reflect.StructTag) error {
	if text == "" && target.Kind() == reflect.String {
		if tag.Get("required") != "" || tag.Get("form") != "" || tag.Get("oneof") != "" {
			return errors.New("must not be empty")
		}
		return nil
	}
	if choices := tag.Get("oneof"); choices != "" {
		return checkChoice(text, strings.Split(choices, ","))
	}
	if bounds := tag.Get("range"); bounds != "" {
		return checkRange(target, bounds)
	}
	return checkForm(tag.Get("form"), text)
}

func checkChoice(text string, choices []string) error {
	if slices.Contains(choices, text) {
		return nil
	}
	return fmt.Errorf("needs one of %s%s", strings.Join(choices, ", "), didYouMean(text, choices))
}

func checkRange(target reflect.Value, bounds string) error {
	lowest, highest, _ := strings.Cut(bounds, "..")
	if isBelow(target, lowest) {
		return fmt.Errorf("is below the least, %s", lowest)
	}
	if reversed := reflect.New(target.Type()).Elem(); setText(reversed, highest) == nil && less(reversed, target) {
		return fmt.Errorf("is above the most, %s", highest)
	}
	return nil
}

func isBelow(target reflect.Value, bound string) bool {
	least := reflect.New(target.Type()).Elem()
	return setText(least, bound) == nil && less(target, least)
}

// less compares two values of the same numeric type.
func less(a, b reflect.Value) bool {
	if a.CanFloat() {
		return a.Float() < b.Float()
	}
	return a.Int() < b.Int()
}

// peek is the text that a value will have, without any fault.
func (d *decoder) peek(n *node) string {
	if n = unalias(n); n.Kind != yaml.ScalarNode {
		return ""
	}
	quiet := decoder{report: newReport(""), options: d.options, expanded: map[string]bool{}}
	text, _ := quiet.expand(n, "")
	return text
}
