package glob

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "orders", true},
		{"*", "", true},
		{"*", "a/b", false},
		{"**", "a/b", true},
		{"orders", "orders", true},
		{"orders", "orders2", false},
		{"ord*", "ord", true},
		{"*s", "orders", true},
		{"/v1/invoke/**", "/v1/invoke/orders/7", true},
		{"/v1/invoke/**", "/v1/invoke", false},
		{"/v1/*/orders/**", "/v1/invoke/orders/7", true},
		{"/v1/*/orders/**", "/v1/invoke/x/orders/7", false},
		{"/v1/**/orders", "/v1/a/b/orders", true},
		{"**/x/*", "a/x/b/x/c", true},
		{"**ab*c", "abab/abc", true},
		{"", "", true},
		{"", "x", false},
	} {
		if got := Match(test.pattern, test.text); got != test.want {
			t.Errorf("%q on %q: %v", test.pattern, test.text, got)
		}
	}
}

// reference says what a pattern means, with no eye to speed.
func reference(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case strings.HasPrefix(pattern, "**"):
		for i := 0; i <= len(text); i++ {
			if reference(pattern[2:], text[i:]) {
				return true
			}
		}
		return false
	case pattern[0] == '*':
		for i := 0; i <= len(text); i++ {
			if reference(pattern[1:], text[i:]) {
				return true
			}
			if i < len(text) && text[i] == '/' {
				return false
			}
		}
		return false
	default:
		return text != "" && text[0] == pattern[0] && reference(pattern[1:], text[1:])
	}
}

var (
	somePattern = rapid.StringMatching(`(a|b|/|\*|\*\*a|\*\*/|/\*\*/|ab|a\*b){0,6}(\*\*)?`)
	someText    = rapid.StringMatching(`[ab/]{0,14}`)
)

func TestMatchesAsTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern, text := somePattern.Draw(t, "pattern"), someText.Draw(t, "text")
		if got, want := Match(pattern, text), reference(pattern, text); got != want {
			t.Fatalf("Match(%q, %q) = %v, want %v", pattern, text, got, want)
		}
	})
}

func TestWhatIsCoveredMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern, prefix := somePattern.Draw(t, "pattern"), someText.Draw(t, "prefix")
		if Covers(pattern, prefix) && !reference(pattern, prefix+someText.Draw(t, "rest")) {
			t.Fatalf("%q does not cover %q", pattern, prefix)
		}
	})
}

// Texts on which engines that go back take minutes.
func TestHostileTextsTakeLinearTime(t *testing.T) {
	long := strings.Repeat("a", 1<<18)
	segments := strings.Repeat("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/", 1<<13)
	for _, test := range []struct{ pattern, text string }{
		{"**a*b", long + "/"},
		{"**a*a*a*a*b", long + "/a"},
		{"*a*a*a*a*b", long},
		{"**a**a**a**b", long},
		{"**a*b/a*b/**", segments},
		{"**a*/a*/a*/b", segments},
		{"a*b**a*a*b", "ab" + long + "/"},
	} {
		begun := time.Now()
		if Match(test.pattern, test.text) {
			t.Errorf("%q matched", test.pattern)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%q took %v", test.pattern, took)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("main/**", "main/orders/1")
	f.Add("a*b**c*", "axxb//c")
	f.Add("*/**/é", "m/\x00/é")
	f.Add("**a*b/a*b", "aab/ab/aab")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(text) > 30 || strings.Count(pattern, "*") > 8 {
			t.Skip("the reference is exponential")
		}
		if got, want := Match(pattern, text), reference(pattern, text); got != want {
			t.Fatalf("Match(%q, %q) = %v, want %v", pattern, text, got, want)
		}
	})
}
