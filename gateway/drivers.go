package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/backends/apollo"
	"github.com/ottogate/ottogate/backends/kafka"
	"github.com/ottogate/ottogate/backends/local"
	"github.com/ottogate/ottogate/backends/redis"
	"github.com/ottogate/ottogate/configfile"
)

// backend is one opened connection: what it can serve, how its health is
// asked for, how it is closed. A nil maker is a block that the driver does
// not have; the configuration has been checked, so nobody asks for it.
type backend struct {
	state    func(configfile.State) backends.StateStore
	lock     func() backends.Locker
	sequence func() backends.Sequencer
	pubsub   func(configfile.PubSub) (backends.Publisher, backends.Subscriber)
	config   func(configfile.Config) (*apollo.Store, error)

	probe func(context.Context) error
	close func() error
	redis *redis.Conn // for the shared rate limit; nil on other drivers
}

// opener opens one kind of backend. It never waits for the backend.
type opener func(ctx context.Context, connection configfile.Connection, log *slog.Logger) (*backend, error)

// drivers is the one table of all backends; a new one is a line here.
func drivers() map[configfile.Driver]opener {
	return map[configfile.Driver]opener{
		configfile.DriverRedis:  openRedis,
		configfile.DriverLocal:  openLocal,
		configfile.DriverKafka:  openKafka,
		configfile.DriverApollo: openApollo,
	}
}

func openRedis(ctx context.Context, connection configfile.Connection, log *slog.Logger) (*backend, error) {
	settings := connection.Redis
	security, err := clientTLS(settings.TLS)
	if err != nil {
		return nil, err
	}
	conn, err := redis.Open(ctx, redis.Config{
		Addresses: settings.Addresses, Mode: redis.Mode(settings.Mode), MasterName: settings.MasterName,
		Username: settings.Username, Password: settings.Password.Reveal(), TLS: security, PoolSize: settings.PoolSize,
	}, log)
	if err != nil {
		return nil, err
	}
	return &backend{
		state: func(s configfile.State) backends.StateStore {
			return conn.State(redis.StateOptions{
				Encoding: redis.Encoding(s.Encoding), Strong: redis.Strong{Replicas: s.Strong.Replicas, Timeout: s.Strong.Timeout.Std()},
			})
		},
		lock:     func() backends.Locker { return conn.Locker() },
		sequence: func() backends.Sequencer { return conn.Sequencer() },
		probe:    conn.Probe, close: conn.Close, redis: conn,
	}, nil
}

func openLocal(ctx context.Context, connection configfile.Connection, log *slog.Logger) (*backend, error) {
	db, err := local.Open(ctx, local.Config{Path: connection.Local.Path}, log)
	if err != nil {
		return nil, err
	}
	return &backend{
		state:    func(configfile.State) backends.StateStore { return db.State() },
		lock:     func() backends.Locker { return db.Locker() },
		sequence: func() backends.Sequencer { return db.Sequencer() },
		probe:    db.Probe, close: db.Close,
	}, nil
}

func openKafka(ctx context.Context, connection configfile.Connection, log *slog.Logger) (*backend, error) {
	settings := connection.Kafka
	security, err := clientTLS(settings.TLS)
	if err != nil {
		return nil, err
	}
	config := kafka.Config{Brokers: settings.Brokers, TLS: security, ClientID: "ottogate"}
	if settings.SASL != nil {
		config.SASL = &kafka.SASL{
			Mechanism: kafka.Mechanism(settings.SASL.Mechanism),
			Username:  settings.SASL.Username, Password: settings.SASL.Password.Reveal(),
		}
	}
	conn, err := kafka.Open(ctx, config, log)
	if err != nil {
		return nil, err
	}
	return &backend{
		pubsub: func(p configfile.PubSub) (backends.Publisher, backends.Subscriber) {
			return conn.Publisher(kafka.PublisherOptions{CreateTopics: p.CreateTopics}), conn.Subscriber()
		},
		probe: conn.Probe, close: conn.Close,
	}, nil
}

// openApollo opens nothing yet: which apps are read, and where snapshots go,
// is a component's to say, so each component has its own client.
func openApollo(ctx context.Context, connection configfile.Connection, log *slog.Logger) (*backend, error) {
	settings := connection.Apollo
	security, err := clientTLS(settings.TLS)
	if err != nil {
		return nil, err
	}
	return &backend{
		config: func(component configfile.Config) (*apollo.Store, error) {
			apps := make(map[string]apollo.App, len(component.Apps))
			for name, app := range component.Apps {
				apps[name] = apollo.App{Secret: app.Secret.Reveal()}
			}
			return apollo.Open(ctx, apollo.Config{
				ConfigService: settings.ConfigService, Cluster: settings.Cluster,
				Apps: apps, Snapshots: component.Snapshots, TLS: security,
			}, log)
		},
		close: func() error { return nil },
	}, nil
}

// clientTLS reads the files of a client's TLS block; nil means plain text.
func clientTLS(settings *configfile.ClientTLS) (*tls.Config, error) {
	if settings == nil || !settings.Enabled {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: settings.ServerName}
	if settings.CA != "" {
		pool, err := readPool(settings.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = pool
	}
	if settings.Cert != "" {
		pair, err := tls.LoadX509KeyPair(settings.Cert, settings.Key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
