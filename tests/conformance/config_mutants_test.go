package conformance

import (
	"context"
	"maps"
	"sync"
	"testing"

	"github.com/ottogate/ottogate/backends"
)

// configMutants are stores with the faults that clients of Apollo are known
// for.
var configMutants = []mutant[*configBed]{
	{"config-misses-changes", "TestConfig/apollo stand-in/a change is seen", brokenConfig(func(s backends.ConfigStore) backends.ConfigStore { return deafConfig{s} })},
	{"config-tears-groups", "TestConfig/apollo stand-in/keys changed together are never apart", brokenConfig(func(s backends.ConfigStore) backends.ConfigStore { return &tornConfig{ConfigStore: s} })},
	{"config-hides-staleness", "TestConfigFaults/apollo stand-in/Apollo away: the last known good, marked", brokenConfig(func(s backends.ConfigStore) backends.ConfigStore { return boldConfig{s} })},
	{"config-empties-when-away", "TestConfigFaults/apollo stand-in/away at the start, a snapshot kept", brokenConfig(func(s backends.ConfigStore) backends.ConfigStore { return emptyConfig{s} })},
}

// brokenConfig makes every store that a bed opens a broken one.
func brokenConfig(wrap func(backends.ConfigStore) backends.ConfigStore) func(*configBed) *configBed {
	return func(sound *configBed) *configBed {
		broken := *sound
		broken.open = func(t *testing.T, address, snapshots string) backends.ConfigStore {
			t.Helper()
			return wrap(sound.open(t, address, snapshots))
		}
		return &broken
	}
}

// deafConfig hears of no change.
type deafConfig struct{ backends.ConfigStore }

func (deafConfig) Changed(ctx context.Context, _ backends.GroupRef, _ string) (backends.ConfigReading, error) {
	<-ctx.Done()
	return backends.ConfigReading{}, ctx.Err()
}

// tornConfig applies a change key by key: b is one read late.
type tornConfig struct {
	backends.ConfigStore
	mu   sync.Mutex
	last string
}

func (c *tornConfig) Group(ctx context.Context, ref backends.GroupRef) (backends.ConfigReading, error) {
	reading, err := c.ConfigStore.Group(ctx, ref)
	if err != nil {
		return reading, err
	}
	torn := *reading.Snapshot
	torn.Items = maps.Clone(torn.Items)
	c.mu.Lock()
	torn.Items["b"], c.last = c.last, torn.Items["b"]
	c.mu.Unlock()
	reading.Snapshot = &torn
	return reading, nil
}

// boldConfig never admits that it does not know.
type boldConfig struct{ backends.ConfigStore }

func (c boldConfig) Group(ctx context.Context, ref backends.GroupRef) (backends.ConfigReading, error) {
	reading, err := c.ConfigStore.Group(ctx, ref)
	reading.Stale = false
	return reading, err
}

// emptyConfig forgets the items when Apollo is away.
type emptyConfig struct{ backends.ConfigStore }

func (c emptyConfig) Group(ctx context.Context, ref backends.GroupRef) (backends.ConfigReading, error) {
	reading, err := c.ConfigStore.Group(ctx, ref)
	if err == nil && reading.Stale {
		reading.Snapshot = &backends.Snapshot{Ref: reading.Ref, Version: reading.Version}
	}
	return reading, err
}

func (c emptyConfig) sound() backends.ConfigStore { return c.ConfigStore }
