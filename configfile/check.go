package configfile

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// checker looks at what no single value shows: settings that contradict each
// other and names that nothing has.
type checker struct {
	*report
	file *File
}

// faultf reports unless path, or something within it, has a fault already: one
// mistake is reported once.
func (c *checker) faultf(path, format string, args ...any) {
	if c.sound(path) {
		c.report.faultf(path, format, args...)
	}
}

// sound tells whether nothing at or within a path has a fault.
func (c *checker) sound(path string) bool { return !c.faulty[path] }

func (c *checker) all() {
	c.server()
	c.apps()
	c.limits()
	c.connections()
	c.components()
	c.encodings()
	c.services()
	c.tcpCopy()
}

func (c *checker) server() {
	server := c.file.Server
	if server.Timeouts.Request > server.Timeouts.MaxRequest && c.sound("server.timeouts.maxRequest") {
		c.faultf("server.timeouts.request", "%v is longer than maxRequest, %v", server.Timeouts.Request, server.Timeouts.MaxRequest)
	}
	if server.Listen == server.Admin && !picksPort(server.Listen) {
		c.faultf("server.admin", "is the same address as server.listen")
	}
	if c.file.Admin.Token == "" && c.sound("admin.token") && !isLoopback(server.Admin) {
		c.faultf("server.admin", "is not a loopback address, so it needs admin.token")
	}
}

func picksPort(address string) bool {
	_, port, _ := net.SplitHostPort(address)
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number == 0
}

func isLoopback(address string) bool {
	hostText, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(hostText)
	return hostText == "localhost" || err == nil && ip.IsLoopback()
}

func (c *checker) apps() {
	if app := c.file.Auth.Anonymous; app != "" {
		c.exists("auth.anonymous", app, "app", names(c.file.Apps))
	}
	owners := map[KeyHash]string{}
	for _, app := range names(c.file.Apps) {
		for i, key := range c.file.Apps[app].Keys {
			path := join("apps", app) + ".keys[" + strconv.Itoa(i) + "]"
			if owner, taken := owners[key.Hash]; taken && key.Hash != (KeyHash{}) {
				c.faultf(path, "is a key of app %s already", owner)
			}
			owners[key.Hash] = app
		}
	}
}

func (c *checker) limits() {
	store := c.file.Limits.Store
	if store != "" && c.exists("limits.store", store, "connection", names(c.file.Connections)) {
		c.fits("limits.store", c.file.Connections[store].Driver, DriverRedis)
	}
}

func (c *checker) services() {
	for name, service := range c.file.Invoke.Services {
		path := join("invoke.services", name)
		c.clientTLS(path+".tls", service.TLS)
		c.protocol(path, service)
		if service.PerTry > service.Timeout && service.Timeout > 0 && c.sound(path+".timeout") {
			c.faultf(path+".perTry", "%v is longer than timeout, %v", service.PerTry, service.Timeout)
		}
	}
}

// protocol holds the scheme of every endpoint against the protocol, which
// speaks either with TLS or without.
func (c *checker) protocol(path string, service Service) {
	wrong := map[Protocol]string{ProtocolH2: "http://", ProtocolH2C: "https://"}[service.Protocol]
	for i, endpoint := range service.Endpoints {
		if wrong != "" && strings.HasPrefix(endpoint, wrong) {
			c.faultf(path+".endpoints["+strconv.Itoa(i)+"]", "protocol %s does not work over %s", service.Protocol, wrong)
		}
	}
}

func (c *checker) tcpCopy() {
	tcpCopy := c.file.TCPCopy
	if tcpCopy.Enabled && tcpCopy.Directory == "" {
		c.faultf("tcpCopy.directory", "is missing; tcpCopy.enabled needs it")
	}
	for i, app := range tcpCopy.Match.Apps {
		if app != "*" {
			c.exists("tcpCopy.match.apps["+strconv.Itoa(i)+"]", app, "app", names(c.file.Apps))
		}
	}
}

// exists reports a name that nothing of its kind has.
func (c *checker) exists(path, wanted, kind string, known []string) bool {
	if slices.Contains(known, wanted) {
		return true
	}
	c.faultf(path, "no %s has the name %s%s", kind, c.shown(path, wanted), c.hint(path, wanted, known))
	return false
}

// shown is a value as a fault may repeat it.
func (c *checker) shown(path, text string) string {
	if c.file.expanded[path] {
		return mask
	}
	return quote(text)
}

func (c *checker) hint(path, wanted string, known []string) string {
	if c.file.expanded[path] {
		return ""
	}
	return didYouMean(wanted, known)
}

func names[V any](table map[string]V) []string { return slices.Sorted(maps.Keys(table)) }
