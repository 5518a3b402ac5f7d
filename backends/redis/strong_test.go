package redis

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

func strongly() backends.WriteOptions {
	return backends.WriteOptions{Consistency: backends.StrongConsistency}
}

// until waits for a condition.
func until(t *testing.T, met func() bool) {
	t.Helper()
	for begin := time.Now(); !met(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 15*time.Second {
			t.Fatal("it does not come to pass")
		}
	}
}

// replicaOf starts a replica and waits until it follows.
func replicaOf(t *testing.T, master *servers.Redis) *servers.Redis {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := servers.NewRedis(t, "--replicaof", host, port, "--repl-diskless-sync-delay", "0")
	client := open(t, replica.Addr).Client()
	until(t, func() bool {
		return strings.Contains(client.Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
	return replica
}

// strongWrites are all ways to write, each over a key that was there.
func strongWrites(s *State, key, etag string) map[string]func(t *testing.T) (string, error) {
	guarded := strongly()
	guarded.IfMatch = []string{etag}
	fenced := strongly()
	fenced.Fence = &backends.Fence{Resource: key, Token: 1}
	put := func(options backends.WriteOptions) func(*testing.T) (string, error) {
		return func(t *testing.T) (string, error) {
			return s.Put(t.Context(), key, backends.Value{Data: []byte("1")}, options)
		}
	}
	return map[string]func(*testing.T) (string, error){
		"put": put(strongly()), "guarded put": put(guarded), "fenced put": put(fenced),
		"increment": func(t *testing.T) (string, error) {
			_, etag, err := s.Increment(t.Context(), key, backends.Increment{By: 1}, strongly())
			return etag, err
		},
		"transaction": func(t *testing.T) (string, error) {
			operation := putOp(key, "1")
			operation.Options = strongly()
			results, err := s.Transact(t.Context(), []backends.Operation{addOp("{"+neighbour(key)+"}other", 1), operation})
			return results[1].ETag, err
		},
		"delete":         func(t *testing.T) (string, error) { return "", s.Delete(t.Context(), key, strongly()) },
		"guarded delete": func(t *testing.T) (string, error) { return "", s.Delete(t.Context(), key, guarded) },
	}
}

func TestStrongWritesAreOnTheReplica(t *testing.T) {
	master := servers.NewRedis(t)
	replica := replicaOf(t, master)
	s, copied := open(t, master.Addr).State(StateOptions{}), open(t, replica.Addr).State(StateOptions{})
	for range 10 {
		for name, write := range strongWrites(s, "key", "") {
			before := must(s.Put(t.Context(), "key", backends.Value{Data: []byte("0")}, strongly()))(t)
			if strings.HasPrefix(name, "guarded") {
				write = strongWrites(s, "key", before)[name]
			}
			etag := must(write(t))(t)
			if item, _ := copied.Get(t.Context(), "key", backends.ReadOptions{}); item.ETag != etag {
				t.Fatalf("%s: the replica has tag %q, want %q", name, item.ETag, etag)
			}
		}
	}
}

func TestStrongWritesWithoutTheReplicaAreUnknown(t *testing.T) {
	master := servers.NewRedis(t)
	replica := replicaOf(t, master)
	s := open(t, master.Addr).State(StateOptions{Strong: Strong{Timeout: 200 * time.Millisecond}})
	must(s.Put(t.Context(), "key", backends.Value{}, strongly()))(t)
	replica.Kill()
	for name := range strongWrites(s, "key", "") {
		before := must(s.Put(t.Context(), "key", backends.Value{Data: []byte("0")}, backends.WriteOptions{}))(t) // eventual ones pass
		etag, err := strongWrites(s, "key", before)[name](t)
		failure := wantCode(t, err, problem.Unavailable)
		item, _ := s.Get(t.Context(), "key", backends.ReadOptions{})
		if told := failure.ETag + etag; !failure.Unknown || told != item.ETag {
			t.Fatalf("%s: unknown %v with tag %q, stored %q", name, failure.Unknown, told, item.ETag)
		}
	}
	refused := strongly()
	refused.IfNoneMatchAny = true
	must(s.Put(t.Context(), "key", backends.Value{}, backends.WriteOptions{}))(t)
	_, err := s.Put(t.Context(), "key", backends.Value{}, refused)
	wantCode(t, err, problem.PreconditionFailed)
}

func TestStrongWritesWaitForAsManyAsAsked(t *testing.T) {
	master := servers.NewRedis(t)
	replicaOf(t, master)
	two := open(t, master.Addr).State(StateOptions{Strong: Strong{Replicas: 2, Timeout: 100 * time.Millisecond}})
	_, err := two.Put(t.Context(), "key", backends.Value{}, strongly())
	wantCode(t, err, problem.Unavailable)
	replicaOf(t, master)
	until(t, func() bool {
		_, err := two.Put(t.Context(), "key", backends.Value{}, strongly())
		return err == nil
	})
}

func TestStrongWritesHoldNobodyUp(t *testing.T) {
	conn := open(t, servers.NewRedis(t).Addr)
	s := conn.State(StateOptions{Strong: Strong{Timeout: 2 * time.Second}})
	waiting := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), "slow", backends.Value{}, strongly())
		waiting <- err
	}()
	until(t, func() bool {
		_, err := s.Get(t.Context(), "slow", backends.ReadOptions{})
		return err == nil
	})
	begin := time.Now()
	for range 50 {
		must(s.Put(t.Context(), "fast", backends.Value{}, backends.WriteOptions{}))(t)
	}
	if took := time.Since(begin); took > time.Second {
		t.Fatalf("others waited %s", took)
	}
	_ = conn.Close() // which does not wait for the replicas either
	if failure := wantCode(t, <-waiting, problem.Unavailable); !failure.Unknown || time.Since(begin) > 1500*time.Millisecond {
		t.Fatalf("unknown %v, after %s", failure.Unknown, time.Since(begin))
	}
	_, err := s.Put(t.Context(), "late", backends.Value{}, strongly())
	if failure := wantCode(t, err, problem.Unavailable); failure.Unknown {
		t.Fatal("a call on a closed connection is said to be of unknown outcome")
	}
}

