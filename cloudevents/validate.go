package cloudevents

import (
	"unicode/utf8"
)

// checkComplete tells the first required attribute that is missing.
func (e *Event) checkComplete() error {
	switch {
	case e.ID == "":
		return refuse(attributeID, "a CloudEvent needs an id")
	case e.Source == "":
		return refuse(attributeSource, "a CloudEvent needs a source")
	case e.Type == "":
		return refuse(attributeType, "a CloudEvent needs a type")
	}
	return nil
}

// checkAttribute applies the rules for names (section 3.1) and for the type
// String (section 3.2) of the specification. Empty values are refused, since
// no attribute may be present and empty.
func checkAttribute(name, value string) error {
	if !validName(name) {
		return refuse(pointerToken(name), "the attribute name %q may only have lower-case letters and digits", name)
	}
	if value == "" {
		return refuse(name, "the attribute %s is empty; leave it out instead", name)
	}
	for i, r := range value {
		if forbidden(r) || r == utf8.RuneError && invalidAt(value, i) {
			return refuse(name, "the attribute %s has a character that CloudEvents does not allow", name)
		}
	}
	return nil
}

func checkSpecVersion(value string) error {
	if value != specVersion {
		return refuse(attributeSpecVersion, "specversion %q is not known; this gateway knows %s", value, specVersion)
	}
	return nil
}

func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && name != "data"
}

// forbidden says whether a code point is a control character or one that
// Unicode sets aside as a noncharacter.
func forbidden(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe
}

func invalidAt(text string, at int) bool {
	_, size := utf8.DecodeRuneInString(text[at:])
	return size == 1
}
