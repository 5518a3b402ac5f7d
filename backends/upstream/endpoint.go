package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
)

// endpoint is one address of a service.
type endpoint struct {
	scheme  string // http or https
	address string // host:port
	label   string // service/host:port, as answers name it
	load    atomic.Int64
}

func newEndpoints(service string, addresses []string) ([]*endpoint, error) {
	if len(addresses) == 0 {
		return nil, errors.New("no endpoints")
	}
	var endpoints []*endpoint
	var faults []error
	for _, address := range addresses {
		e, err := newEndpoint(service, address)
		if err != nil {
			faults = append(faults, fmt.Errorf("endpoint %q: %w", address, err))
			continue
		}
		endpoints = append(endpoints, e)
	}
	return endpoints, errors.Join(faults...)
}

func newEndpoint(service, address string) (*endpoint, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	port, known := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	switch {
	case !known:
		return nil, errors.New("must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("names no host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/"):
		return nil, errors.New("must be scheme, host and port only")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	hostPort := net.JoinHostPort(u.Hostname(), port)
	return &endpoint{scheme: u.Scheme, address: hostPort, label: service + "/" + hostPort}, nil
}
