-- Counts what passed while this server was away.
-- KEYS: as of a check. ARGV: for each rate, the backlog that it has at least, in microseconds.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i, key in ipairs(KEYS) do
  local unused_at = tonumber(redis.call('GET', key) or now)
  local backlog = math.max(unused_at - now, tonumber(ARGV[i]))
  redis.call('SET', key, string.format('%.0f', now + backlog), 'PX', math.ceil(backlog / 1000))
end
return #KEYS
