package middleware

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// ClientAddress is the address that a request came from: the peer's, or, when
// that is a trusted proxy, the rightmost of X-Forwarded-For that is none. What
// stands further left is the caller's own claim and is never believed. It is
// the zero Addr when the peer has no IP address.
func ClientAddress(c *gin.Context) netip.Addr {
	x := exchangeOf(c)
	if !x.address.IsValid() {
		x.address = clientAddress(c.Request.RemoteAddr, c.Request.Header["X-Forwarded-For"], x.trusted)
	}
	return x.address
}

func clientAddress(remote string, forwarded []string, trusted []netip.Prefix) netip.Addr {
	address := parseAddress(remote)
	for _, line := range slices.Backward(forwarded) {
		for rest, more := line, true; more; {
			if !isIn(address, trusted) {
				return address
			}
			var last string
			last, rest, more = cutLast(rest)
			next := parseAddress(strings.TrimSpace(last))
			if !next.IsValid() {
				return address // a proxy wrote something else than an address
			}
			address = next
		}
	}
	return address
}

// cutLast gives what is behind the last comma of a list, and what is before it.
func cutLast(list string) (last, before string, more bool) {
	comma := strings.LastIndexByte(list, ',')
	if comma < 0 {
		return list, "", false
	}
	return list[comma+1:], list[:comma], true
}

// parseAddress reads an IP address with or without a port. An IPv4 address in
// IPv6 form is given as IPv4.
func parseAddress(text string) netip.Addr {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone("")
	}
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
}

func isIn(address netip.Addr, prefixes []netip.Prefix) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
