package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"golang.org/x/net/netutil"
)

// listen binds an address; the teardown closes it if no server comes to own it.
func (g *Gateway) listen(ctx context.Context, setting, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	g.down.pushClose(setting, func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return listener, nil
}

// bounded lets only so many connections be open; more wait to be accepted.
func bounded(listener net.Listener, connections int) net.Listener {
	return netutil.LimitListener(listener, connections)
}

// server makes an HTTP server with the configured waits. Bodies have no
// overall limit in time: they may stream; the middleware sets idle limits.
func (g *Gateway) server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: g.file.Server.Timeouts.Header.Std(),
		IdleTimeout:       g.file.Server.Timeouts.Idle.Std(),
		// The middleware refuses at the limits with a problem document;
		// net/http's own bound, which cannot, stands behind it.
		MaxHeaderBytes: int(2*g.file.Server.Limits.Headers + g.file.Server.Limits.URI),
		ErrorLog:       slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}

// serve runs a server in a goroutine that Stop waits for.
func (g *Gateway) serve(name string, server *http.Server, listener net.Listener) {
	g.serving.Go(func() {
		var err error
		if server.TLSConfig != nil {
			err = server.ServeTLS(listener, "", "")
		} else {
			err = server.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			g.failed <- fmt.Errorf("%s listener: %w", name, err)
		}
	})
}

// shutdown lets requests under way finish, and cuts them when ctx ends.
func (g *Gateway) shutdown(ctx context.Context, server *http.Server) {
	if err := server.Shutdown(ctx); err != nil {
		g.log.Warn("requests were cut", "error", err)
		_ = server.Close() // there is nothing left to do about its failure
	}
}
