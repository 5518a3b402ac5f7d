package gateway

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/ulule/limiter/v3"
	limiterredis "github.com/ulule/limiter/v3/drivers/store/redis"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/capture"
	"github.com/ottogate/ottogate/configfile"
	"github.com/ottogate/ottogate/handlers"
	"github.com/ottogate/ottogate/middleware"
	"github.com/ottogate/ottogate/openapi"
)

// chain is what happens to a request before its handler, in this order:
//
//	request id → observe → problem → recovery → limits → per address → origin
//	  → auth → policy (per route) → rate limit → tcp-copy → deadline → handler
//
// The first line holds for every path, the second for those under /v1.
type chain struct {
	outer []gin.HandlerFunc
	// inner is made per route, since policy and deadline depend on it.
	inner func(handlers.Route) []gin.HandlerFunc
}

// publicHandler builds the router of the public listener.
func (g *Gateway) publicHandler(blocks *components, options Options) (http.Handler, error) {
	apps := appsOf(g.file)
	policy := access.NewPolicy(apps)
	blocks.state.Policy = policy
	links, err := g.chain(blocks, apps, policy, options)
	if err != nil {
		return nil, err
	}
	meta := handlers.Meta{
		Namespace: g.file.Namespace, Allow: policy.Rules, Ready: g.ready,
		SpecJSON: openapi.JSON(), SpecYAML: openapi.YAML(),
	}
	engine := newEngine()
	engine.Use(links.outer...)
	engine.NoRoute(middleware.NoRoute())
	engine.NoMethod(middleware.NoMethod())
	for _, route := range handlers.WithHead(meta.PublicRoutes()) {
		engine.Handle(route.Method, route.Path, noCache, middleware.Handle(route.Handle))
	}
	ui := gin.WrapH(openapi.UI("/docs/"))
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		engine.Handle(method, "/docs", func(c *gin.Context) { c.Redirect(http.StatusMovedPermanently, "/docs/") })
	}
	engine.GET("/docs/*file", ui)
	engine.HEAD("/docs/*file", ui)
	for _, route := range blocks.routes(&meta) {
		engine.Handle(route.Method, route.Path, append(links.inner(route), middleware.Handle(route.Handle))...)
	}
	return engine, nil
}

// routes lists everything under /v1: the one place from which the router, the
// specification's test and `ottogate check` know the contract.
func (c *components) routes(meta *handlers.Meta) []handlers.Route {
	var all []handlers.Route
	for _, block := range [][]handlers.Route{
		meta.Routes(), c.state.Routes(), c.pubsub.Routes(), c.config.Routes(), c.lock.Routes(), c.sequence.Routes(), c.invoke.Routes(),
	} {
		all = append(all, block...)
	}
	return handlers.WithHead(all)
}

// newEngine is gin without the defaults that hurt here: paths keep their
// escapes (keys may hold %2F and +), nothing is redirected or tidied, and no
// forwarded header is believed.
func newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode) // else gin prints every route
	engine := gin.New()
	engine.UseEscapedPath = true
	engine.UnescapePathValues = false
	engine.RedirectTrailingSlash = false
	engine.RedirectFixedPath = false
	engine.HandleMethodNotAllowed = true
	engine.ForwardedByClientIP = false
	return engine
}

func (g *Gateway) chain(blocks *components, apps access.Apps, policy *access.Policy, options Options) (chain, error) {
	server := g.file.Server
	observe, err := middleware.Observe(lineLog(g.file.Log.Access, options.Log), g.metrics)
	if err != nil {
		return chain{}, err
	}
	authenticator, err := access.NewAuthenticator(apps, g.file.Auth.Anonymous, time.Now)
	if err != nil {
		return chain{}, err
	}
	rates, err := g.rates(blocks, apps)
	if err != nil {
		return chain{}, err
	}
	tcpCopy, err := g.tcpCopy()
	if err != nil {
		return chain{}, err
	}
	outer := []gin.HandlerFunc{
		middleware.RequestID(server.TrustedProxies),
		observe,
		middleware.Problems(g.log),
		middleware.Recovery(g.log),
		middleware.Limits(middleware.LimitsConfig{
			Body: int64(server.Limits.Body), Headers: int64(server.Limits.Headers), URI: int(server.Limits.URI), InFlight: server.Limits.InFlight,
			BodyIdle: server.Timeouts.BodyIdle.Std(), Request: server.Timeouts.Request.Std(), MaxRequest: server.Timeouts.MaxRequest.Std(),
		}),
		middleware.AddressLimit(g.file.Limits.PerAddress.Rate),
		middleware.Origin(middleware.OriginConfig{
			Origins:       server.CORS.Origins,
			LoopbackHosts: g.file.Auth.Anonymous != "" && listensOnLoopback(server.Listen),
		}),
	}
	audit := lineLog(g.file.Log.Audit, options.Log)
	auth, limit := middleware.Auth(authenticator), rates.Limit()
	inner := func(route handlers.Route) []gin.HandlerFunc {
		links := []gin.HandlerFunc{auth}
		if route.Access != nil {
			links = append(links, middleware.Policy(policy, audit, route.Access))
		}
		links = append(links, limit)
		if tcpCopy != nil {
			links = append(links, tcpCopy)
		}
		links = append(links, middleware.Deadline(route.Bound != handlers.WholeAnswer))
		if route.Bound == handlers.MayStream {
			links = append(links, endWith(g.streams))
		}
		if route.Bound != handlers.HeadersOnly {
			links = append(links, noCache)
		}
		return links
	}
	return chain{outer: outer, inner: inner}, nil
}

