package redis

import (
	"context"
	"fmt"

	"github.com/ottogate/ottogate/problem"
)

// probeKeeping asks every master whether it keeps what it is given. A policy
// that evicts is refused even while no memory limit is set, since a limit can
// be set at any time. A server that does not let itself be asked is trusted.
func (c *Conn) probeKeeping(ctx context.Context) error {
	if err := c.Probe(ctx); err != nil {
		return err
	}
	nodes, err := c.nodes(ctx)
	if err != nil {
		return err
	}
	facts, err := info(ctx, nodes, "memory")
	if err != nil {
		return err
	}
	for _, memory := range facts {
		if policy := memory["maxmemory_policy"]; policy != "" && policy != "noeviction" {
			return problem.Wrap(problem.Unavailable, fmt.Errorf("maxmemory-policy is %s", policy),
				"Redis may evict locks and sequences: set maxmemory-policy noeviction")
		}
	}
	return nil
}
