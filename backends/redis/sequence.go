package redis

import (
	"context"
	"strconv"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Sequencer counts in one Redis string per key, up to the largest int64. A
// Redis that loses writes in a failover can give numbers out again.
type Sequencer struct{ conn *Conn }

var (
	_ backends.Sequencer = (*Sequencer)(nil)
	_ backends.Prober    = (*Sequencer)(nil)
)

// nextScript raises the counter to the floor, adds the count, and puts the
// counter back when that overflows. Redis adds in 64 bits.
// KEYS: the counter. ARGV: count, floor.
var nextScript = newScript(luaDigits, `
local before = redis.call('GET', KEYS[1])
local count, floor = ARGV[1], ARGV[2]
if before and before ~= '0' and not string.find(before, '^[1-9]%d*$') then
  return redis.error_reply('ERR value is not an integer or out of range')
end
if less(before or '0', floor) then redis.call('SET', KEYS[1], floor) end
local sum = redis.pcall('INCRBY', KEYS[1], count)
if type(sum) == 'table' and sum.err then
  if before then redis.call('SET', KEYS[1], before) else redis.call('DEL', KEYS[1]) end
  return sum
end
return redis.call('GET', KEYS[1])`)

// Next takes count consecutive numbers in one round trip.
func (s *Sequencer) Next(ctx context.Context, key string, count, floor int64) (int64, error) {
	if count < 1 {
		return 0, problem.New(problem.InvalidParameter, "count must be at least 1")
	}
	answer, err := nextScript.run(ctx, s.conn, writing, []string{sequenceKey(key)}, count, max(floor, 0))
	if err != nil {
		return 0, err
	}
	digits, _ := answer.(string)
	last, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, badAnswer(answer)
	}
	return last - count + 1, nil
}

func sequenceKey(key string) string { return "ottogate:sequence:" + key }

// Probe fails where Redis may evict keys: a sequence would start again.
func (s *Sequencer) Probe(ctx context.Context) error { return s.conn.probeKeeping(ctx) }
