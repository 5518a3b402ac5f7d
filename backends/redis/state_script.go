package redis

import (
	"context"
	"fmt"
	"strings"

	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// What the guarded scripts answer.
const (
	verdictFailed  int64 = 0
	verdictApplied int64 = 1
	verdictForeign int64 = -1
)

// luaCondition holds the functions that scripts share to judge conditions.
// A condition is empty for none, '*' for any tag, or '=' and the tags in a row.
//
//nolint:dupword // Lua closes a block in a block with two words
var luaCondition = fmt.Sprintf(`
local function current(key, encoding, by_tag)
  if not by_tag then return redis.call('EXISTS', key) == 1 end
  if encoding == 'raw' then
    local value = redis.call('GET', key)
    if not value then return false end
    return true, redis.sha1hex(value)
  end
  local head = redis.call('GETRANGE', key, 0, %d)
  if head == '' and redis.call('EXISTS', key) == 0 then return false end
  if #head < %d or string.sub(head, 1, %d) ~= '%s' then return true end
  return true, string.sub(head, %d, %d)
end
local function among(tags, tag)
  for i = 2, #tags, #tag do
    if string.sub(tags, i, i + #tag - 1) == tag then return true end
  end
  return false
end
local function judge(key, encoding, match, none)
  local by_tag = string.sub(match, 1, 1) == '=' or string.sub(none, 1, 1) == '='
  local exists, tag = current(key, encoding, by_tag)
  if match ~= '' then
    if not exists then return 0 end
    if match ~= '*' then
      if not tag then return -1 end
      if not among(match, tag) then return 0 end
    end
  end
  if none ~= '' and exists then
    if none == '*' then return 0 end
    if not tag then return -1 end
    if among(none, tag) then return 0 end
  end
  return 1
end`, headSize-1, headSize, len(magic), luaBytes(magic), len(magic)+1, flagsAt)

// guardedWrite sets or deletes a key if its condition holds.
// KEYS: the key. ARGV: encoding, If-Match, If-None-Match, set|del, value, ms to live or 0.
var guardedWrite = newScript(luaCondition, `
local verdict = judge(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if verdict ~= 1 then return verdict end
if ARGV[4] == 'del' then redis.call('DEL', KEYS[1])
elseif ARGV[6] == '0' then redis.call('SET', KEYS[1], ARGV[5])
else redis.call('SET', KEYS[1], ARGV[5], 'PX', ARGV[6]) end
return 1`)

// luaBytes writes bytes as a Lua string literal's content.
func luaBytes(text string) string {
	var out strings.Builder
	for i := range len(text) {
		_, _ = fmt.Fprintf(&out, `\%03d`, text[i])
	}
	return out.String()
}

// guarded runs a conditional write.
func (s *State) guarded(ctx context.Context, key string, options backends.WriteOptions, verb string, stored []byte) error {
	match, none := s.packed(options.Condition)
	verdict, err := guardedWrite.run(ctx, s.conn, writing, []string{key},
		string(s.encoding), match, none, verb, stored, wholeMilliseconds(options.TTL))
	if err != nil {
		return err
	}
	switch verdict {
	case verdictApplied:
		return nil
	case verdictFailed:
		return preconditionFailed()
	case verdictForeign:
		return problem.Wrap(problem.ForeignValue, errForeign, "%s", details[problem.ForeignValue])
	}
	return badAnswer(verdict)
}

// packed writes a condition as luaCondition reads it.
func (s *State) packed(c backends.Condition) (match, none string) {
	return s.pack(c.IfMatchAny, c.IfMatch), s.pack(c.IfNoneMatchAny, c.IfNoneMatch)
}

func (s *State) pack(anyTag bool, etags []string) string {
	switch {
	case anyTag:
		return "*"
	case len(etags) > 0:
		return "=" + s.codec.tags(etags)
	}
	return ""
}

// badAnswer is a script's reply that cannot be.
func badAnswer(answer any) error {
	return problem.Wrap(problem.BadBackend, fmt.Errorf("unexpected answer %v (%T)", answer, answer), "%s", details[problem.BadBackend])
}
