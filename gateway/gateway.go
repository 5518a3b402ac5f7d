// Package gateway turns a configuration into a running server. It is the only
// room that knows every other.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ottogate/ottogate/configfile"
	"github.com/ottogate/ottogate/problem"
)

// Options are what a program gives a gateway besides its configuration.
type Options struct {
	Version Version
	// Log receives everything: operation, access and audit lines, each one JSON
	// object written by one call. It must be safe for concurrent use.
	Log io.Writer
}

// Version says which build this is.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

// Gateway is one running replica. Several can run in one process. Its methods
// are safe for concurrent use, but Start and Stop are called once each.
type Gateway struct {
	file    *configfile.File
	out     io.Writer
	log     *slog.Logger
	level   *slog.LevelVar
	metrics *prometheus.Registry
	health  *health
	down    teardown
	streams context.Context // ends, with a cause, when streams shall
	endAll  context.CancelCauseFunc
	version Version

	api, admin         *http.Server
	apiAddr, adminAddr net.Listener
	serving            sync.WaitGroup
	failed             chan error // a listener that died
}

// New opens everything that the configuration names and binds both listeners,
// without waiting for any backend: a gateway starts when all of them are down.
// When it fails, nothing stays open. file is not kept by anyone else.
func New(ctx context.Context, file *configfile.File, options Options) (*Gateway, error) {
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(file.Log.Level)); err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	log := slog.New(slog.NewJSONHandler(options.Log, &slog.HandlerOptions{Level: level}))
	g := &Gateway{
		file: file, out: options.Log, log: log, level: level, metrics: newMetrics(), version: options.Version,
		down: teardown{log: log}, failed: make(chan error, 2),
	}
	g.streams, g.endAll = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := g.open(ctx, options); err != nil {
		g.endAll(nil)
		return nil, errors.Join(err, g.down.run(context.WithoutCancel(ctx)))
	}
	return g, nil
}

// open does New's work; what it opened is on the teardown.
func (g *Gateway) open(ctx context.Context, options Options) error {
	blocks, err := openComponents(ctx, g.file, g.log, &g.down)
	if err != nil {
		return err
	}
	g.health = blocks.health
	public, err := g.publicHandler(blocks, options)
	if err != nil {
		return err
	}
	if g.apiAddr, err = g.listen(ctx, "server.listen", g.file.Server.Listen); err != nil {
		return err
	}
	if g.adminAddr, err = g.listen(ctx, "server.admin", g.file.Server.Admin); err != nil {
		return err
	}
	security, err := serverTLS(g.file.Server.TLS)
	if err != nil {
		return err
	}
	g.api, g.admin = g.server(public), g.server(g.adminHandler())
	g.api.TLSConfig = security
	g.apiAddr = bounded(g.apiAddr, g.file.Server.Limits.Connections)
	return nil
}

// Start begins to serve and returns at once.
func (g *Gateway) Start() {
	g.serve("api", g.api, g.apiAddr)
	g.serve("admin", g.admin, g.adminAddr)
	g.health.start()
	// Whoever starts the process reads this line, whatever the level is.
	lineLog("", g.out).Info("listening", "api", g.Addr(), "admin", g.AdminAddr(), "namespace", g.file.Namespace, "version", g.version.Version)
}

// Addr is the address of the public listener, as host:port.
func (g *Gateway) Addr() string { return g.apiAddr.Addr().String() }

// AdminAddr is the address of the admin listener.
func (g *Gateway) AdminAddr() string { return g.adminAddr.Addr().String() }

// Stop drains: readiness turns off, requests are still served for
// drain.delay, then streams end and what is under way has drain.timeout; at
// last every backend is closed. It blocks until all is done; ctx cuts both
// waits short. Requests that had to be cut are logged and are no error: a
// stream through invoke may never end by itself.
func (g *Gateway) Stop(ctx context.Context) error {
	g.health.drain()
	g.log.Info("draining", "delay", g.file.Server.Drain.Delay.String(), "timeout", g.file.Server.Drain.Timeout.String())
	select {
	case <-ctx.Done():
	case <-time.After(g.file.Server.Drain.Delay.Std()):
	}
	g.endAll(problem.New(problem.ShuttingDown, "this replica is shutting down"))
	bounded, cancel := context.WithTimeout(ctx, g.file.Server.Drain.Timeout.Std())
	defer cancel()
	g.shutdown(bounded, g.api)
	g.shutdown(bounded, g.admin)
	g.serving.Wait()
	err := g.down.run(context.WithoutCancel(ctx))
	g.log.Info("stopped")
	return err
}

// Run is Start and Wait.
func (g *Gateway) Run(ctx context.Context) error {
	g.Start()
	return g.Wait(ctx)
}

// Wait blocks until ctx ends or a listener dies, then stops the gateway. How
// long a drain may take is the configuration's to say, not ctx's.
func (g *Gateway) Wait(ctx context.Context) error {
	var died error
	select {
	case <-ctx.Done():
	case died = <-g.failed:
	}
	return errors.Join(died, g.Stop(context.WithoutCancel(ctx)))
}
