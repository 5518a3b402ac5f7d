package middleware

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/problem"
)

func from(engine *gin.Engine, address string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/v1/thing", http.NoBody)
	r.RemoteAddr = address
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, r)
	return w
}

func TestAnAddressHasItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newEngine(outer(AddressLimit(access.Rate{Count: 2, Period: time.Minute}))...)
		engine.GET("/v1/thing", Handle(fine))
		time.Sleep(20 * time.Second)
		for range 2 {
			if w := from(engine, "192.0.2.1:1"); w.Code != http.StatusOK {
				t.Fatalf("got %d", w.Code)
			}
		}
		w := from(engine, "192.0.2.1:2", "X-Forwarded-For", "203.0.113.77")
		wantProblem(t, w, problem.RateLimited)
		if w.Header().Get("Retry-After") != "40" {
			t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
		}
		if w := from(engine, "192.0.2.2:1"); w.Code != http.StatusOK {
			t.Errorf("another address: %d", w.Code)
		}
		time.Sleep(41 * time.Second)
		if w := from(engine, "192.0.2.1:1"); w.Code != http.StatusOK {
			t.Errorf("in the next window: %d", w.Code)
		}
	})
}

func TestAnIPv6ClientIsItsSixtyFour(t *testing.T) {
	engine := newEngine(outer(AddressLimit(access.Rate{Count: 1, Period: time.Hour}))...)
	engine.GET("/v1/thing", Handle(fine))
	if w := from(engine, "[2001:db8:0:1::1]:1"); w.Code != http.StatusOK {
		t.Fatalf("got %d", w.Code)
	}
	wantProblem(t, from(engine, "[2001:db8:0:1:ffff::2]:1"), problem.RateLimited)
	if w := from(engine, "[2001:db8:0:2::1]:1"); w.Code != http.StatusOK {
		t.Errorf("the next network: %d", w.Code)
	}
}

func TestAWindowCountsExactly(t *testing.T) {
	start := time.Now()
	table := newWindows(access.Rate{Count: 1000, Period: time.Hour}, start)
	var admitted atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 500 {
				if table.take(netip.MustParseAddr("192.0.2.1"), start) == 0 {
					admitted.Add(1)
				}
			}
		})
	}
	group.Wait()
	if admitted.Load() != 1000 {
		t.Errorf("admitted %d", admitted.Load())
	}
}

func TestManyAddressesPushNobodyOut(t *testing.T) {
	start := time.Now()
	table := newWindows(access.Rate{Count: 1 << 20, Period: time.Hour}, start)
	victim := netip.MustParseAddr("192.0.2.1")
	for range 1 << 20 {
		table.take(victim, start)
	}
	for i := range 200_000 {
		table.take(netip.MustParseAddr(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)), start)
	}
	if table.take(victim, start) == 0 {
		t.Error("the count was forgotten")
	}
}

func TestTakingAllocatesNothing(t *testing.T) {
	table := newWindows(access.Rate{Count: 1 << 20, Period: time.Hour}, time.Now())
	address := netip.MustParseAddr("2001:db8::1")
	if allocs := testing.AllocsPerRun(100, func() { table.take(address, time.Now()) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
