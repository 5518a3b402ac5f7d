// Package upstream passes HTTP requests to named services: it is the driver
// of backends.Invoker. Plain HTTP/1.1 endpoints are reached by a client of our
// own (direct.go), which spares the goroutine hand-offs of net/http's
// Transport; upgrades, TLS and HTTP/2 go through httputil.ReverseProxy
// (reference.go), which is also the yardstick that a differential test holds
// the own client against.
package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ottogate/ottogate/backends"
)

var _ backends.Invoker = (*Pool)(nil)

// Config names the services and how this gateway presents itself to them.
type Config struct {
	// Services by name.
	Services map[string]Service
	// Pseudonym is this gateway's name in Via, a token; a request that
	// carries it already has been here. Replicas share one.
	Pseudonym string
	// TrustedProxies are the peers whose X-Forwarded-* and Forwarded are
	// continued; what others send under these names is removed.
	TrustedProxies []netip.Prefix
}

// Service is one upstream service.
type Service struct {
	Endpoints []string      // http://host:port or https://host:port, at least one
	Balance   string        // p2c (default) or roundRobin
	Protocol  string        // http1 (default), h2 or h2c
	TLS       *tls.Config   // for https endpoints; nil = the system's roots
	Timeout   time.Duration // to the answer's headers, over all tries; 0 = the call's deadline only
	PerTry    time.Duration // to the answer's headers, of one try; 0 = Timeout
}

// Pool holds the connections to all services. It is safe for concurrent use.
type Pool struct {
	services  map[string]*service
	pseudonym string
	trusted   []netip.Prefix
	limits    limits
	buffers   buffers
	log       *slog.Logger

	mutex  sync.RWMutex // guards closed against calls.Add
	closed bool
	calls  sync.WaitGroup
	ctx    context.Context // ends with the Pool
	cancel context.CancelFunc
	reaper sync.WaitGroup
}

// service is a Service made ready.
type service struct {
	name      string
	endpoints []*endpoint
	balancer  balancer
	timeout   time.Duration
	perTry    time.Duration
	plain     carrier // for ordinary requests
	upgrading carrier // for requests that take the connection over
}

// Open makes a Pool; it connects to nobody yet. All faults of the
// configuration are reported together.
func Open(config Config, log *slog.Logger) (*Pool, error) {
	p := &Pool{
		services: make(map[string]*service), pseudonym: config.Pseudonym,
		trusted: config.TrustedProxies, limits: defaultLimits(), log: log,
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	var faults []error
	if !isToken(config.Pseudonym) {
		faults = append(faults, fmt.Errorf("pseudonym %q is not a token", config.Pseudonym))
	}
	for name, from := range config.Services {
		made, err := p.newService(name, from)
		if err != nil {
			faults = append(faults, fmt.Errorf("service %q: %w", name, err))
			continue
		}
		p.services[name] = made
	}
	if err := errors.Join(faults...); err != nil {
		p.cancel()
		return nil, err
	}
	p.reaper.Go(p.reap)
	return p, nil
}

func (p *Pool) newService(name string, from Service) (*service, error) {
	balancer, errBalance := newBalancer(from.Balance)
	endpoints, errEndpoints := newEndpoints(name, from.Endpoints)
	reference, errProtocol := newReference(p, from)
	if err := errors.Join(errBalance, errEndpoints, errProtocol); err != nil {
		return nil, err
	}
	made := &service{
		name: name, endpoints: endpoints, balancer: balancer,
		timeout: from.Timeout, perTry: from.PerTry,
		plain: reference, upgrading: reference,
	}
	if ownClientServes(from.Protocol, endpoints) {
		made.plain = newDirect(p, endpoints)
	}
	return made, nil
}

// ownClientServes tells whether the own client speaks what all endpoints do.
func ownClientServes(protocol string, endpoints []*endpoint) bool {
	secure := func(e *endpoint) bool { return e.scheme != "http" }
	return protocolOf(protocol) == http1 && !slices.ContainsFunc(endpoints, secure)
}

// Services lists the names of the services in order.
func (p *Pool) Services() []string {
	names := make([]string, 0, len(p.services))
	for name := range p.services {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Close cuts the calls under way, waits for them to end and closes all
// connections. Calls that come later are refused with problem.ShuttingDown. A
// call that waits for its caller, who sends a small body slowly or does not
// take an answer, ends with the caller's connection: close the server first.
func (p *Pool) Close() error {
	p.mutex.Lock()
	p.closed = true
	p.mutex.Unlock()
	p.cancel()
	for _, s := range p.services {
		s.plain.close()
		s.upgrading.close()
	}
	p.calls.Wait()
	for _, s := range p.services {
		s.plain.close() // once more, for what the last calls gave back
		s.upgrading.close()
	}
	p.reaper.Wait()
	return nil
}

// enter counts a call in; the caller owes calls.Done when it is true.
func (p *Pool) enter() bool {
	p.mutex.RLock()
	defer p.mutex.RUnlock()
	if p.closed {
		return false
	}
	p.calls.Add(1)
	return true
}

// reap closes connections that were idle for too long, until the Pool ends.
func (p *Pool) reap() {
	tick := time.NewTicker(p.limits.idle / 4)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-tick.C:
			for _, s := range p.services {
				s.plain.tidy(now)
			}
		}
	}
}
