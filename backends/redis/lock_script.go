package redis

// The lock scripts. KEYS: lease, last. Both are hashes of app, owner, fence;
// lease exists as long as somebody holds the lock, last for a day longer. All
// answer {verdict} or {verdict, app, owner, fence, ms left}.

// luaLease holds the functions that the lock scripts share.
const luaLease = `
local function holder(key)
  local found = redis.call('HMGET', key, 'app', 'owner', 'fence')
  if not found[1] then return nil end
  return { app = found[1], owner = found[2], fence = found[3] }
end
local function is(who, app, owner)
  return who and who.app == app and who.owner == owner
end
local function tell(verdict, who, left)
  return { verdict, who.app, who.owner, who.fence, left }
end
local function extend(who, ttl, kept)
  redis.call('PEXPIRE', KEYS[1], ttl)
  redis.call('PEXPIRE', KEYS[2], kept)
  return tell('ok', who, tonumber(ttl))
end`

// luaFence holds the function that mints fences: max(last + 1, the server's
// time in microseconds), so that a fence grows even when everything stored is
// lost. It needs luaDigits.
const luaFence = `
local function mint(last)
  local now = redis.call('TIME')
  local micros = now[1] .. string.format('%06d', now[2])
  redis.call('HINCRBY', last, 'fence', 1)
  if less(redis.call('HGET', last, 'fence'), micros) then
    redis.call('HSET', last, 'fence', micros)
  end
  return redis.call('HGET', last, 'fence')
end`

// ARGV: app, owner, ms to live, ms to remember.
var acquireScript = newScript(luaLease, luaDigits, luaFence, `
local now = holder(KEYS[1])
if is(now, ARGV[1], ARGV[2]) then return extend(now, ARGV[3], ARGV[4]) end
if now then return tell('held', now, redis.call('PTTL', KEYS[1])) end
local mine = { app = ARGV[1], owner = ARGV[2], fence = mint(KEYS[2]) }
redis.call('HSET', KEYS[1], 'app', mine.app, 'owner', mine.owner, 'fence', mine.fence)
redis.call('HSET', KEYS[2], 'app', mine.app, 'owner', mine.owner)
return extend(mine, ARGV[3], ARGV[4])`)

// ARGV: app, owner, ms to live, ms to remember.
var renewScript = newScript(luaLease, `
local now = holder(KEYS[1])
if is(now, ARGV[1], ARGV[2]) then return extend(now, ARGV[3], ARGV[4]) end
if now then return tell('other', now, redis.call('PTTL', KEYS[1])) end
if is(holder(KEYS[2]), ARGV[1], ARGV[2]) then return { 'expired' } end
return { 'none' }`)

// ARGV: app, owner.
var releaseScript = newScript(luaLease, `
local now = holder(KEYS[1])
if not now then return { 'none' } end
if not is(now, ARGV[1], ARGV[2]) then return tell('other', now, redis.call('PTTL', KEYS[1])) end
redis.call('DEL', KEYS[1])
return tell('ok', now, 0)`)

var inspectScript = newScript(luaLease, `
local now = holder(KEYS[1])
if not now then return { 'none' } end
return tell('ok', now, redis.call('PTTL', KEYS[1]))`)
