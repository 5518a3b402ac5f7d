package capture

import "testing"

func TestGlobs(t *testing.T) {
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
		{"", "", true},
		{"", "x", false},
	} {
		if got := compileGlobs([]string{test.pattern}).match(test.text); got != test.want {
			t.Errorf("%q on %q: %v", test.pattern, test.text, got)
		}
	}
}

func TestNoGlobsMatchEverything(t *testing.T) {
	if !compileGlobs(nil).match("anything/at/all") {
		t.Error("an empty list refuses")
	}
}
