// Package glob matches texts with slashes against the patterns of the
// configuration: `*` stands for any run of characters without a slash, `**`
// for any run at all, everything else for itself. Patterns need no
// compilation, and every text is a valid one.
package glob

import "strings"

// Match tells whether the whole of text fits pattern. It needs no memory, and
// its time grows linearly with the text, whatever the caller sends.
//
// Only the last star of each kind is ever tried again. That is enough: what
// follows a star is matched as early as possible, and an earlier star could
// only bring the same place later.
func Match(pattern, text string) bool {
	star, afterStar := -1, 0     // the last `*` behind the last `**`, and where it ends in text
	double, afterDouble := -1, 0 // the last `**`
	firstStar := 0               // where the first `*` behind the last `**` begins in text
	p, t := 0, 0
	for p < len(pattern) || t < len(text) {
		rest := pattern[p:]
		switch {
		case strings.HasPrefix(rest, "**"):
			double, afterDouble, star = p, t, -1
			if p += 2; p == len(pattern) {
				return true
			}
		case rest != "" && rest[0] == '*':
			if star < 0 {
				firstStar = t
			}
			star, afterStar = p, t
			p++
		case t == len(text):
			return false // a star that takes more leaves even less for the rest
		case rest != "" && rest[0] == text[t]:
			p, t = p+1, t+1
		case star >= 0 && text[afterStar] != '/':
			afterStar++
			p, t = star+1, afterStar
		case double >= 0:
			afterDouble = nextStart(text, afterDouble, firstStar, star >= 0)
			p, t, star = double+2, afterDouble, -1
		default:
			return false
		}
	}
	return true
}

// nextStart is the next place where a `**` that ended at after can end. When a
// star behind it has been met, that one has tried its whole segment of the text
// in vain, and a start which only puts it elsewhere into the same segment can
// bring nothing new.
func nextStart(text string, after, firstStar int, starred bool) int {
	if !starred {
		return after + 1
	}
	slash := firstStar + strings.IndexByte(text[firstStar:], '/') // there is one, or the text had ended first
	return max(after+1, after+slash+1-firstStar)
}

// Covers tells whether every text that begins with prefix fits pattern.
func Covers(pattern, prefix string) bool {
	return strings.HasSuffix(pattern, "**") && Match(pattern, prefix)
}
