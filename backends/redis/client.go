package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	dialTimeout  = time.Second
	ioTimeout    = 2 * time.Second        // silence of a socket that ends a batch
	probeTimeout = 500 * time.Millisecond // the breaker's question
	bufferSize   = 64 << 10               // per connection and direction
)

func (c Config) check() error {
	switch {
	case len(c.Addresses) == 0:
		return errors.New("redis: no addresses")
	case c.PoolSize < 0:
		return errors.New("redis: a negative pool size")
	case c.Mode == Sentinel && c.MasterName == "":
		return errors.New("redis: mode sentinel needs the master's name")
	}
	switch c.Mode {
	case "", Standalone, Sentinel, Cluster:
		return nil
	}
	return fmt.Errorf("redis: unknown mode %q", c.Mode)
}

// client makes a go-redis client that never repeats a command by itself: a
// repeated INCR counts twice. Connections are made when they are needed; track
// is told of those to a single server or behind Sentinel.
func (c Config) client(poolSize int, track func(net.Conn)) redis.UniversalClient {
	return c.clientOf(c.options(poolSize), track)
}

// waitingClient makes a client for commands that Redis may answer late: only
// the end of their context bounds them.
func (c Config) waitingClient(poolSize int) redis.UniversalClient {
	options := c.options(poolSize)
	options.ReadTimeout = -1
	return c.clientOf(options, nil)
}

func (c Config) options(poolSize int) *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs: c.Addresses, Username: c.Username, Password: c.Password, TLSConfig: c.TLS,
		MasterName: c.MasterName, Protocol: 3, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout,
		PoolSize: poolSize, PipelinePoolSize: -1, ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
		DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

func (c Config) clientOf(options *redis.UniversalOptions, track func(net.Conn)) redis.UniversalClient {
	dial := newDialer(c.TLS, track)
	switch c.Mode {
	case Cluster:
		options.Dialer = dial.dial
		cluster := options.Cluster()
		cluster.DisableRoutingPolicies = true // every command here names its one node
		return redis.NewClusterClient(cluster)
	case Sentinel:
		options.Dialer = dial.dialLate
		return redis.NewFailoverClient(options.Failover())
	default:
		options.Dialer = dial.dialLate
		return redis.NewClient(options.Simple())
	}
}

// probe asks over a fresh client, so that it meets neither the state of the
// shared pool nor its breaker. Any reply of Redis is a sign of life.
func (c Config) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	client := c.client(2, nil)
	defer func() { _ = client.Close() }()
	if err := client.Ping(ctx).Err(); err != nil && !isReply(err) {
		return err
	}
	return nil
}

// dialMaster opens connections as the client does: to the server, or to the one
// that the sentinels name. A Cluster has no one master.
func dialMaster(client redis.UniversalClient) func(context.Context) (net.Conn, error) {
	single, ok := client.(*redis.Client)
	if !ok {
		return nil
	}
	options := single.Options()
	return func(ctx context.Context) (net.Conn, error) {
		return options.Dialer(ctx, options.Network, options.Addr)
	}
}

// hello is the command that begins a connection.
func (c Config) hello() []string {
	if c.Password == "" {
		return []string{"HELLO", "3"}
	}
	return []string{"HELLO", "3", "AUTH", cmp.Or(c.Username, "default"), c.Password}
}

// silent drops go-redis' own log lines, which repeat what the calls return.
// The library has one logger per process.
type silent struct{}

// Printf does nothing.
func (silent) Printf(context.Context, string, ...any) {}
