package redis

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

func TestBadConfigIsRefused(t *testing.T) {
	for _, config := range []Config{
		{}, {Addresses: []string{"a"}, Mode: "ring"}, {Addresses: []string{"a"}, Mode: Sentinel}, {Addresses: []string{"a"}, PoolSize: -1},
	} {
		if _, err := Open(t.Context(), config, nil); err == nil {
			t.Errorf("%+v was taken", config)
		}
	}
}

func TestCluster(t *testing.T) {
	set := servers.NewRedisCluster(t, 3)
	conn := openWith(t, Config{Addresses: set.Addresses(), Mode: Cluster})
	t.Run("state", func(t *testing.T) { clusterState(t, conn) })
	t.Run("list", func(t *testing.T) {
		s, keys := conn.State(StateOptions{}), numbered("list/", 300)
		putAll(t, s, keys)
		checkComplete(t, listAll(t, s, "list/", 40, func() {}), keys)
	})
	t.Run("lock", func(t *testing.T) {
		for _, resource := range []string{"a", "{b}", "c}{", "d/e"} {
			lease := must(conn.Locker().Acquire(t.Context(), resource, ann, time.Minute))(t)
			must(conn.Locker().Renew(t.Context(), resource, ann, time.Minute))(t)
			if lease.Fence == 0 || conn.Locker().Release(t.Context(), resource, ann) != nil {
				t.Fatalf("%q: %+v", resource, lease)
			}
		}
	})
	t.Run("probe", func(t *testing.T) {
		if err := conn.Sequencer().Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("one node dead", func(t *testing.T) { clusterNodeDead(t, set, conn) })
}

func clusterState(t *testing.T, conn *Conn) {
	t.Helper()
	s := conn.State(StateOptions{})
	for _, key := range numbered("state/", 50) {
		etag := must(s.Put(t.Context(), key, backends.Value{Data: []byte(key)}, backends.WriteOptions{TTL: time.Minute}))(t)
		item := must(s.Get(t.Context(), key, backends.ReadOptions{WithTTL: true}))(t)
		if string(item.Data) != key || item.TTL == 0 {
			t.Fatalf("got %+v", item)
		}
		options := backends.WriteOptions{Condition: backends.Condition{IfMatch: []string{etag}}}
		if err := s.Delete(t.Context(), key, options); err != nil {
			t.Fatal(err)
		}
		wantCode(t, s.Delete(t.Context(), key, options), problem.PreconditionFailed)
	}
}

// TestClusterLostReply cuts the connection under a number that was taken: a
// Cluster client of go-redis repeats commands unless each forbids it.
func TestClusterLostReply(t *testing.T) {
	set := servers.NewRedisCluster(t, 1)
	p := newProxy(t, set.Nodes[0].Addr)
	_, port, _ := net.SplitHostPort(p.addr)
	if err := open(t, set.Nodes[0].Addr).Client().ConfigSet(t.Context(), "cluster-announce-port", port).Err(); err != nil {
		t.Fatal(err)
	}
	s := openWith(t, Config{Addresses: []string{p.addr}, Mode: Cluster}).Sequencer()
	must(s.Next(t.Context(), "key", 1, 0))(t)
	p.lose.Store(true)
	_, err := s.Next(t.Context(), "key", 1, 0)
	if failure := wantCode(t, err, problem.Unavailable); !failure.Unknown || p.lose.Load() {
		t.Fatalf("unknown %v, reply lost %v", failure.Unknown, !p.lose.Load())
	}
	if first := must(s.Next(t.Context(), "key", 1, 0))(t); first != 3 {
		t.Fatalf("after one lost reply the next number is %d, want 3", first)
	}
}

func TestDeadClusterIsUnavailableAtOnce(t *testing.T) {
	set := servers.NewRedisCluster(t, 1)
	conn := openWith(t, Config{Addresses: set.Addresses(), Mode: Cluster})
	wantCode(t, get(t, conn), problem.NoSuchKey)
	set.Kill()
	for range 20 {
		begin := time.Now()
		wantCode(t, get(t, conn), problem.Unavailable)
		if took := time.Since(begin); took > time.Second {
			t.Fatalf("a call took %s", took)
		}
	}
}

func clusterNodeDead(t *testing.T, set *servers.RedisCluster, conn *Conn) {
	t.Helper()
	set.Nodes[2].Kill()
	answered, failed := 0, 0
	for _, key := range numbered("dead/", 60) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := conn.State(StateOptions{}).Get(ctx, key, backends.ReadOptions{})
		cancel()
		switch problem.CodeOf(err) {
		case problem.NoSuchKey:
			answered++
		case problem.Unavailable:
			failed++
		default:
			t.Fatal(err)
		}
	}
	if failed == 0 || answered+failed != 60 || conn.Stats().Open {
		t.Fatalf("%d answered, %d failed, breaker open %v", answered, failed, conn.Stats().Open)
	}
}

func TestSentinelFailover(t *testing.T) {
	set := servers.NewRedisSentinel(t)
	conn := openWith(t, Config{Addresses: set.Addresses(), Mode: Sentinel, MasterName: set.MasterName})
	s := conn.State(StateOptions{})
	must(s.Put(t.Context(), "key", backends.Value{Data: []byte("before")}, backends.WriteOptions{}))(t)
	if err := conn.Locker().Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	set.Master.Kill()
	begin := time.Now()
	for time.Since(begin) < 15*time.Second {
		_, err := s.Put(t.Context(), "key", backends.Value{Data: []byte("after")}, backends.WriteOptions{})
		if err == nil {
			t.Logf("written to the new master after %s", time.Since(begin).Round(100*time.Millisecond))
			return
		}
		wantCode(t, err, problem.Unavailable)
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("no write got through after the failover")
}
