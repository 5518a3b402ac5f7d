package access

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ottogate/ottogate/problem"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func keyOf(tb testing.TB, text string, notAfter time.Time) Key {
	tb.Helper()
	hash, err := ParseHash(HashOf(text))
	if err != nil {
		tb.Fatal(err)
	}
	return Key{Hash: hash, NotAfter: notAfter}
}

func authenticator(tb testing.TB, anonymous string) *Authenticator {
	tb.Helper()
	a, err := NewAuthenticator(Apps{
		"alice": {Keys: []Key{keyOf(tb, "old-alice", now), keyOf(tb, "alice-1", now.Add(time.Second)), keyOf(tb, "alice-2", time.Time{}), keyOf(tb, "a.b.c", time.Time{})}},
		"bob":   {Keys: []Key{keyOf(tb, "bob-1", time.Time{})}},
		"demo":  {},
	}, anonymous, func() time.Time { return now })
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func TestAuthenticate(t *testing.T) {
	long := strings.Repeat("k", 4096)
	cases := []struct {
		name, anonymous string
		header          http.Header
		app, via, by    string
		code            problem.Code
	}{
		{name: "bearer", header: http.Header{"Authorization": {"Bearer alice-2"}}, app: "alice", via: ViaAPIKey, by: "Authorization"},
		{name: "bearer in lower case", header: http.Header{"Authorization": {"bearer  bob-1"}}, app: "bob", via: ViaAPIKey, by: "Authorization"},
		{name: "X-Api-Key", header: http.Header{"X-Api-Key": {"alice-1"}}, app: "alice", via: ViaAPIKey, by: "X-Api-Key"},
		{name: "a proving X-Api-Key leaves Authorization alone", header: http.Header{"X-Api-Key": {"bob-1"}, "Authorization": {"Basic nonsense"}}, app: "bob", via: ViaAPIKey, by: "X-Api-Key"},
		{name: "two keys of one app", header: http.Header{"X-Api-Key": {"alice-1", "alice-2"}}, app: "alice", via: ViaAPIKey, by: "X-Api-Key"},
		{name: "two keys of two apps", header: http.Header{"X-Api-Key": {"alice-1", "bob-1"}}, code: problem.InvalidCredential},
		{name: "a wrong X-Api-Key beside a good bearer", header: http.Header{"X-Api-Key": {"no"}, "Authorization": {"Bearer bob-1"}}, code: problem.InvalidCredential},
		{name: "expired", header: http.Header{"X-Api-Key": {"old-alice"}}, code: problem.InvalidCredential},
		{name: "unknown", header: http.Header{"Authorization": {"Bearer nobody"}}, code: problem.InvalidCredential},
		{name: "empty", header: http.Header{"X-Api-Key": {""}}, anonymous: "demo", code: problem.InvalidCredential},
		{name: "long", header: http.Header{"X-Api-Key": {long}}, code: problem.InvalidCredential},
		{name: "a token of three parts", header: http.Header{"Authorization": {"Bearer a.b.c"}}, code: problem.InvalidCredential},
		{name: "another scheme", header: http.Header{"Authorization": {"Basic YTpi"}}, anonymous: "demo", code: problem.InvalidCredential},
		{name: "two bearers", header: http.Header{"Authorization": {"Bearer bob-1", "Bearer bob-1"}}, code: problem.InvalidCredential},
		{name: "none", header: http.Header{}, code: problem.Unauthenticated},
		{name: "none, anonymous", header: http.Header{}, anonymous: "demo", app: "demo", via: ViaAnonymous},
		{name: "wrong, anonymous", header: http.Header{"X-Api-Key": {"no"}}, anonymous: "demo", code: problem.InvalidCredential},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := authenticator(t, c.anonymous).Authenticate(&http.Request{Header: c.header})
			if got.App != c.app || got.Via != c.via || got.CredentialHeader != c.by || problem.CodeOf(err) != c.code {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestIdentityKnowsWhenItsKeyEnds(t *testing.T) {
	got, err := authenticator(t, "").Authenticate(&http.Request{Header: http.Header{"X-Api-Key": {"alice-1"}}})
	if err != nil || !got.NotAfter.Equal(now.Add(time.Second)) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestUnknownAndExpiredKeysLookAlike(t *testing.T) {
	a := authenticator(t, "")
	_, unknown := a.Authenticate(&http.Request{Header: http.Header{"X-Api-Key": {"nobody"}}})
	_, expired := a.Authenticate(&http.Request{Header: http.Header{"X-Api-Key": {"old-alice"}}})
	if unknown == nil || expired == nil || unknown.Error() != expired.Error() {
		t.Errorf("%v differs from %v", unknown, expired)
	}
}

func TestNewAuthenticatorRefuses(t *testing.T) {
	if _, err := NewAuthenticator(Apps{}, "ghost", time.Now); err == nil {
		t.Error("an anonymous app that does not exist was taken")
	}
	shared := []Key{keyOf(t, "k", time.Time{})}
	if _, err := NewAuthenticator(Apps{"a": {Keys: shared}, "b": {Keys: shared}}, "", time.Now); err == nil {
		t.Error("a key of two apps was taken")
	}
}

func TestAuthenticateAllocatesNothing(t *testing.T) {
	a := authenticator(t, "")
	for header, value := range map[string]string{"X-Api-Key": "alice-2", "Authorization": "Bearer alice-1"} {
		r := &http.Request{Header: http.Header{header: {value}}}
		if allocs := testing.AllocsPerRun(100, func() { _, _ = a.Authenticate(r) }); allocs != 0 {
			t.Errorf("%s: %v allocations", header, allocs)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add("Bearer alice-2")
	f.Add("Bearer a.b.c")
	f.Add("Basic YTpi")
	f.Fuzz(func(t *testing.T, value string) {
		got, err := authenticator(t, "demo").Authenticate(&http.Request{Header: http.Header{"Authorization": {value}}})
		if (err == nil) != (got.App != "") || got.Via == ViaAnonymous {
			t.Fatalf("%q: %+v, %v", value, got, err)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	a := authenticator(b, "")
	r := &http.Request{Header: http.Header{"X-Api-Key": {"alice-2"}}}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = a.Authenticate(r)
	}
}
