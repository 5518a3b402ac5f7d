package access

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ottogate/ottogate/glob"
)

func policyOf(tb testing.TB, rules ...string) *Policy {
	tb.Helper()
	var allow []Rule
	for _, text := range rules {
		rule, err := ParseRule(text)
		if err != nil {
			tb.Fatal(err)
		}
		allow = append(allow, rule)
	}
	return NewPolicy(Apps{"orders": {Allow: allow}})
}

func TestDecide(t *testing.T) {
	policy := policyOf(t,
		"state.* main/**", "state.read audit/*/public", "publish events/orders.*", "subscribe events/payments",
		"config.read apollo/orders/**", "lock main/orders/**", "invoke GET,POST payments/**", "invoke echo",
		"service.read *", "sequence main/inv*ce/**/end", "service.register billing/**")
	cases := []struct {
		r    Request
		rule string
	}{
		{Request{Action: StateRead, Resource: "main/orders/1"}, "state.* main/**"},
		{Request{Action: StateWrite, Resource: "main/"}, "state.* main/**"},
		{Request{Action: StateRead, Resource: "main//x"}, "state.* main/**"},
		{Request{Action: StateRead, Resource: "main/../other/x"}, "state.* main/**"},
		{Request{Action: StateRead, Resource: "other/../main/x"}, ""},
		{Request{Action: StateRead, Resource: "main"}, ""},
		{Request{Action: StateRead, Resource: "mainx/1"}, ""},
		{Request{Action: StateRead, Resource: "Main/1"}, ""},
		{Request{Action: StateRead, Resource: ""}, ""},
		{Request{Action: StateRead, Resource: "audit/eu/public"}, "state.read audit/*/public"},
		{Request{Action: StateRead, Resource: "audit//public"}, "state.read audit/*/public"},
		{Request{Action: StateRead, Resource: "audit/eu/west/public"}, ""},
		{Request{Action: StateWrite, Resource: "audit/eu/public"}, ""},
		{Request{Action: Publish, Resource: "events/orders.created"}, "publish events/orders.*"},
		{Request{Action: Publish, Resource: "events/orders"}, ""},
		{Request{Action: Subscribe, Resource: "events/payments"}, "subscribe events/payments"},
		{Request{Action: Subscribe, Resource: "events/payments2"}, ""},
		{Request{Action: ConfigRead, Resource: "apollo/orders/application"}, "config.read apollo/orders/**"},
		{Request{Action: ConfigWrite, Resource: "apollo/orders/application"}, ""},
		{Request{Action: Lock, Resource: "main/orders/7"}, "lock main/orders/**"},
		{Request{Action: LockForce, Resource: "main/orders/7"}, ""},
		{Request{Action: Invoke, Resource: "payments/v2/pay", Method: "POST"}, "invoke GET,POST payments/**"},
		{Request{Action: Invoke, Resource: "payments/", Method: "HEAD"}, "invoke GET,POST payments/**"},
		{Request{Action: Invoke, Resource: "payments", Method: "GET"}, "invoke GET,POST payments/**"},
		{Request{Action: Invoke, Resource: "payments/v2", Method: "DELETE"}, ""},
		{Request{Action: Invoke, Resource: "echo/any/path", Method: "PURGE"}, "invoke echo"},
		{Request{Action: Invoke, Resource: "echo2/", Method: "GET"}, ""},
		{Request{Action: ServiceRead, Resource: "payments"}, "service.read *"},
		{Request{Action: ServiceRegister, Resource: "billing"}, "service.register billing/**"},
		{Request{Action: Sequence, Resource: "main/invoice/a/b/end"}, "sequence main/inv*ce/**/end"},
		{Request{Action: Sequence, Resource: "main/inv/oice/end"}, ""},
		{Request{Action: "", Resource: "main/orders/1"}, ""},
	}
	for _, c := range cases {
		if got := policy.Decide("orders", c.r); got.Rule != c.rule || got.Allowed != (c.rule != "") {
			t.Errorf("%+v: got %+v, want rule %q", c.r, got, c.rule)
		}
	}
}

