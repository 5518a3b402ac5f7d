// Package apollo reads configuration from Apollo with a client of its own:
// three GETs and an HMAC.
//
// A group is loaded by its first reader and then kept up to date by a long
// poll, so that reads come from memory and never wait for Apollo; what nobody
// has read for some minutes is let go of. What is
// known about a group is an immutable snapshot behind an atomic pointer: it is
// swapped whole, and nothing but a complete and plausible answer for the very
// group replaces it. Every change is written to a folder, so that a start
// without Apollo has the last known good content.
package apollo

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Config says where Apollo is and who reads it.
type Config struct {
	ConfigService string         // URLs of the config service, separated by commas
	Cluster       string         // the cluster of requests that name none; "" = default
	Apps          map[string]App // the apps that need a setting of their own, by AppId
	Snapshots     string         // folder of the last known good groups; "" = none is kept
	TLS           *tls.Config    // for https; nil = the system's roots
}

// App is what an Apollo app needs beyond its name.
type App struct {
	Secret string // access key secret; "" = requests are not signed
}

// The bounds of what one Store holds.
const (
	maxGroups    = 10_000
	maxPolls     = 1_000
	maxAbsent    = 4_096
	maxFiles     = 12_000 // snapshots on disk, more than maxGroups
	maxFetches   = 32     // at one time
	groupsPerAsk = 32     // of one long poll, so that its URL stays below 8 KiB
)

// timing holds every wait of the driver.
type timing struct {
	load     time.Duration // the first load of a group
	patience time.Duration // the first load when a snapshot is on disk
	poll     time.Duration // a long poll; Apollo holds it for 60 s
	settle   time.Duration // the least time of a poll before new groups interrupt it
	absent   time.Duration // how long a 404 is remembered
	resync   time.Duration // between polls that ask for everything anew
	retryMin time.Duration // the first pause after a failure
	retryMax time.Duration // the longest pause after failures
	idle     time.Duration // between looks for groups that nobody reads any more
}

var defaultTiming = timing{
	load: 5 * time.Second, patience: 500 * time.Millisecond, poll: 90 * time.Second,
	settle: 50 * time.Millisecond, absent: time.Second, resync: 5 * time.Minute,
	retryMin: 100 * time.Millisecond, retryMax: 2 * time.Second, idle: 5 * time.Minute,
}

// Store is the configuration of one Apollo, for all its apps. It is safe for
// concurrent use.
type Store struct {
	timing  timing
	cluster string
	client  *client
	disk    *disk
	log     *slog.Logger

	lifetime context.Context // ends with Close
	end      context.CancelFunc
	running  sync.WaitGroup

	mu     sync.RWMutex
	closed bool
	groups map[backends.GroupRef]*group
	loads  map[backends.GroupRef]*load
	absent map[backends.GroupRef]time.Time // answered 404, until then
	polls  map[pollKey][]*poll
	ledger *ledger // of groups and loads

	pollCount int
}

var (
	_ backends.ConfigStore = (*Store)(nil)
	_ backends.Prober      = (*Store)(nil)
)

// Open returns a Store that is ready at once; Apollo is first asked when a
// group is read. It fails only for a setting that cannot work. ctx's values
// are kept, its end is not: Close ends the Store.
func Open(ctx context.Context, config Config, log *slog.Logger) (*Store, error) {
	return open(ctx, config, defaultTiming, log)
}

func open(ctx context.Context, config Config, timing timing, log *slog.Logger) (*Store, error) {
	client, err := newClient(config)
	if err != nil {
		return nil, err
	}
	disk, err := openDisk(config.Snapshots, client.origin())
	if err != nil {
		return nil, fmt.Errorf("apollo: snapshots: %w", err)
	}
	store := &Store{
		timing: timing, cluster: config.Cluster, client: client, disk: disk, log: log,
		groups: map[backends.GroupRef]*group{}, loads: map[backends.GroupRef]*load{},
		absent: map[backends.GroupRef]time.Time{}, polls: map[pollKey][]*poll{},
	}
	if store.cluster == "" {
		store.cluster = "default"
	}
	store.ledger = newLedger(store.cluster)
	store.lifetime, store.end = context.WithCancel(context.WithoutCancel(ctx))
	store.running.Go(store.sweep)
	return store, nil
}

// Close ends the polls and every wait in Changed, and waits until nothing of
// the Store runs any more. It may be called twice.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.running.Wait()
	s.client.close()
	return nil
}

// Group implements backends.ConfigStore. Only the first read of a group waits.
// A group more than one app may have is problem.Overloaded, for that app alone.
func (s *Store) Group(ctx context.Context, ref backends.GroupRef) (backends.ConfigReading, error) {
	g, err := s.find(ctx, ref)
	if err != nil {
		return backends.ConfigReading{}, err
	}
	return g.read(g.current.Load())
}

// Changed implements backends.ConfigStore.
func (s *Store) Changed(ctx context.Context, ref backends.GroupRef, version string) (backends.ConfigReading, error) {
	g, err := s.watch(ctx, ref)
	if err != nil {
		return backends.ConfigReading{}, err
	}
	defer g.leave()
	for {
		now := g.current.Load()
		if now.snapshot == nil || now.snapshot.Version != version {
			return g.read(now)
		}
		select {
		case <-now.replaced:
		case <-ctx.Done():
			return backends.ConfigReading{}, ctx.Err()
		case <-s.lifetime.Done():
			return backends.ConfigReading{}, errClosed()
		}
	}
}

// Probe asks a config server for the list of config servers.
func (s *Store) Probe(ctx context.Context) error { return s.client.probe(ctx) }

func errClosed() error { return problem.New(problem.ShuttingDown, "the gateway is shutting down") }
