package redis

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// node runs read commands on one server that holds keys.
type node func(ctx context.Context, commands ...redis.Cmder) error

func (c *Conn) isCluster() bool {
	_, is := c.client.(*redis.ClusterClient)
	return is
}

// nodes are the masters, in an order that holds as long as they are the same.
func (c *Conn) nodes(ctx context.Context) ([]node, error) {
	cluster, ok := c.client.(*redis.ClusterClient)
	if !ok {
		return []node{func(ctx context.Context, commands ...redis.Cmder) error {
			return c.do(ctx, reading, commands...)
		}}, nil
	}
	masters, err := mastersOf(ctx, cluster)
	if err != nil {
		return nil, mapError(ctx, err, reading)
	}
	var nodes []node
	for _, master := range masters {
		nodes = append(nodes, only(master))
	}
	return nodes, nil
}

func mastersOf(ctx context.Context, cluster *redis.ClusterClient) ([]*redis.Client, error) {
	var lock sync.Mutex
	var masters []*redis.Client
	err := cluster.ForEachMaster(ctx, func(_ context.Context, master *redis.Client) error {
		lock.Lock()
		defer lock.Unlock()
		masters = append(masters, master)
		return nil
	})
	slices.SortFunc(masters, func(a, b *redis.Client) int { return cmp.Compare(a.Options().Addr, b.Options().Addr) })
	return masters, err
}

// only runs commands on one server of a Cluster, whatever their keys.
func only(client *redis.Client) node {
	return func(ctx context.Context, commands ...redis.Cmder) error {
		pipeline := client.Pipeline()
		_ = pipeline.BatchProcess(ctx, commands...) // queues; it cannot fail
		_, err := pipeline.Exec(ctx)
		return mapError(ctx, outcome(commands, setUpFailure(commands, err)), reading)
	}
}

// info asks each node for a section of INFO. A node that may not tell has
// none.
func info(ctx context.Context, nodes []node, section string) ([]map[string]string, error) {
	var all []map[string]string
	for _, run := range nodes {
		command := redis.NewStringCmd(ctx, "info", section)
		if err := run(ctx, command); err != nil {
			return nil, err
		}
		if err := command.Err(); err != nil && !redis.HasErrorPrefix(err, "NOPERM") {
			return nil, mapError(ctx, err, reading)
		}
		all = append(all, parseInfo(command.Val()))
	}
	return all, nil
}

func parseInfo(text string) map[string]string {
	facts := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			facts[name] = value
		}
	}
	return facts
}

// epoch names the present processes and, on a Cluster, their slots.
func (c *Conn) epoch(ctx context.Context, nodes []node) (uint64, error) {
	facts, err := info(ctx, nodes, "server")
	if err != nil {
		return 0, err
	}
	sum := sha256.New()
	for _, server := range facts {
		_, _ = fmt.Fprintln(sum, server["run_id"]) // a hash takes everything
	}
	if cluster, ok := c.client.(*redis.ClusterClient); ok {
		slots, err := cluster.ClusterSlots(ctx).Result() //nolint:staticcheck // CLUSTER SHARDS begins with Redis 7.0
		if err != nil {
			return 0, mapError(ctx, err, reading)
		}
		slices.SortFunc(slots, func(a, b redis.ClusterSlot) int { return cmp.Compare(a.Start, b.Start) })
		for _, share := range slots {
			_, _ = fmt.Fprintln(sum, share.Start, share.End, share.Nodes)
		}
	}
	return binary.BigEndian.Uint64(sum.Sum(nil)), nil
}
