package middleware

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/problem"
)

// AddressLimit refuses the requests of a client address above rate, before
// anything is known of the caller. Each replica counts alone: asking a shared
// store about strangers would let strangers load it. An IPv6 client is its
// /64, since it can take any address in there.
func AddressLimit(rate access.Rate) gin.HandlerFunc {
	if rate.Unlimited() {
		return func(c *gin.Context) { c.Next() }
	}
	table := newWindows(rate, time.Now())
	return func(c *gin.Context) {
		if wait := table.take(ClientAddress(c), time.Now()); wait > 0 {
			limited := problem.New(problem.RateLimited, "this address has used up its %s", rate)
			limited.RetryAfter = wait
			fail(c, limited)
			return
		}
		c.Next()
	}
}

const (
	windowSlots = 1 << 16
	countBits   = 28
)

// windows counts requests in fixed windows, in a table of fixed size: however
// many addresses come, they take no more memory and push nobody out. Two that
// fall into one slot share its rate; the hash is seeded, so that nobody can
// choose whom to share with.
type windows struct {
	rate  access.Rate
	start time.Time
	seed  maphash.Seed
	slots [windowSlots]atomic.Uint64 // number of the window, then the count in it
}

func newWindows(rate access.Rate, start time.Time) *windows {
	return &windows{rate: rate, start: start, seed: maphash.MakeSeed()}
}

// take counts one request and says how long to wait if it is one too many.
func (w *windows) take(address netip.Addr, now time.Time) time.Duration {
	elapsed := max(0, now.Sub(w.start))
	window := uint64(elapsed / w.rate.Period)
	slot := &w.slots[w.slotOf(address)]
	for {
		old := slot.Load()
		next := window<<countBits | 1
		if old>>countBits == window {
			if int64(old&(1<<countBits-1)) >= w.rate.Count {
				return w.rate.Period - elapsed%w.rate.Period
			}
			next = old + 1
		}
		if slot.CompareAndSwap(old, next) {
			return 0
		}
	}
}

func (w *windows) slotOf(address netip.Addr) uint64 {
	full := address.As16()
	if address.Is6() {
		binary.BigEndian.PutUint64(full[8:], 0) // the /64
	}
	return maphash.Bytes(w.seed, full[:]) % windowSlots
}
