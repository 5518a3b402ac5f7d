package packaging

import (
	"crypto/sha256"
	"testing"

	"github.com/ottogate/ottogate/access"
)

// What the comments in the compose files and docs/operations.md tell people to
// try must be allowed.
func TestDemoMayDoWhatIsShown(t *testing.T) {
	demo := composeConfig(t).Apps["demo"]
	app := access.App{}
	for _, rule := range demo.Allow {
		app.Allow = append(app.Allow, rule.Rule)
	}
	policy := access.NewPolicy(access.Apps{"demo": app})
	for _, request := range []access.Request{
		{Action: access.StateRead, Resource: "main/greeting"},
		{Action: access.StateWrite, Resource: "main/orders/1"},
		{Action: access.Lock, Resource: "main/job"},
		{Action: access.Sequence, Resource: "main/orders"},
		{Action: access.Publish, Resource: "events/orders"},
		{Action: access.Subscribe, Resource: "events/orders"},
		{Action: access.ConfigRead, Resource: "apollo/demo/application"},
		{Action: access.Invoke, Resource: "echo/api", Method: "GET"},
	} {
		if !policy.Decide("demo", request).Allowed {
			t.Errorf("demo may not %+v", request)
		}
	}
}

func TestKeyIsTheOneThatIsShown(t *testing.T) {
	keys := composeConfig(t).Apps["demo"].Keys
	if len(keys) != 1 || keys[0].Hash != sha256.Sum256([]byte("compose-demo")) {
		t.Errorf("%v is not the hash of compose-demo", keys)
	}
}
