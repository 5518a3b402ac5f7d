package redis

import "fmt"

// luaNumber holds whole numbers of 64 bits as Lua can calculate with them
// exactly: a pair whose value is first * 10^9 + second, both of one sign. A
// Lua number alone is exact up to 2^53 only.
const luaNumber = `
local unit = 1000000000
local least, most = { -9223372036, -854775808 }, { 9223372036, 854775807 }
local function below(a, b)
  return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
end
local function number(text)
  local sign, digits = string.match(text, '^(-?)(%d+)$')
  if not digits or #digits > 19 or text == '-0' or #digits > 1 and string.sub(digits, 1, 1) == '0' then return nil end
  local high, low = tonumber(string.sub(digits, 1, -10)) or 0, tonumber(string.sub(digits, -9))
  if sign == '-' then high, low = -high, -low end
  local n = { high, low }
  if below(n, least) or below(most, n) then return nil end
  return n
end
local function add(a, b)
  local high, low = a[1] + b[1], a[2] + b[2]
  if low >= unit then high, low = high + 1, low - unit end
  if low <= -unit then high, low = high - 1, low + unit end
  if high > 0 and low < 0 then high, low = high - 1, low + unit end
  if high < 0 and low > 0 then high, low = high + 1, low - unit end
  return { high, low }
end
local function text_of(n)
  local sign = ''
  if n[1] < 0 or n[2] < 0 then sign = '-' end
  if n[1] == 0 then return sign .. string.format('%.0f', math.abs(n[2])) end
  return sign .. string.format('%.0f%09.0f', math.abs(n[1]), math.abs(n[2]))
end`

// luaEnvelope holds the functions that take an envelope apart and make one.
var luaEnvelope = fmt.Sprintf(`
local function open_envelope(stored, encoding)
  if encoding == 'raw' then return '', stored end
  if not tag_of(stored, encoding) then return nil end
  local flags, high, low = string.byte(stored, %[1]d, %[2]d)
  if flags > %[3]d then return nil end
  local from = %[2]d + 1 + flags * %[4]d
  local rest = from + high * 256 + low
  if #stored < rest - 1 then return nil end
  return string.sub(stored, from, rest - 1), string.sub(stored, rest)
end
local function close_envelope(tag, content_type, body, encoding)
  if encoding == 'raw' then return body end
  local length = string.char(math.floor(#content_type / 256), #content_type %% 256)
  return '%[5]s' .. tag .. '\0' .. length .. content_type .. body
end`, flagsAt+1, headSize, flagFence, fenceSize, luaBytes(magic))

// stepFields is how many arguments each operation of transactScript has.
const stepFields = 11

// transactScript judges all operations against a draft, in which each sees what
// those before it did, and writes the draft only when all are allowed: what a
// script has written stays, so nothing may fail after the first write.
//
// KEYS: the values and the fences, in any order. ARGV: encoding, ms to remember
// a fence, and then for each operation: kind, index of its key, index of its
// fence or 0, token, If-Match, If-None-Match, value (of an increment: the tag),
// life, by, least, most. Answers {'ok', result...} or {'refused', reason...},
// in which the reason of what was not refused is empty.
//
//nolint:dupword // Lua closes a block in a block with two words
var transactScript = newScript(luaDigits, luaCondition, luaNumber, luaEnvelope, fmt.Sprintf(`
local encoding, remembered = ARGV[1], ARGV[2]
local values, fences = {}, {}

local function look(key, by_tag)
  local drafted = values[key]
  if drafted then return drafted.stored ~= nil, drafted.stored and tag_of(drafted.stored, encoding) end
  local ok, exists, tag = pcall(current, key, encoding, by_tag)
  if not ok then return true end
  return exists, tag
end
local function read(key)
  local drafted = values[key]
  if drafted then return drafted.stored or false end
  return redis.pcall('GET', key)
end
local function life_of(key)
  local drafted = values[key]
  if not drafted then return 'keep' end
  return drafted.stored and drafted.life or ''
end
local function allow(o)
  if o.fence then
    local seen = fences[o.fence] or redis.call('HGET', o.fence, 'token')
    if seen and less(o.token, seen) then return 'stale' end
  end
  local verdict = judge(o.match, o.none, look(o.key, named(o.match, o.none)))
  if verdict == 0 then return 'failed' end
  if verdict == -1 then return 'foreign' end
end

local act = {}
function act.get(o)
  local stored = read(o.key)
  if stored and (type(stored) == 'table' or not open_envelope(stored, encoding)) then return nil, 'foreign' end
  return stored
end
function act.put(o)
  local life = o.life
  if life == 'keep' then life = life_of(o.key) end
  values[o.key] = { stored = o.value, life = life }
  return true
end
function act.delete(o)
  values[o.key] = {}
  return true
end
function act.increment(o)
  local stored, content_type, digits = read(o.key), 'application/json', '0'
  if type(stored) == 'table' then return nil, 'foreign' end
  if stored then content_type, digits = open_envelope(stored, encoding) end
  if not digits then return nil, 'foreign' end
  local before = number(digits)
  if not before then return nil, 'number' end
  local sum = add(before, number(o.by))
  if below(sum, least) or below(most, sum) then return nil, 'range' end
  if o.least ~= '' and below(sum, number(o.least)) then return nil, 'less' end
  if o.most ~= '' and below(number(o.most), sum) then return nil, 'more' end
  local text = text_of(sum)
  values[o.key] = { stored = close_envelope(o.value, content_type, text, encoding), life = life_of(o.key) }
  return text
end
local function run(o)
  if o.kind ~= 'get' then
    local reason = allow(o)
    if reason then return nil, reason end
  end
  local result, reason = act[o.kind](o)
  if not reason and o.fence then fences[o.fence] = o.token end
  return result, reason
end

local results, reasons, refused = { 'ok' }, { 'refused' }, false
for at = 3, #ARGV, %d do
  local result, reason = run({
    kind = ARGV[at], key = KEYS[tonumber(ARGV[at + 1])], fence = KEYS[tonumber(ARGV[at + 2])], token = ARGV[at + 3],
    match = ARGV[at + 4], none = ARGV[at + 5], value = ARGV[at + 6], life = ARGV[at + 7],
    by = ARGV[at + 8], least = ARGV[at + 9], most = ARGV[at + 10] })
  refused = refused or reason ~= nil
  table.insert(results, result or false)
  table.insert(reasons, reason or '')
end
if refused then return reasons end
for key, value in pairs(values) do
  if value.stored then set(key, value.stored, value.life) else redis.call('DEL', key) end
end
for fence, token in pairs(fences) do
  redis.call('HSET', fence, 'token', token)
  redis.call('PEXPIRE', fence, remembered)
end
return results`, stepFields))
