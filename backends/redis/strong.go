package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Strong says what a write with consistency=strong waits for. That many
// replicas then have the write in their memory; it is lost in a failover only
// if none of them becomes the master.
type Strong struct {
	Replicas int           // 0 = 1
	Timeout  time.Duration // 0 = 1 s; after it the outcome is unknown
}

// strongConnections are as many strong writes as are under way on a server.
const strongConnections = 16

// sender is a way for commands to Redis.
type sender interface {
	// do runs commands and maps a lost reply to a problem. Errors that Redis
	// itself replied stay in the commands.
	do(ctx context.Context, kind effect, commands ...redis.Cmder) error
	// settled says whether what was written is as safe as was asked.
	settled() error
}

var (
	_ sender = (*Conn)(nil)
	_ sender = (*confirmed)(nil)
)

// settled is nil: an answer of the master is all that was asked.
func (c *Conn) settled() error { return nil }

// sender is the way for a write of this consistency.
func (s *State) sender(consistency backends.Consistency) sender {
	if consistency == backends.StrongConsistency {
		return &confirmed{conn: s.conn, replicas: cmp.Or(s.strong.Replicas, 1), timeout: cmp.Or(s.strong.Timeout, time.Second)}
	}
	return s.conn
}

// confirmed sends one write and lets the replicas confirm it. WAIT speaks for
// what was written on its own connection, and holds that up.
type confirmed struct {
	conn     *Conn
	replicas int
	timeout  time.Duration
	wait     *redis.IntCmd
}

func (c *confirmed) do(ctx context.Context, kind effect, commands ...redis.Cmder) error {
	if c.conn.breaker.isOpen() {
		return mapError(ctx, errOpen, kind)
	}
	lane, err := c.conn.strong.get()
	if err != nil {
		return mapError(ctx, err, kind)
	}
	c.wait = redis.NewIntCmd(ctx, "wait", c.replicas, wholeMilliseconds(c.timeout))
	limited, cancel := context.WithTimeout(ctx, c.timeout+ioTimeout)
	defer cancel()
	err = lane.run(limited, slices.Concat(commands, []redis.Cmder{c.wait}))
	if err == nil {
		c.conn.strong.learn(ctx, commands[0].Err())
	}
	return mapError(ctx, err, kind)
}

func (c *confirmed) settled() error {
	reached, err := c.wait.Result()
	if err == nil && reached >= int64(c.replicas) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%d of %d replicas confirmed", reached, c.replicas)
	}
	lacking := problem.Wrap(problem.Unavailable, err, "the write is done, but too few replicas confirmed it in time: a failover may lose it")
	lacking.Unknown, lacking.RetryAfter = true, retryAfter
	return lacking
}

// strongLane is the pool of connections on which strong writes wait, made when
// the first comes.
type strongLane struct {
	open   func() redis.UniversalClient
	counts *counts

	mu     sync.Mutex
	closed bool
	client redis.UniversalClient
	lane   *direct
}

func (l *strongLane) get() (*direct, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, redis.ErrClosed
	}
	if l.lane == nil {
		l.client = l.open()
		l.lane = newDirect(l.client, l.counts)
		if cluster, ok := l.client.(*redis.ClusterClient); ok {
			l.lane.pipeline = onMaster(cluster)
		}
	}
	return l.lane, nil
}

// learn asks a Cluster who has which slots when a server has refused a key:
// this write fails, having changed nothing, and a later one finds its way.
func (l *strongLane) learn(ctx context.Context, refusal error) {
	cluster, ok := l.client.(*redis.ClusterClient)
	if ok && (redis.HasErrorPrefix(refusal, "MOVED") || redis.HasErrorPrefix(refusal, "ASK")) {
		cluster.ReloadState(ctx)
	}
}

func (l *strongLane) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed = true; l.lane == nil {
		return nil
	}
	l.lane.stop()
	err := l.client.Close()
	l.lane.wait()
	return err
}

// onMaster gives pipelines to the master of the first command's key, since
// WAIT has no key of its own.
func onMaster(cluster *redis.ClusterClient) func(context.Context, redis.Cmder) (redis.Pipeliner, error) {
	return func(ctx context.Context, first redis.Cmder) (redis.Pipeliner, error) {
		master, err := cluster.MasterForKey(ctx, keyOf(first))
		if err != nil {
			return nil, err
		}
		return master.Pipeline(), nil
	}
}

// keyOf is the first key of a write of this package.
func keyOf(command redis.Cmder) string {
	args, at := argsOf(command), 1
	if name := command.Name(); name == "evalsha" || name == "eval" {
		at = 3
	}
	key, _ := args[at].(string)
	return key
}