func TestDecidePrefix(t *testing.T) {
	policy := policyOf(t, "state.read main/orders/**", "state.read main/a*", "state.read main/exact", "state.read **/x/**")
	for resource, want := range map[string]bool{
		"main/orders/": true, "main/orders/eu": true, "main/orders": false, "main/": false, "": false,
		"main/a": false, "main/ab": false, "main/exact": false, "other/x/": true, "other/x": false,
	} {
		if got := policy.Decide("orders", Request{Action: StateRead, Resource: resource, Prefix: true}); got.Allowed != want {
			t.Errorf("prefix %q: got %+v, want %v", resource, got, want)
		}
	}
}

func TestASplitNodeKeepsWhatHangsBelow(t *testing.T) {
	policy := policyOf(t, "state.read main/abcd", "state.read main/abce", "state.read main/axyz", "state.read main/**/end", "state.read main/ab")
	for _, key := range []string{"abcd", "abce", "axyz", "q/end", "ab"} {
		if !policy.Decide("orders", Request{Action: StateRead, Resource: "main/" + key}).Allowed {
			t.Errorf("%s is denied", key)
		}
	}
}

func TestUnknownAppMayDoNothing(t *testing.T) {
	policy := policyOf(t, "* **")
	for _, action := range Actions() {
		r := Request{Action: action, Resource: "main/x"}
		if !policy.Decide("orders", r).Allowed {
			t.Errorf("%s: `* **` must allow it", action)
		}
		if policy.Decide("nobody", r).Allowed || policy.Decide("", r).Allowed {
			t.Errorf("%s: an unknown app was let in", action)
		}
	}
}

var (
	somePattern = rapid.StringMatching(`(a|b|/|\*|\*\*a|\*\*/|/\*\*/|ab){0,6}(\*\*)?`)
	someText    = rapid.StringMatching(`[ab/]{0,12}`)
)

func TestDecideAsALinearSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rules []Rule
		for _, pattern := range rapid.SliceOfN(somePattern, 1, 12).Draw(t, "patterns") {
			if rule, err := ParseRule("state.read " + pattern); err == nil {
				rules = append(rules, rule)
			}
		}
		text := someText.Draw(t, "text")
		if len(rules) > 0 && rapid.Bool().Draw(t, "likely") {
			text = strings.ReplaceAll(rapid.SampledFrom(rules).Draw(t, "rule").pattern, "*", "")
		}
		r := Request{Action: StateRead, Resource: text, Prefix: rapid.Bool().Draw(t, "prefix")}
		want := false
		for _, rule := range rules {
			want = want || glob.Match(rule.pattern, r.Resource) && (!r.Prefix || strings.HasSuffix(rule.pattern, "**"))
		}
		if got := NewPolicy(Apps{"a": {Allow: rules}}).Decide("a", r); got.Allowed != want {
			t.Fatalf("%v for %+v: got %+v, want %v", rules, r, got, want)
		}
	})
}

func FuzzDecide(f *testing.F) {
	f.Add("main/**", "main/orders/1")
	f.Add("a*b**c*", "axxb//c")
	f.Add("*/**/é", "m/\x00/é")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		rule, err := ParseRule("state.read " + pattern)
		if err != nil {
			t.Skip("not a rule")
		}
		got := NewPolicy(Apps{"a": {Allow: []Rule{rule}}}).Decide("a", Request{Action: StateRead, Resource: text})
		if want := glob.Match(rule.pattern, text); got.Allowed != want {
			t.Fatalf("rule %q, resource %q: got %v, want %v", rule, text, got.Allowed, want)
		}
	})
}

func manyRules(tb testing.TB) *Policy {
	tb.Helper()
	var rules []string
	for i := range 1000 {
		rules = append(rules, fmt.Sprintf("state.* main/tenant-%d/**", i))
	}
	return policyOf(tb, rules...)
}

func TestDecideAllocatesNothing(t *testing.T) {
	policy := manyRules(t)
	allocs := testing.AllocsPerRun(100, func() {
		if !policy.Decide("orders", Request{Action: StateRead, Resource: "main/tenant-517/orders/1"}).Allowed {
			t.Fatal("denied")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkDecideAmongAThousandRules(b *testing.B) {
	policy := manyRules(b)
	b.ReportAllocs()
	for b.Loop() {
		policy.Decide("orders", Request{Action: StateRead, Resource: "main/tenant-517/orders/1"})
	}
}
