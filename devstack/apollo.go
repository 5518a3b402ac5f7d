// Package devstack holds the stand-ins of `ottogate dev`: servers in this very
// process that speak the real protocols. It knows nothing of the gateway.
package devstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// ApolloConfig says how the Apollo stand-in runs. The zero value is a server
// on a free loopback port that forgets everything when it stops.
type ApolloConfig struct {
	Listen   string            // host:port; "" = a free port on 127.0.0.1
	DataFile string            // where everything is kept; "" = in memory only
	Env      string            // the environment that the portal knows; "" = DEV
	Token    string            // of the portal's open API; "" = it refuses everybody
	Secrets  map[string]string // access key secret by app; such an app's requests must be signed
	Seed     []ApolloGroup     // released at the start unless they have been released before

	// Hold is how long a long poll waits for news; 0 = 60 s, as Apollo does.
	Hold time.Duration
	// Scan is how long after a release the waiting polls are told; Apollo
	// scans for releases about once a second. 0 = at once.
	Scan time.Duration
}

// ApolloGroup is one released namespace.
type ApolloGroup struct {
	App, Cluster, Namespace string
	Items                   map[string]string
}

// ApolloDemo is what `ottogate dev` seeds Apollo with.
func ApolloDemo() []ApolloGroup {
	return []ApolloGroup{{
		App: "demo", Cluster: "default", Namespace: "application",
		Items: map[string]string{"greeting": "hello", "feature.checkout": "true"},
	}}
}

// Apollo is a stand-in for Apollo in one process: the config service's
// protocol and a thin portal open API on one port. What was acknowledged is in
// DataFile and survives a kill. Safe for concurrent use.
type Apollo struct {
	config   ApolloConfig
	address  string
	server   *http.Server
	stopping context.Context
	stop     context.CancelFunc
	served   chan struct{}

	mu    sync.Mutex
	data  apolloData
	saved []byte // data as last written, to go back to when a write fails
	polls map[*apolloPoll]struct{}
}

// StartApollo listens and serves until Stop; ctx bounds the start only.
func StartApollo(ctx context.Context, config ApolloConfig) (*Apollo, error) {
	config = apolloDefaults(config)
	a := &Apollo{config: config, polls: map[*apolloPoll]struct{}{}, served: make(chan struct{})}
	if err := a.load(); err != nil {
		return nil, err
	}
	if err := a.seed(config.Seed); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return nil, fmt.Errorf("apollo stand-in: %w", err)
	}
	a.address = listener.Addr().String()
	a.stopping, a.stop = context.WithCancel(context.Background())
	a.server = &http.Server{Handler: a.routes(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(a.served)
		_ = a.server.Serve(listener) // always http.ErrServerClosed after Stop
	}()
	return a, nil
}

func apolloDefaults(config ApolloConfig) ApolloConfig {
	if config.Listen == "" {
		config.Listen = "127.0.0.1:0"
	}
	if config.Env == "" {
		config.Env = "DEV"
	}
	if config.Hold == 0 {
		config.Hold = time.Minute
	}
	return config
}

// seed releases the groups that have never been released.
func (a *Apollo) seed(groups []ApolloGroup) error {
	for _, group := range groups {
		if a.data.released(group.App, group.Cluster, group.Namespace) != nil {
			continue
		}
		if _, err := a.Release(group.App, group.Cluster, group.Namespace, group.Items); err != nil {
			return err
		}
	}
	return nil
}

// URL is the address of the config service.
func (a *Apollo) URL() string { return "http://" + a.address }

// PortalURL is the address of the portal.
func (a *Apollo) PortalURL() string { return a.URL() }

// Stop cuts every connection, as a crash would, and waits until the server
// has ended. It may be called twice.
func (a *Apollo) Stop() error {
	a.stop()
	err := a.server.Close()
	<-a.served
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Release makes items the whole content of a namespace, which is made if
// there is none, and releases it. It returns the release key.
func (a *Apollo) Release(app, cluster, namespace string, items map[string]string) (string, error) {
	var key string
	err := a.change(func(data *apolloData) (string, error) {
		ns := data.ensure(app, cluster, namespace)
		ns.replace(items)
		release := data.release(ns, "release", "", "apollo")
		key = release.Key
		return ns.watchKey(), nil
	})
	return key, err
}

// Delete removes a namespace with its releases; the config service answers
// 404 for it from then on.
func (a *Apollo) Delete(app, cluster, namespace string) error {
	return a.change(func(data *apolloData) (string, error) {
		ns := data.find(app, cluster, namespace)
		if ns == nil {
			return "", errNoNamespace
		}
		delete(data.Namespaces, ns.watchKey())
		data.notify(ns.watchKey())
		return ns.watchKey(), nil
	})
}