// rates opens the per-app limits; the shared store is a redis connection.
func (g *Gateway) rates(blocks *components, apps access.Apps) (*middleware.Rates, error) {
	config := middleware.RatesConfig{Apps: make(map[string]access.Limits, len(apps)), Replicas: g.file.Limits.Replicas, Log: g.log, Registerer: g.metrics}
	for name, app := range apps {
		config.Apps[name] = app.Limits
	}
	if name := g.file.Limits.Store; name != "" {
		client := blocks.backends[name].redis.Client()
		config.Open = func(context.Context) (limiter.Store, error) {
			return limiterredis.NewStoreWithOptions(client, limiter.StoreOptions{Prefix: g.file.Namespace + ":limit"})
		}
	}
	rates, err := middleware.NewRates(config)
	if err != nil {
		return nil, err
	}
	g.down.pushClose("rate limits", func() error { rates.Close(); return nil })
	return rates, nil
}

// tcpCopy opens the recorder; nil when it is off, so that it costs nothing.
func (g *Gateway) tcpCopy() (gin.HandlerFunc, error) {
	settings := g.file.TCPCopy
	if !settings.Enabled {
		return nil, nil
	}
	recorder, err := capture.New(capture.Config{
		Directory: settings.Directory, Share: float64(settings.Sample),
		Apps: settings.Match.Apps, Routes: settings.Match.Routes,
		RedactHeaders: settings.Redact.Headers, DiskLimit: int64(settings.Guard.Disk),
	}, g.log)
	if err != nil {
		return nil, err
	}
	g.down.pushClose("tcp-copy", recorder.Close)
	g.exportCapture(recorder)
	return middleware.TCPCopy(recorder), nil
}

// endWith ends the request's context when the gateway drains, so that streams
// and long polls end instead of holding the process up. Both are asked for by a
// header or a parameter; a plain read is spared the cost.
func endWith(streams context.Context) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.URL.RawQuery == "" && !strings.Contains(c.Request.Header.Get("Accept"), handlers.EventStreamType) {
			c.Next()
			return
		}
		ctx, cancel := context.WithCancelCause(c.Request.Context())
		defer cancel(nil)
		defer context.AfterFunc(streams, func() { cancel(context.Cause(streams)) })()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}

// noCache marks answers that only their caller may keep, and must ask about.
func noCache(c *gin.Context) {
	c.Writer.Header()["Cache-Control"] = []string{"private, no-cache"}
}

// ready is the status word of /readyz.
func (g *Gateway) ready(ctx context.Context) (word string, ready bool) {
	found := g.health.check(ctx)
	return string(found.Status), found.Status == statusUp
}

// lineLog is a log without a level, for access and audit lines; nil when off.
func lineLog(where string, to io.Writer) *slog.Logger {
	if where == "off" {
		return nil
	}
	return slog.New(slog.NewJSONHandler(to, nil))
}

// listensOnLoopback says whether only this machine can reach the listener.
func listensOnLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.IsLoopback())
}

// appsOf compiles the apps of the file.
func appsOf(file *configfile.File) access.Apps {
	apps := make(access.Apps, len(file.Apps))
	for name, settings := range file.Apps {
		app := access.App{Limits: access.Limits{
			Requests: settings.Limits.Requests.Rate, Concurrency: settings.Limits.Concurrency, Body: int64(settings.Limits.Body),
		}}
		for _, key := range settings.Keys {
			app.Keys = append(app.Keys, access.Key{Hash: key.Hash, NotAfter: key.NotAfter})
		}
		for _, rule := range settings.Allow {
			app.Allow = append(app.Allow, rule.Rule)
		}
		apps[name] = app
	}
	return apps
}
