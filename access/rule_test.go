package access

import (
	"strings"
	"testing"
)

func TestParseRuleTakesActionsApart(t *testing.T) {
	for text, want := range map[string][]Action{
		"state.* main/**":       {StateRead, StateWrite},
		"lock.* main/x":         {Lock, LockForce},
		"lock main/x":           {Lock},
		"invoke payments":       {Invoke},
		"  publish  events/o  ": {Publish},
		"* **":                  Actions(),
	} {
		rule, err := ParseRule(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if len(rule.actions) != len(want) || rule.actions[0] != want[0] || rule.String() != strings.TrimSpace(text) {
			t.Errorf("%q: got %v as %q, want %v", text, rule.actions, rule, want)
		}
	}
}

func TestParseRuleSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "want an action",
		"state.read":                "want an action",
		"state.raed main/x":         `unknown action "state.raed"`,
		"st*.read main/x":           `unknown action "st*.read"`,
		"State.read main/x":         "unknown action",
		".* main/x":                 "unknown action",
		"state.read main":           "can never match; state.read takes <component>/<key>",
		"config.read apollo/orders": "can never match; config.read takes <store>/<app>/<group>",
		"state.read GET main/x":     "only invoke takes methods",
		"invoke GET, payments/**":   "an empty method",
		"invoke TRACE payments/**":  "TRACE never passes",
		"invoke get payments/**":    "written as GET,POST",
		"invoke Get,Post payments":  "written as GET,POST",
		"invoke * echo/**":          "left out for all",
		"invoke ma*n x/**":          "no name holds a space",
		"state.read * main/x":       "no name holds a space",
		"state.read main/***":       "three stars",
		"state.read /main/x":        "begins with a slash",
		"state.read main/\x00":      "control character",
		"state.read main/\xff":      "invalid UTF-8",
	} {
		if _, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestAPatternMayHoldASpace(t *testing.T) {
	policy := policyOf(t, "state.read main/a b", "invoke POST files/my file", "lock **/a b")
	if !policy.Decide("orders", Request{Action: StateRead, Resource: "main/a b"}).Allowed {
		t.Error("the key with a space is denied")
	}
	if !policy.Decide("orders", Request{Action: Invoke, Resource: "files/my file", Method: "POST"}).Allowed {
		t.Error("the path with a space is denied")
	}
	if !policy.Decide("orders", Request{Action: Lock, Resource: "main/x/a b"}).Allowed {
		t.Error("the resource with a space is denied")
	}
}

func FuzzParseRule(f *testing.F) {
	f.Add("invoke GET,POST payments/**")
	f.Add("state.* main/a b")
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := ParseRule(text)
		if err != nil {
			return
		}
		again, err := ParseRule(rule.String())
		if err != nil || again.pattern != rule.pattern || len(again.methods) != len(rule.methods) {
			t.Fatalf("%q reads as %+v, its own text as %+v, %v", text, rule, again, err)
		}
	})
}
