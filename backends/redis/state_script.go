package redis

import (
	"context"
	"fmt"
	"strconv"
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

// luaCondition holds the functions that scripts share to judge conditions and
// to write. A condition is empty for none, '*' for any tag, or '=' and the tags in a row.
//
//nolint:dupword // Lua closes a block in a block with two words
var luaCondition = fmt.Sprintf(`
local function named(match, none)
  return string.sub(match, 1, 1) == '=' or string.sub(none, 1, 1) == '='
end
local function tag_of(stored, encoding)
  if encoding == 'raw' then return redis.sha1hex(stored) end
  if #stored < %d or string.sub(stored, 1, %d) ~= '%s' then return nil end
  return string.sub(stored, %d, %d)
end
local function current(key, encoding, by_tag)
  if not by_tag then return redis.call('EXISTS', key) == 1 end
  if encoding == 'raw' then
    local value = redis.call('GET', key)
    if not value then return false end
    return true, tag_of(value, encoding)
  end
  local head = redis.call('GETRANGE', key, 0, %d)
  if head == '' and redis.call('EXISTS', key) == 0 then return false end
  return true, tag_of(head, encoding)
end
local function among(tags, tag)
  for i = 2, #tags, #tag do
    if string.sub(tags, i, i + #tag - 1) == tag then return true end
  end
  return false
end
local function judge(match, none, exists, tag)
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
end
local function set(key, stored, life)
  if life == '' then redis.call('SET', key, stored)
  elseif life == 'keep' then redis.call('SET', key, stored, 'KEEPTTL')
  else redis.call('SET', key, stored, 'PX', life) end
end`, headSize, len(magic), luaBytes(magic), len(magic)+1, flagsAt, headSize-1)

// guardedWrite sets or deletes a key if its condition holds.
// KEYS: the key. ARGV: encoding, If-Match, If-None-Match, set|del, value, life.
var guardedWrite = newScript(luaCondition, `
local encoding, match, none = ARGV[1], ARGV[2], ARGV[3]
local verdict = judge(match, none, current(KEYS[1], encoding, named(match, none)))
if verdict ~= 1 then return verdict end
if ARGV[4] == 'del' then redis.call('DEL', KEYS[1]) else set(KEYS[1], ARGV[5], ARGV[6]) end
return 1`)

// lifeOf writes the expiry of a write as scripts read it: empty for none, keep,
// or ms to live.
func lifeOf(options backends.WriteOptions) string {
	switch {
	case options.KeepTTL:
		return "keep"
	case options.TTL > 0:
		return strconv.FormatInt(wholeMilliseconds(options.TTL), 10)
	}
	return ""
}

// luaBytes writes bytes as a Lua string literal's content.
func luaBytes(text string) string {
	var out strings.Builder
	for i := range len(text) {
		_, _ = fmt.Fprintf(&out, `\%03d`, text[i])
	}
	return out.String()
}

// guarded runs a conditional write.
func (s *State) guarded(ctx context.Context, to sender, key string, options backends.WriteOptions, verb string, stored []byte) error {
	match, none := s.packed(options.Condition)
	verdict, err := guardedWrite.run(ctx, to, writing, []string{key},
		string(s.encoding), match, none, verb, stored, lifeOf(options))
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
