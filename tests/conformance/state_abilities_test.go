package conformance

import (
	"slices"
	"testing"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/backends/redis"
	"github.com/ottogate/ottogate/tests/servers"
)

// ability is something that a state store may offer beyond the state suite.
type ability string

const (
	keepsTTL   ability = "KeepTTL"
	fences     ability = "Fence"
	increments ability = "Incrementer"
	transacts  ability = "Transactor"
	watches    ability = "Watcher"
)

// unsupported lists, by driver, what it does not offer. Nothing else is left
// out of these suites: a driver that lacks an ability without standing here
// fails.
func unsupported(driver string) []ability {
	return map[string][]ability{
		"redis": {},
	}[driver]
}

func supports(driver string, a ability) bool { return !slices.Contains(unsupported(driver), a) }

// fullStore is the subject of these suites: a store with every ability.
type fullStore interface {
	store
	backends.Incrementer
	backends.Transactor
	backends.Watcher
}

// full is what a driver's store can do. What it cannot is nil, which only a
// suite that is not for it may tolerate.
type full struct {
	store
	backends.Incrementer
	backends.Transactor
	backends.Watcher
}

func fullOf(s store) fullStore {
	f := full{store: s}
	f.Incrementer, _ = s.(backends.Incrementer)
	f.Transactor, _ = s.(backends.Transactor)
	f.Watcher, _ = s.(backends.Watcher)
	return f
}

// conformAbility runs a suite on every driver that is not listed to lack what
// the suite needs. One that is not listed has to implement it.
func conformAbility(t *testing.T, checks []check[twin], mutants []mutant[twin], needed ...ability) {
	t.Helper()
	drivers := twinDrivers()
	for i, d := range drivers {
		drivers[i].open = func(t *testing.T) (twin, string) {
			for _, a := range needed {
				if !supports(d.name, a) {
					t.Skipf("%s is listed as not supporting %s", d.name, a)
				}
			}
			subject, version := d.open(t)
			requireAbilities(t, subject.fullStore, needed)
			return subject, version
		}
	}
	conform(t, drivers, checks, mutants)
}

func requireAbilities(t *testing.T, s fullStore, needed []ability) {
	t.Helper()
	f, _ := s.(full)
	missing := map[ability]bool{increments: f.Incrementer == nil, transacts: f.Transactor == nil, watches: f.Watcher == nil}
	for _, a := range needed {
		if missing[a] {
			t.Fatalf("the driver does not implement %s", a)
		}
	}
}

// twin is a store and a second way to the same values, as another replica has
// one.
type twin struct {
	fullStore
	other fullStore
}

func twinDrivers() []driver[twin] {
	return []driver[twin]{
		{"local", func(t *testing.T) (twin, string) {
			db, version := openLocal(t)
			return twin{fullOf(db.State()), fullOf(db.State())}, version
		}},
		{"redis", func(t *testing.T) (twin, string) {
			server := servers.NewRedis(t)
			return twin{redisState(t, server.Addr), redisState(t, server.Addr)}, server.Version
		}},
	}
}

// redisState has a connection of its own.
func redisState(t *testing.T, address string) fullStore {
	t.Helper()
	return fullOf(connectRedis(t, address).State(redis.StateOptions{Encoding: redis.EncodingEnvelope}))
}
