// Package redis keeps state, locks and sequences on Redis: standalone, behind
// Sentinel, or a Cluster. It stands on go-redis and adds what that leaves
// open: deadlines and cancellation per call, batches over callers, no blind
// retries, an honest "outcome unknown", and a breaker that makes a dead Redis
// cost microseconds.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/ottogate/ottogate/backends"
)

// Mode says how the servers behind the addresses form one Redis.
type Mode string

// The modes; the empty one is Standalone.
const (
	Standalone Mode = "standalone" // one server, the first address
	Sentinel   Mode = "sentinel"   // the addresses are sentinels
	Cluster    Mode = "cluster"    // the addresses are some nodes
)

// Config says where Redis is and how to get in. Username and Password are for
// the servers that hold data; sentinels are asked without.
type Config struct {
	Addresses  []string
	Mode       Mode
	MasterName string // with Sentinel
	Username   string
	Password   string
	TLS        *tls.Config // nil = plain TCP
	PoolSize   int         // connections per server; 0 = 8, plenty with batching
}

const defaultPoolSize = 8

// Conn is one connection of the configuration: a client that all components
// share. It is safe for concurrent use.
type Conn struct {
	client  redis.UniversalClient
	solo    *solo // nil where there is none
	breaker *breaker
	runner  runner
	counts  *counts
	tracker *tracker
	strong  *strongLane
	active  atomic.Int64 // calls under way
	close   sync.Once
}

var _ backends.Prober = (*Conn)(nil)

// Open makes a ready Conn without asking Redis for anything: a Redis that is
// down shows in the calls, and heals by itself. The end of ctx means nothing
// to what is opened.
func Open(ctx context.Context, config Config, log *slog.Logger) (*Conn, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if config.PoolSize == 0 {
		config.PoolSize = defaultPoolSize
	}
	redis.SetLogger(silent{})
	conn := &Conn{client: config.client(config.PoolSize, nil), counts: &counts{}}
	conn.breaker = newBreaker(ctx, config.probe, config.Mode != Cluster, log)
	conn.client.AddHook(conn.breaker)
	conn.solo = newSolo(config, conn.breaker, conn.counts)
	if config.Mode == Cluster {
		conn.runner = newDirect(conn.client, conn.counts)
	} else {
		conn.runner = newCollector(conn.client, conn.breaker, conn.counts, config.PoolSize)
	}
	conn.strong = &strongLane{open: func() redis.UniversalClient {
		client := config.waitingClient(strongConnections)
		client.AddHook(conn.breaker)
		return client
	}, counts: conn.counts}
	conn.tracker = newTracker(ctx, dialMaster(conn.client), config.hello(), log)
	return conn, nil
}

// State is the state store on this connection.
func (c *Conn) State(options StateOptions) *State {
	return &State{conn: c, encoding: options.Encoding, codec: options.Encoding.codec(), strong: options.Strong}
}

// Locker is the lock store on this connection.
func (c *Conn) Locker() *Locker { return &Locker{conn: c} }

// Sequencer is the number store on this connection.
func (c *Conn) Sequencer() *Sequencer { return &Sequencer{conn: c} }

// Client is the go-redis client itself, with retries off and the breaker in
// front, for stores that bring their own commands.
func (c *Conn) Client() redis.UniversalClient { return c.client }

// Probe asks Redis for a PONG. After a success the breaker is closed.
func (c *Conn) Probe(ctx context.Context) error {
	if c.breaker.isOpen() {
		return mapError(ctx, c.breaker.check(ctx), reading)
	}
	return mapError(ctx, c.client.Ping(ctx).Err(), reading)
}

// Close ends all calls under way and waits for the goroutines of the Conn.
// Writes that were sent end with an unknown outcome.
func (c *Conn) Close() error {
	var err error
	c.close.Do(func() {
		c.tracker.close()
		c.runner.stop()
		err = errors.Join(c.closeClients(), c.strong.close())
		c.runner.wait()
		c.breaker.stop()
	})
	return err
}

func (c *Conn) closeClients() error {
	if c.solo == nil {
		return c.client.Close()
	}
	return errors.Join(c.client.Close(), c.solo.client.Close())
}

// Stats are counters since Open. Their quotient is the number of commands
// that share one write to a socket.
type Stats struct {
	Commands uint64 // sent in flushes
	Flushes  uint64 // batches of commands written together
	Open     bool   // the breaker is open: Redis did not answer lately
}

// Stats reads the counters.
func (c *Conn) Stats() Stats {
	return Stats{Commands: c.counts.commands.Load(), Flushes: c.counts.flushes.Load(), Open: c.breaker.isOpen()}
}

// do implements sender.
func (c *Conn) do(ctx context.Context, kind effect, commands ...redis.Cmder) error {
	if c.breaker.isOpen() {
		return mapError(ctx, errOpen, kind)
	}
	alone := c.active.Add(1) == 1
	defer c.active.Add(-1)
	if alone && c.solo != nil {
		return mapError(ctx, c.solo.run(ctx, commands), kind)
	}
	return mapError(ctx, c.runner.run(ctx, commands), kind)
}