func TestStrongWritesOfACluster(t *testing.T) {
	set := servers.NewRedisCluster(t, 2)
	s := openWith(t, Config{Addresses: set.Addresses(), Mode: Cluster}).State(StateOptions{Strong: Strong{Timeout: 50 * time.Millisecond}})
	for _, key := range append(numbered("key/", 10), "{a}b") {
		for _, write := range strongWrites(s, key, "") {
			if _, err := write(t); problem.CodeOf(err) == problem.PreconditionFailed {
				continue // guarded by no tag
			} else if failure := wantCode(t, err, problem.Unavailable); !failure.Unknown || errors.Is(err, errOpen) {
				t.Fatal(err)
			}
		}
		etag := must(s.Put(t.Context(), key, backends.Value{}, backends.WriteOptions{}))(t)
		_, err := s.Put(t.Context(), key, backends.Value{}, strongly())
		if item := must(s.Get(t.Context(), key, backends.ReadOptions{}))(t); item.ETag == etag || item.ETag != problem.From(err).ETag {
			t.Fatalf("the strong write did not reach %q", key)
		}
	}
	addClusterReplicas(t, set)
	until(t, func() bool {
		failed := func(key string) bool {
			_, err := s.Put(t.Context(), key, backends.Value{}, strongly())
			return err != nil
		}
		return !slices.ContainsFunc(numbered("key/", 10), failed)
	})
}

// addClusterReplicas gives each master a replica.
func addClusterReplicas(t *testing.T, set *servers.RedisCluster) {
	t.Helper()
	for _, master := range set.Nodes {
		ports := must(servers.FreePorts(1))(t)
		replica := servers.NewRedis(t, "--cluster-enabled", "yes", "--cluster-config-file", "replica.conf", "--cluster-port", itoa(ports[0]))
		client, host := open(t, replica.Addr).Client(), open(t, master.Addr).Client()
		id := host.Do(t.Context(), "cluster", "myid").Val()
		address, port, _ := net.SplitHostPort(master.Addr)
		bus := host.ConfigGet(t.Context(), "cluster-port").Val()["cluster-port"]
		if err := client.Do(t.Context(), "cluster", "meet", address, port, bus).Err(); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool { return client.Do(t.Context(), "cluster", "replicate", id).Err() == nil })
	}
}
