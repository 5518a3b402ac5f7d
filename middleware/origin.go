package middleware

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/problem"
)

// OriginConfig says which browsers may call.
type OriginConfig struct {
	// Origins are the foreign origins that may, as browsers write them:
	// scheme, host and, unless it is the scheme's own, port.
	Origins []string
	// LoopbackHosts refuses every Host that is not a name of the loopback. It
	// is meant for a loopback listener that lets unproved callers in: a page
	// whose name was rebound to 127.0.0.1 would else pass for same-origin.
	LoopbackHosts bool
}

// Origin refuses what a browser sends from a page of another origin, answers
// the preflight requests of the listed ones, and lets them read the answers.
// Nothing else has an Origin or a Sec-Fetch-Site header, and passes.
func Origin(config OriginConfig) gin.HandlerFunc {
	listed := make(map[string]bool, len(config.Origins))
	for _, origin := range config.Origins {
		listed[strings.ToLower(origin)] = true
	}
	return func(c *gin.Context) {
		r := c.Request
		if config.LoopbackHosts && !loopbackHost(r.Host) {
			fail(c, problem.New(problem.ForeignOrigin, "this listener serves the loopback names only"))
			return
		}
		origins := r.Header["Origin"]
		switch {
		case len(origins) == 0 && !crossSite(r), len(origins) == 1 && sameOrigin(origins[0], r.Host):
			c.Next()
		case len(origins) == 1 && listed[strings.ToLower(origins[0])]:
			admit(c, origins[0])
		default:
			fail(c, problem.New(problem.ForeignOrigin, "this origin is not among those that may call"))
		}
	}
}

// admit lets a listed origin in and its scripts read the answer.
func admit(c *gin.Context, origin string) {
	header := c.Writer.Header()
	header.Set("Access-Control-Allow-Origin", origin)
	header.Add("Vary", "Origin")
	asked := c.Request.Header.Get("Access-Control-Request-Method")
	if c.Request.Method != http.MethodOptions || asked == "" {
		header.Set("Access-Control-Expose-Headers", "*")
		c.Next()
		return
	}
	header.Set("Access-Control-Allow-Methods", asked)
	if headers := c.Request.Header.Get("Access-Control-Request-Headers"); headers != "" {
		header.Set("Access-Control-Allow-Headers", headers)
	}
	header.Set("Access-Control-Max-Age", "600")
	header.Add("Vary", "Access-Control-Request-Method")
	header.Add("Vary", "Access-Control-Request-Headers")
	c.AbortWithStatus(http.StatusNoContent)
}

// crossSite tells whether a browser says that another site's page caused the
// request. Following a link to one of the gateway's own pages is no harm.
func crossSite(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") != "cross-site" {
		return false
	}
	follows := r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	return !follows || strings.HasPrefix(r.URL.Path, apiRoutes)
}

// sameOrigin compares hosts only: behind a proxy that ends TLS the gateway
// does not know the scheme that the browser sees.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// loopbackHost tells whether a Host header names the loopback, with any port.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.IsLoopback()
}
