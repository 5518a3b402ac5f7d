package middleware

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/ulule/limiter/v3"
	redisstore "github.com/ulule/limiter/v3/drivers/store/redis"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/problem"
	"github.com/ottogate/ottogate/tests/servers"
)

func newRates(tb testing.TB, limits access.Limits, open func(context.Context) (limiter.Store, error), replicas int) *Rates {
	tb.Helper()
	rates, err := NewRates(RatesConfig{
		Apps: map[string]access.Limits{"alice": limits, "bob": limits},
		Open: open, Replicas: replicas, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(rates.Close)
	return rates
}

// replica is one gateway's chain with its rates.
func replica(tb testing.TB, rates *Rates) *gin.Engine {
	tb.Helper()
	engine := newEngine(outer(Limits(LimitsConfig{}), authOf(tb), rates.Limit())...)
	engine.GET("/v1/thing", Handle(fine))
	engine.POST("/v1/thing", Handle(echo))
	return engine
}

func as(engine *gin.Engine, app string) *httptest.ResponseRecorder {
	return get(engine, "X-Api-Key", "key-of-"+app)
}

// admitted counts how many of n requests pass.
func admitted(n int, engine *gin.Engine, app string) int {
	passed := 0
	for range n {
		if as(engine, app).Code == http.StatusOK {
			passed++
		}
	}
	return passed
}

var tenAnHour = access.Limits{Requests: access.Rate{Count: 10, Period: time.Hour}}

func TestTheEleventhIsRefused(t *testing.T) {
	engine := replica(t, newRates(t, tenAnHour, nil, 2))
	w := as(engine, "alice")
	if got := w.Header()["Ratelimit-Policy"]; len(got) != 1 || got[0] != `"default";q=10;w=3600` {
		t.Errorf("RateLimit-Policy %q", got)
	}
	if got := w.Header().Get("Ratelimit"); got != `"default";r=9;t=3600` && got != `"default";r=9;t=3599` {
		t.Errorf("RateLimit %q", got)
	}
	if passed := admitted(10, engine, "alice"); passed != 9 {
		t.Errorf("%d more passed", passed)
	}
	w = as(engine, "alice")
	wantProblem(t, w, problem.RateLimited)
	if !strings.HasPrefix(w.Header().Get("Ratelimit"), `"default";r=0;t=3`) || !strings.HasPrefix(w.Header().Get("Retry-After"), "3") {
		t.Errorf("headers %v", w.Header())
	}
	if as(engine, "bob").Code != http.StatusOK {
		t.Error("another app is limited too")
	}
}

func TestNoLimitNoHeaders(t *testing.T) {
	w := as(replica(t, newRates(t, access.Limits{}, nil, 1)), "alice")
	if w.Code != http.StatusOK || w.Header()["Ratelimit"] != nil {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
}

func TestConcurrencyIsPerApp(t *testing.T) {
	engine := replica(t, newRates(t, access.Limits{Concurrency: 1}, nil, 1))
	inside, leave := make(chan struct{}), make(chan struct{})
	engine.GET("/v1/slow", Handle(func(c *gin.Context) error {
		inside <- struct{}{}
		<-leave
		return fine(c)
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(engine, "GET", "/v1/slow", http.NoBody, "X-Api-Key", "key-of-alice")
	}()
	<-inside
	w := as(engine, "alice")
	wantProblem(t, w, problem.TooManyInFlight)
	if w.Header().Get("Retry-After") == "" || as(engine, "bob").Code != http.StatusOK {
		t.Errorf("Retry-After %q, or bob is limited too", w.Header().Get("Retry-After"))
	}
	close(leave)
	<-done
	if as(engine, "alice").Code != http.StatusOK {
		t.Error("the place was not given back")
	}
}

func TestABodyLimitOfTheApp(t *testing.T) {
	engine := replica(t, newRates(t, access.Limits{Body: 4}, nil, 1))
	key := []string{"X-Api-Key", "key-of-alice"}
	wantProblem(t, do(engine, "POST", "/v1/thing", strings.NewReader("12345"), key...), problem.BodyTooLarge)
	wantProblem(t, do(engine, "POST", "/v1/thing", undeclared{strings.NewReader("12345")}, key...), problem.BodyTooLarge)
	if w := do(engine, "POST", "/v1/thing", undeclared{strings.NewReader("1234")}, key...); w.Code != http.StatusCreated {
		t.Errorf("got %d", w.Code)
	}
}

// opener opens the store on a Redis as a gateway does.
func opener(tb testing.TB, addr string) func(context.Context) (limiter.Store, error) {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, ContextTimeoutEnabled: true, DialTimeout: time.Second})
	tb.Cleanup(func() { _ = client.Close() })
	return func(context.Context) (limiter.Store, error) {
		return redisstore.NewStoreWithOptions(client, limiter.StoreOptions{Prefix: "test:rate"})
	}
}

// eventually waits for a change that a goroutine makes.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	tb.Fatalf("never: %s", what)
}

func together(rates *Rates) bool { return rates.shared.inUse.Load() != nil }

func TestReplicasCountTogether(t *testing.T) {
	server := servers.NewRedis(t)
	one, two := newRates(t, tenAnHour, opener(t, server.Addr), 2), newRates(t, tenAnHour, opener(t, server.Addr), 2)
	eventually(t, "both use the store", func() bool { return together(one) && together(two) })
	a, b := replica(t, one), replica(t, two)
	if passed := admitted(6, a, "alice") + admitted(6, b, "alice"); passed != 10 {
		t.Errorf("%d of 12 passed", passed)
	}
	if as(b, "bob").Code != http.StatusOK {
		t.Error("another app is limited too")
	}
}

func TestAReplicaKeepsItsShareWhileTheStoreIsAway(t *testing.T) {
	server := servers.NewRedis(t)
	rates := newRates(t, tenAnHour, opener(t, server.Addr), 2)
	engine := replica(t, rates)
	eventually(t, "the store is in use", func() bool { return together(rates) })
	server.Kill()
	if passed := admitted(10, engine, "alice"); passed != 5 {
		t.Errorf("%d passed, the share is 5", passed)
	}
	if together(rates) {
		t.Error("a dead store is still in use")
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store is in use again", func() bool { return together(rates) })
	if passed := admitted(12, engine, "alice"); passed != 10 {
		t.Errorf("%d passed after the store came back", passed)
	}
}

func TestAStoreThatHangsCostsOneShortWait(t *testing.T) {
	server := servers.NewRedis(t)
	rates := newRates(t, tenAnHour, opener(t, server.Addr), 2)
	engine := replica(t, rates)
	eventually(t, "the store is in use", func() bool { return together(rates) })
	server.Pause()
	defer server.Resume()
	start := time.Now()
	if passed := admitted(10, engine, "alice"); passed != 5 {
		t.Errorf("%d passed, the share is 5", passed)
	}
	if took := time.Since(start); took > 8*storePatience {
		t.Errorf("ten requests took %v", took)
	}
}

func TestAStoreThatNeverWasIsNoObstacle(t *testing.T) {
	rates := newRates(t, tenAnHour, func(context.Context) (limiter.Store, error) { return nil, errors.New("refused") }, 5)
	if passed := admitted(10, replica(t, rates), "alice"); passed != 2 {
		t.Errorf("%d passed, the share is 2", passed)
	}
}
