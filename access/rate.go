package access

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxRate is the largest count of a Rate: far above what one process serves,
// and small enough to be counted together with its window in one word.
const maxRate = 1<<28 - 1

// Rate is a number of requests in a fixed window. The zero Rate is no limit.
type Rate struct {
	Count  int64
	Period time.Duration
}

// ParseRate reads "2000/s", "500/m" or "10/h".
func ParseRate(text string) (Rate, error) {
	number, unit, found := strings.Cut(text, "/")
	if !found {
		return Rate{}, fmt.Errorf("rate %q: want a count and a unit, as in 100/s", text)
	}
	count, err := strconv.ParseInt(number, 10, 64)
	if err != nil || count < 1 || count > maxRate || number[0] == '+' {
		return Rate{}, fmt.Errorf("rate %q: %q is not a whole number from 1 to %d", text, number, maxRate)
	}
	period, known := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	if !known {
		return Rate{}, fmt.Errorf("rate %q: unknown unit %q; the units are s, m and h", text, unit)
	}
	return Rate{Count: count, Period: period}, nil
}

// Unlimited says that the rate limits nothing.
func (r Rate) Unlimited() bool { return r.Count <= 0 || r.Period <= 0 }

// Share is what each of n replicas may use when they cannot count together:
// an equal part, but at least one request.
func (r Rate) Share(n int) Rate {
	if n > 1 {
		r.Count = max(1, r.Count/int64(n))
	}
	return r
}

// String is the rate as ParseRate reads it; "" for no limit.
func (r Rate) String() string {
	switch {
	case r.Unlimited():
		return ""
	case r.Period == time.Hour:
		return strconv.FormatInt(r.Count, 10) + "/h"
	case r.Period == time.Minute:
		return strconv.FormatInt(r.Count, 10) + "/m"
	default:
		return strconv.FormatInt(r.Count, 10) + "/s"
	}
}
