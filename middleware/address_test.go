package middleware

import (
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	cases := []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"the peer", "192.0.2.7:5000", nil, "192.0.2.7"},
		{"a stranger's claim", "192.0.2.7:5000", []string{"203.0.113.9"}, "192.0.2.7"},
		{"one proxy", "10.0.0.1:5000", []string{"203.0.113.9"}, "203.0.113.9"},
		{"a claim left of the truth", "10.0.0.1:5000", []string{"127.0.0.1, 203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "10.0.0.1:5000", []string{"198.51.100.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"over several lines", "10.0.0.1:5000", []string{"198.51.100.1", "203.0.113.9", "10.0.0.2,10.3.3.3"}, "203.0.113.9"},
		{"all trusted", "10.0.0.1:5000", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"with a port", "10.0.0.1:5000", []string{"203.0.113.9:44"}, "203.0.113.9"},
		{"rubbish", "10.0.0.1:5000", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		{"empty", "10.0.0.1:5000", []string{""}, "10.0.0.1"},
		{"IPv6 in brackets", "[fd00::1]:5000", []string{"[2001:db8::5]"}, "2001:db8::5"},
		{"IPv6 with a zone", "[fe80::1%eth0]:5000", nil, "fe80::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:5000", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"a socket", "@", []string{"203.0.113.9"}, "invalid IP"},
	}
	for _, c := range cases {
		if got := clientAddress(c.remote, c.forwarded, trusted).String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNoProxyIsTrustedByDefault(t *testing.T) {
	if got := clientAddress("127.0.0.1:1", []string{"203.0.113.9"}, nil).String(); got != "127.0.0.1" {
		t.Errorf("got %s", got)
	}
}
