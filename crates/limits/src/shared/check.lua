-- Counts one request against all rates, or against none.
-- KEYS: for each rate, the moment at which it will be unused again, in microseconds of the server's clock.
-- ARGV: for each rate, its interval and its tolerance in microseconds.
-- Returns whether it passed, the place of the rate to tell of, and the backlog of each.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before, after = {}, {}
local refused, longest
local tightest, least
for i, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local unused_at = tonumber(redis.call('GET', key) or now)
  if unused_at > now + tolerance then
    -- The limit was raised, or the clock went back: wait for a bucket that is as empty as it can be now.
    unused_at = now + tolerance
    redis.call('SET', key, string.format('%.0f', unused_at), 'PX', math.ceil(tolerance / 1000))
  end
  before[i] = math.max(unused_at - now, 0)
  after[i] = before[i] + interval
  local wait = after[i] - tolerance
  local remaining = math.floor(-wait / interval)
  if wait > 0 then
    if not refused or wait > longest then
      refused, longest = i, wait
    end
  elseif not tightest or remaining < least then
    tightest, least = i, remaining
  end
end
if refused then
  return {0, refused - 1, before}
end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.0f', now + after[i]), 'PX', math.ceil(after[i] / 1000))
end
return {1, tightest - 1, after}
