package access

import "strings"

// matches tells whether text fits pattern: `*` stands for any run of
// characters without a slash, `**` for any run at all, everything else for
// itself. It needs no memory and, since only the last star of each kind is
// ever tried again, its time is polynomial whatever the caller sends.
//
// Trying only the last one is enough: what follows a star is matched as early
// as possible, and an earlier star could only bring the same place later.
func matches(pattern, text string) bool {
	star, afterStar := -1, 0     // the last `*` behind the last `**`, and where it ends in text
	double, afterDouble := -1, 0 // the last `**`
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
			afterDouble++
			p, t, star = double+2, afterDouble, -1
		default:
			return false
		}
	}
	return true
}

// covers tells whether every text that begins with prefix fits pattern.
func covers(pattern, prefix string) bool {
	return strings.HasSuffix(pattern, "**") && matches(pattern, prefix)
}
