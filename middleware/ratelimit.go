package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/store/memory"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/problem"
)

// RatesConfig says how much the apps may use and where it is counted.
type RatesConfig struct {
	Apps map[string]access.Limits
	// Open gives the store in which all replicas count together. It is called
	// in the background, again and again until it succeeds, and may take as
	// long as the store's client lets it. Its operations must end with their
	// context. nil lets each replica count alone.
	Open func(context.Context) (limiter.Store, error)
	// Replicas is how many share a rate while the store is away.
	Replicas int

	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Rates limits what each app uses, in fixed windows. While the shared store is
// away, each replica keeps its share of every rate in memory: a limit is never
// open, and never shut because a store is down.
type Rates struct {
	apps   map[string]*appLimit
	shared *sharedStore // nil = each replica counts alone
}

// appLimit is what is known of one app.
type appLimit struct {
	limits   access.Limits
	policy   []string // the RateLimit-Policy header, made once
	alone    *limiter.Limiter
	together limiter.Rate
	inFlight atomic.Int64
}

// NewRates is ready at once; with a shared store it starts a goroutine that
// Close ends.
func NewRates(config RatesConfig) (*Rates, error) {
	rates := &Rates{apps: make(map[string]*appLimit, len(config.Apps))}
	share := 1
	if config.Open != nil {
		shared, err := openShared(config.Open, config.Log, config.Registerer)
		if err != nil {
			return nil, err
		}
		rates.shared, share = shared, config.Replicas
	}
	// A window per app and no more: nothing is left to clean up.
	store := memory.NewStoreWithOptions(limiter.StoreOptions{})
	for name, limits := range config.Apps {
		rates.apps[name] = &appLimit{
			limits:   limits,
			policy:   []string{fmt.Sprintf(`"default";q=%d;w=%d`, limits.Requests.Count, int(limits.Requests.Period.Seconds()))},
			alone:    limiter.New(store, limiterRate(limits.Requests.Share(share))),
			together: limiterRate(limits.Requests),
		}
	}
	return rates, nil
}

func limiterRate(rate access.Rate) limiter.Rate {
	return limiter.Rate{Limit: rate.Count, Period: rate.Period}
}

// Close ends what NewRates started and waits for it.
func (r *Rates) Close() {
	if r.shared != nil {
		r.shared.close()
	}
}

// Limit holds an app to its limits. The answer says what is left, in the
// headers of draft-ietf-httpapi-ratelimit-headers-10.
func (r *Rates) Limit() gin.HandlerFunc {
	return func(c *gin.Context) {
		x := exchangeOf(c)
		app, known := r.apps[x.info.App]
		if !known {
			c.Next()
			return
		}
		defer app.inFlight.Add(-1)
		if err := r.admit(c, x, app, app.inFlight.Add(1)); err != nil {
			fail(c, err)
			return
		}
		c.Next()
	}
}

func (r *Rates) admit(c *gin.Context, x *exchange, app *appLimit, inFlight int64) error {
	if limit := app.limits.Concurrency; limit > 0 && inFlight > int64(limit) {
		busy := problem.New(problem.TooManyInFlight, "app %s may have %d requests in flight", x.info.App, limit)
		busy.RetryAfter = retryLater
		return busy
	}
	if !app.limits.Requests.Unlimited() {
		if err := r.count(c, x, app); err != nil {
			return err
		}
	}
	if limit := app.limits.Body; limit > 0 {
		if c.Request.ContentLength > limit {
			return problem.New(problem.BodyTooLarge, "the body is larger than %d bytes", limit)
		}
		if x.body != nil {
			x.body.lower(limit)
		}
	}
	return nil
}

// count takes one request from the app's window.
func (r *Rates) count(c *gin.Context, x *exchange, app *appLimit) error {
	state, ok := r.shared.take(x, x.info.App, app.together)
	if !ok {
		var err error
		if state, err = app.alone.Get(x, x.info.App); err != nil {
			return err // the memory store has no failures
		}
	}
	reset := max(1, state.Reset-time.Now().Unix())
	tell(c.Writer.Header(), app.policy, state.Remaining, reset)
	if state.Reached {
		limited := problem.New(problem.RateLimited, "app %s has used up its %s", x.info.App, app.limits.Requests)
		limited.RetryAfter = time.Duration(reset) * time.Second
		return limited
	}
	return nil
}

// tell writes the RateLimit headers. Their names are in Go's canonical form.
func tell(header http.Header, policy []string, remaining, reset int64) {
	text := append(make([]byte, 0, 48), `"default";r=`...)
	text = strconv.AppendInt(text, remaining, 10)
	text = append(text, ";t="...)
	text = strconv.AppendInt(text, reset, 10)
	header["Ratelimit-Policy"] = policy
	header["Ratelimit"] = []string{string(text)}
}
