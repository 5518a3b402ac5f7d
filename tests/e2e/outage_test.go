package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ottogate/ottogate/tests/servers"
)

// within fails the test when an answer takes longer than a deadline allows.
func within(t *testing.T, limit time.Duration, call func() answer) answer {
	t.Helper()
	began := time.Now()
	got := call()
	if took := time.Since(began); took > limit {
		t.Errorf("took %s, want at most %s", took, limit)
	}
	return got
}

func TestRedisStopped(t *testing.T) {
	redis := servers.NewRedis(t)
	r := start(t, settings{redis: redis.Addr})
	etag := r.do("PUT", "/v1/state/main/outage", "1").want(t, 204).header.Get("ETag")
	redis.Stop()

	for range 3 {
		within(t, time.Second, func() answer {
			return r.do("PUT", "/v1/state/main/outage", "2", "X-Request-Timeout", "500ms")
		}).wantProblem(t, 503, "backend-unavailable")
	}
	conflict := within(t, time.Second, func() answer { return r.do("DELETE", "/v1/state/main/outage", "", "If-Match", etag) })
	conflict.wantProblem(t, 503, "backend-unavailable") // an outage is never a 412
	if strings.Contains(conflict.body, redis.Addr) {
		t.Errorf("the answer tells an internal address: %s", conflict.body)
	}
	r.do("POST", "/v1/lock/main/outage", "").wantProblem(t, 503, "backend-unavailable")
	r.do("GET", "/v1/invoke/echo/status/200", "").want(t, 200)
	r.do("GET", "/v1/config/apollo/application", "").want(t, 200)
	r.do("GET", "/healthz", "").want(t, 200)
	if got := r.do("GET", "/readyz", "").want(t, 503); got.body != "DOWN\n" {
		t.Errorf("readyz says %q", got.body)
	}

	if err := redis.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	healed := time.Now()
	for r.do("PUT", "/v1/state/main/outage", "3").status != 204 {
		if time.Since(healed) > 3*time.Second {
			t.Fatal("no recovery within 3 s after Redis came back")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestKafkaAddressWrong(t *testing.T) {
	began := time.Now()
	r := start(t, settings{kafka: "127.0.0.1:1"})
	if took := time.Since(began); took > time.Second {
		t.Errorf("the start took %s", took)
	}
	within(t, 2*time.Second, func() answer {
		return r.do("POST", "/v1/publish/events/e2e.wrong", "x", "X-Request-Timeout", "1s")
	}).wantProblem(t, 503, "backend-unavailable")
	within(t, 2*time.Second, func() answer {
		return r.do("GET", "/v1/subscribe/events/e2e.wrong?wait=1s", "", "X-Request-Timeout", "1s")
	}).wantProblem(t, 503, "backend-unavailable")
	r.do("PUT", "/v1/state/main/degraded", "1").want(t, 204)
	r.do("GET", "/readyz", "").want(t, 200) // kafka is not required here
}

func TestKafkaStopped(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kafka")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	kafka, err := servers.StartKafka(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Stop()
	if err := kafka.CreateTopic(ctx, "e2e.outage", 1); err != nil {
		t.Fatal(err)
	}
	r := start(t, settings{kafka: kafka.Addr})
	publishSoon(t, r, "1") // a broker that has just started may still load its coordinators
	kafka.Stop()
	for range 2 {
		within(t, 3*time.Second, func() answer {
			return r.do("POST", "/v1/publish/events/e2e.outage", "2", "X-Request-Timeout", "2s")
		}).want(t, 503)
	}
	r.do("PUT", "/v1/state/main/other", "1").want(t, 204)
	if err := kafka.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	publishSoon(t, r, "3")
}

// publishSoon publishes within ten seconds of trying.
func publishSoon(t *testing.T, r *replica, body string) {
	t.Helper()
	began := time.Now()
	for r.do("POST", "/v1/publish/events/e2e.outage", body).status != 200 {
		if time.Since(began) > 10*time.Second {
			t.Fatal("nothing can be published for 10 s after Kafka has started")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func createTopic(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := shared.kafka.CreateTopic(ctx, name, 3); err != nil {
		t.Fatal(err)
	}
}
