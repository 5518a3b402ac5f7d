package access

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestANewKeyProvesItsApp(t *testing.T) {
	key, line, err := NewKey("orders")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(key, "otg_orders_") || len(key) != len("otg_orders_")+43 {
		t.Errorf("key %q", key)
	}
	hash, err := ParseHash(line)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAuthenticator(Apps{"orders": {Keys: []Key{{Hash: hash}}}}, "", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := a.Authenticate(&http.Request{Header: http.Header{"Authorization": {"Bearer " + key}}}); got.App != "orders" {
		t.Errorf("got %+v, %v", got, err)
	}
	if other, _, _ := NewKey("orders"); other == key {
		t.Error("two keys are the same")
	}
}

func TestNewKeyWantsAName(t *testing.T) {
	for _, app := range []string{"", "Orders", "a_b", "-a", strings.Repeat("a", 64)} {
		if _, _, err := NewKey(app); err == nil {
			t.Errorf("%q was taken", app)
		}
	}
}

func TestParseHashRefuses(t *testing.T) {
	for _, text := range []string{"", "otg_orders_secret", "sha256:", "sha256:abc", "sha256:" + strings.Repeat("g", 64), "md5:" + strings.Repeat("a", 64)} {
		if _, err := ParseHash(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{"2000/s": {2000, time.Second}, "1/m": {1, time.Minute}, "10/h": {10, time.Hour}} {
		got, err := ParseRate(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: got %+v as %q, %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "10", "0/s", "-1/s", "+1/s", "1.5/s", "10/d", "10/ s", "/s", "999999999999/s", "99999999999999999999/s"} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func TestShareIsNeverNothing(t *testing.T) {
	if got := (Rate{Count: 2, Period: time.Second}).Share(3).Count; got != 1 {
		t.Errorf("2 over 3 replicas: %d", got)
	}
	if got := (Rate{Count: 10, Period: time.Second}).Share(2).Count; got != 5 {
		t.Errorf("10 over 2 replicas: %d", got)
	}
}
