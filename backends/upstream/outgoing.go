package upstream

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// eachField gives the header fields that the upstream gets, but Host and the
// framing: first the caller's, as far as they pass, then our own, so that no
// Connection header of the caller's can take ours away.
func (p *passage) eachField(yield func(name, value string)) {
	named := nominated(p.r.Header["Connection"])
	trusted := p.pool.trusts(p.r.RemoteAddr)
	for name, values := range p.r.Header {
		if p.drops(name, trusted) || (len(named) > 0 && slices.Contains(named, name)) {
			continue
		}
		for _, value := range values {
			yield(name, value)
		}
	}
	p.eachOwnField(trusted, yield)
}

// drops tells whether a field of the caller's stays here.
func (p *passage) drops(name string, trusted bool) bool {
	name = dashed(name)
	switch name {
	case "Host", "Content-Length", "Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Timeout":
		return true
	case "Expect":
		return !p.streams // nobody waits for 100 Continue: the body is here, or there is none
	case "X-Request-Id":
		return p.info.ID != ""
	case "Traceparent", "Tracestate", "Baggage":
		return p.info.Traceparent != ""
	case p.info.CredentialHeader:
		return name != ""
	}
	return isHop(name) || isOurs(name) || (!trusted && isForwarding(name))
}

func (p *passage) eachOwnField(trusted bool, yield func(name, value string)) {
	info := p.info
	yieldValid(yield, "Ottogate-App", info.App)
	yieldValid(yield, "X-Request-Id", info.ID)
	yieldValid(yield, "Traceparent", info.Traceparent)
	if info.Traceparent != "" {
		yieldValid(yield, "Tracestate", info.Tracestate)
		yieldValid(yield, "Baggage", info.Baggage)
	}
	if left := p.timeLeft(); left >= 0 {
		yield("X-Request-Timeout", strconv.FormatInt(left.Milliseconds(), 10)+"ms")
	}
	yield("Via", joined(p.r.Header["Via"], viaVersion(p.r)+p.pool.pseudonym))
	p.eachForwardingField(trusted, yield)
}

// eachForwardingField says where the request came from: X-Forwarded-* and
// Forwarded (RFC 7239), behind what trusted proxies said already.
func (p *passage) eachForwardingField(trusted bool, yield func(name, value string)) {
	var chain, elements []string
	host, proto := p.r.Host, "http"
	if p.r.TLS != nil {
		proto = "https"
	}
	peer := peerOf(p.r.RemoteAddr)
	element := "for=" + forwardedNode(peer) + ";proto=" + proto
	if isToken(host) {
		element += ";host=" + host
	} else if host != "" && !strings.ContainsAny(host, `"\`) {
		element += `;host="` + host + `"`
	}
	if trusted {
		chain, elements = p.r.Header["X-Forwarded-For"], p.r.Header["Forwarded"]
		host = firstOr(p.r.Header["X-Forwarded-Host"], host)
		proto = firstOr(p.r.Header["X-Forwarded-Proto"], proto)
	}
	yieldValid(yield, "X-Forwarded-For", joined(chain, peer))
	yieldValid(yield, "X-Forwarded-Proto", proto)
	yieldValid(yield, "X-Forwarded-Host", host)
	yieldValid(yield, "Forwarded", joined(elements, element))
}

// trusts tells whether what the peer says about earlier hops is believed.
func (p *Pool) trusts(remote string) bool {
	if len(p.trusted) == 0 {
		return false
	}
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	address := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(p.trusted, func(net netip.Prefix) bool { return net.Contains(address) })
}

// yieldValid leaves out what is empty or would break the head.
func yieldValid(yield func(name, value string), name, value string) {
	if value != "" && isValue(value) {
		yield(name, value)
	}
}

func peerOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return "unknown"
	}
	return host
}

// forwardedNode quotes an IPv6 address as RFC 7239 §6 asks.
func forwardedNode(peer string) string {
	if strings.IndexByte(peer, ':') >= 0 {
		return `"[` + peer + `]"`
	}
	return peer
}

func viaVersion(r *http.Request) string {
	if r.ProtoMajor == 2 {
		return "2.0 "
	}
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		return "1.0 "
	}
	return "1.1 "
}

// joined is a list field with one member more.
func joined(lines []string, last string) string {
	if len(lines) == 0 {
		return last
	}
	return strings.Join(lines, ", ") + ", " + last
}

func firstOr(values []string, otherwise string) string {
	if len(values) > 0 && values[0] != "" {
		return values[0]
	}
	return otherwise
}
