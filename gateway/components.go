package gateway

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/backends/upstream"
	"github.com/ottogate/ottogate/configfile"
	"github.com/ottogate/ottogate/handlers"
)

// components are the building blocks, wired to their backends.
type components struct {
	state    handlers.State
	lock     handlers.Lock
	sequence handlers.Sequence
	pubsub   handlers.PubSub
	config   handlers.Config
	invoke   handlers.Invoke
	health   *health
	backends map[string]*backend
}

// openComponents opens every connection once and hands it to the components
// that name it. What is opened is pushed on the teardown.
func openComponents(ctx context.Context, file *configfile.File, log *slog.Logger, down *teardown) (*components, error) {
	c := &components{health: newHealth(), backends: make(map[string]*backend, len(file.Connections))}
	table := drivers()
	for name, connection := range file.Connections {
		opened, err := table[connection.Driver](ctx, connection, log.With("connection", name))
		if err != nil {
			return nil, fmt.Errorf("connections.%s: %w", name, err)
		}
		down.pushClose("connection "+name, opened.close)
		c.backends[name] = opened
	}
	c.openStores(file)
	if err := c.openConfig(file, down); err != nil {
		return nil, err
	}
	return c, c.openInvoke(file, log, down)
}

func (c *components) openStores(file *configfile.File) {
	c.state.Stores = make(map[string]handlers.StateComponent, len(file.State))
	for name, settings := range file.State {
		opened := c.watched(file, "state/"+name, settings.Source)
		c.state.Stores[name] = handlers.StateComponent{
			Store: opened.state(settings), MaxScan: settings.MaxScan,
			Keys: handlers.NewKeyspace(file.Namespace, "state", name, settings.Keys.String()),
		}
	}
	c.state.MaxValue = int(file.Server.Limits.Body)
	c.state.Locks = make(map[string]handlers.Keyspace, len(file.Lock))
	c.lock.Stores = make(map[string]handlers.LockComponent, len(file.Lock))
	for name, settings := range file.Lock {
		locker := c.watched(file, "lock/"+name, settings.Source).lock()
		c.lock.Stores[name] = handlers.LockComponent{
			Locker: locker, Keys: handlers.NewKeyspace(file.Namespace, "lock", name, settings.Keys.String()),
		}
		c.state.Locks[name] = c.lock.Stores[name].Keys
		c.probeItself(file, "lock/"+name, settings.Source, locker)
	}
	c.sequence.Stores = make(map[string]handlers.SequenceComponent, len(file.Sequence))
	for name, settings := range file.Sequence {
		sequencer := c.watched(file, "sequence/"+name, settings.Source).sequence()
		c.sequence.Stores[name] = handlers.SequenceComponent{
			Sequencer: sequencer, Keys: handlers.NewKeyspace(file.Namespace, "sequence", name, settings.Keys.String()),
		}
		c.probeItself(file, "sequence/"+name, settings.Source, sequencer)
	}
	c.pubsub.Components = make(map[string]handlers.PubSubComponent, len(file.PubSub))
	for name, settings := range file.PubSub {
		publisher, subscriber := c.watched(file, "pubsub/"+name, settings.Source).pubsub(settings)
		c.pubsub.Components[name] = handlers.PubSubComponent{Publisher: publisher, Subscriber: subscriber}
	}
}

// watched finds a component's connection and has its health shown under the
// component's name.
func (c *components) watched(file *configfile.File, component string, source configfile.Source) *backend {
	opened := c.backends[source.Connection]
	if opened.probe != nil {
		c.health.add(component, file.Connections[source.Connection].Required, opened.probe)
	}
	return opened
}

// probeItself prefers a component's own probe, which knows more than its
// connection's, such as an eviction policy that would lose locks.
func (c *components) probeItself(file *configfile.File, component string, source configfile.Source, one any) {
	if prober, ok := one.(backends.Prober); ok {
		c.health.add(component, file.Connections[source.Connection].Required, prober.Probe)
	}
}

func (c *components) openConfig(file *configfile.File, down *teardown) error {
	c.config.Stores = make(map[string]backends.ConfigStore, len(file.Config))
	for name, settings := range file.Config {
		store, err := c.backends[settings.Connection].config(settings)
		if err != nil {
			return fmt.Errorf("config.%s: %w", name, err)
		}
		down.pushClose("config "+name, store.Close)
		c.config.Stores[name] = store
		c.health.add("config/"+name, file.Connections[settings.Connection].Required, store.Probe)
	}
	return nil
}

func (c *components) openInvoke(file *configfile.File, log *slog.Logger, down *teardown) error {
	services := make(map[string]upstream.Service, len(file.Invoke.Services))
	for name, settings := range file.Invoke.Services {
		security, err := clientTLS(settings.TLS)
		if err != nil {
			return fmt.Errorf("invoke.services.%s.tls: %w", name, err)
		}
		services[name] = upstream.Service{
			Endpoints: settings.Endpoints, Balance: string(settings.Balance), Protocol: string(settings.Protocol), TLS: security,
			Timeout: settings.Timeout.Std(), PerTry: settings.PerTry.Std(),
		}
	}
	pool, err := upstream.Open(upstream.Config{
		Services: services, Pseudonym: "ottogate-" + file.Namespace, TrustedProxies: file.Server.TrustedProxies,
	}, log)
	if err != nil {
		return fmt.Errorf("invoke: %w", err)
	}
	down.pushClose("invoke", pool.Close)
	c.invoke = handlers.Invoke{Invoker: pool, Methods: file.Invoke.Methods}
	return nil
}
