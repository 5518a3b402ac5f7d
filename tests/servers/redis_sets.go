package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisCluster is a set of masters without replicas that share all slots.
type RedisCluster struct{ Nodes []*Redis }

// Addresses are the nodes' addresses.
func (c *RedisCluster) Addresses() []string {
	addresses := make([]string, len(c.Nodes))
	for i, node := range c.Nodes {
		addresses[i] = node.Addr
	}
	return addresses
}

// Kill ends all nodes at once.
func (c *RedisCluster) Kill() {
	for _, node := range c.Nodes {
		node.Kill()
	}
}

// StartRedisCluster starts a cluster of so many masters and waits until every
// one of them says that it is whole.
func StartRedisCluster(ctx context.Context, dir string, masters int) (*RedisCluster, error) {
	cluster := &RedisCluster{}
	for i := range masters {
		folder, err := subfolder(dir, fmt.Sprintf("node%d", i))
		if err == nil {
			err = cluster.add(ctx, folder)
		}
		if err != nil {
			cluster.Kill()
			return nil, err
		}
	}
	if err := cluster.join(ctx); err != nil {
		cluster.Kill()
		return nil, err
	}
	return cluster, nil
}

func (c *RedisCluster) add(ctx context.Context, folder string) error {
	node, err := onFreePorts(2, func(ports []int) (*Redis, error) {
		return startRedisOn(ctx, folder, ports[0], "--cluster-enabled", "yes",
			"--cluster-port", fmt.Sprint(ports[1]), "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000")
	})
	if err == nil {
		c.Nodes = append(c.Nodes, node)
	}
	return err
}

// join gives each master its share of the slots and introduces all to the first.
func (c *RedisCluster) join(ctx context.Context) error {
	const slots = 16384
	first, ports, err := net.SplitHostPort(c.Nodes[0].Addr)
	if err != nil {
		return err
	}
	bus := c.Nodes[0].command.Args[indexAfter(c.Nodes[0].command.Args, "--cluster-port")]
	for i, node := range c.Nodes {
		from, to := i*slots/len(c.Nodes), (i+1)*slots/len(c.Nodes)-1
		if err := tell(ctx, node.Addr, "cluster", "addslotsrange", from, to); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		if err := tell(ctx, node.Addr, "cluster", "meet", first, ports, bus); err != nil {
			return err
		}
	}
	return c.waitWhole(ctx)
}

func (c *RedisCluster) waitWhole(ctx context.Context) error {
	for _, node := range c.Nodes {
		err := eventually(ctx, func() error {
			info, err := ask(ctx, node.Addr, "cluster", "info")
			if err == nil && !(strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(c.Nodes)))) {
				err = errors.New(info)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("cluster does not get whole: %w", err)
		}
	}
	return nil
}

// NewRedisCluster starts a cluster that ends with the test, or fails the test.
func NewRedisCluster(tb testing.TB, masters int) *RedisCluster {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*startPatience)
	defer cancel()
	cluster, err := StartRedisCluster(ctx, tb.TempDir(), masters)
	if err != nil {
		tb.Fatalf("real Redis Cluster: %v (install redis-server)", err)
	}
	tb.Cleanup(cluster.Kill)
	return cluster
}

// RedisSentinel is a master, one replica and three sentinels that watch them.
type RedisSentinel struct {
	MasterName string
	Master     *Redis // the first master; after a failover the replica is master
	Replica    *Redis
	Sentinels  []*Redis
}

// Addresses are the sentinels' addresses.
func (s *RedisSentinel) Addresses() []string { return (&RedisCluster{Nodes: s.Sentinels}).Addresses() }

// Kill ends all processes at once.
func (s *RedisSentinel) Kill() {
	for _, server := range append([]*Redis{s.Master, s.Replica}, s.Sentinels...) {
		if server != nil {
			server.Kill()
		}
	}
}

// StartRedisSentinel starts the set and waits until every sentinel knows the
// replica and the other sentinels, which takes some ten seconds.
func StartRedisSentinel(ctx context.Context, dir string) (*RedisSentinel, error) {
	s := &RedisSentinel{MasterName: "main"}
	if err := s.start(ctx, dir); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

func (s *RedisSentinel) start(ctx context.Context, dir string) (err error) {
	if s.Master, err = StartRedis(ctx, dir); err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(s.Master.Addr)
	folder, err := subfolder(dir, "replica")
	if err != nil {
		return err
	}
	if s.Replica, err = StartRedis(ctx, folder, "--replicaof", host, port, "--repl-diskless-sync-delay", "0"); err != nil {
		return err
	}
	for i := range 3 {
		sentinel, err := onFreePorts(1, func(ports []int) (*Redis, error) {
			return s.startSentinel(ctx, dir, i, ports[0])
		})
		if err != nil {
			return err
		}
		s.Sentinels = append(s.Sentinels, sentinel)
	}
	return s.waitKnown(ctx)
}

// startSentinel writes a configuration of its own for each sentinel, because
// sentinels rewrite theirs.
func (s *RedisSentinel) startSentinel(ctx context.Context, dir string, i, own int) (*Redis, error) {
	host, port, _ := net.SplitHostPort(s.Master.Addr)
	conf := filepath.Join(dir, fmt.Sprintf("sentinel%d.conf", i))
	lines := []string{
		fmt.Sprintf("port %d", own), "bind 127.0.0.1", "dir " + dir,
		fmt.Sprintf("sentinel monitor %s %s %s 2", s.MasterName, host, port),
		"sentinel down-after-milliseconds " + s.MasterName + " 1000",
		"sentinel failover-timeout " + s.MasterName + " 3000",
	}
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	r := &Redis{Addr: loopback(own), Version: s.Master.Version}
	r.command = Command{
		Path: "redis-server", Args: []string{conf, "--sentinel"}, Dir: dir, Log: conf + ".log",
		Ready: func(ctx context.Context) error { return redisAnswers(ctx, r.Addr) },
	}
	if err := r.Restart(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

func (s *RedisSentinel) waitKnown(ctx context.Context) error {
	for _, sentinel := range s.Sentinels {
		err := eventually(ctx, func() error {
			facts, err := ask(ctx, sentinel.Addr, "sentinel", "master", s.MasterName)
			if err == nil && !(strings.Contains(facts, "num-slaves:1") && strings.Contains(facts, "num-other-sentinels:2")) {
				err = errors.New(facts)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("sentinels do not find each other: %w", err)
		}
	}
	return nil
}

// NewRedisSentinel starts a set that ends with the test, or fails the test.
func NewRedisSentinel(tb testing.TB) *RedisSentinel {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*startPatience)
	defer cancel()
	s, err := StartRedisSentinel(ctx, tb.TempDir())
	if err != nil {
		tb.Fatalf("real Redis Sentinel: %v (install redis-server)", err)
	}
	tb.Cleanup(s.Kill)
	return s
}

// tell sends one command on a connection of its own.
func tell(ctx context.Context, addr string, args ...any) error {
	_, err := ask(ctx, addr, args...)
	return err
}

// ask is tell with the answer as text; maps come as name:value.
func ask(ctx context.Context, addr string, args ...any) (string, error) {
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = client.Close() }()
	answer, err := client.Do(ctx, args...).Result()
	return fmt.Sprint(answer), err
}

func eventually(ctx context.Context, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func indexAfter(args []string, name string) int {
	for i, arg := range args {
		if arg == name {
			return i + 1
		}
	}
	return 0
}
