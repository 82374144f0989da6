-- Takes a slot of each key for one task, or none.
-- KEYS: for each bound, a sorted set of tasks by the end of their leases, in milliseconds of the server's clock.
-- ARGV: the task, its lease in milliseconds, then the bound of each key.
-- Returns the place of the first key that is full, from 1, and how many of its slots are in use; 0 and 0 if none is.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local task, lease = ARGV[1], tonumber(ARGV[2])
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
  local in_use = redis.call('ZCARD', key)
  if in_use >= tonumber(ARGV[i + 2]) and not redis.call('ZSCORE', key, task) then
    return {i, in_use}
  end
end
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, string.format('%.0f', now + lease), task)
  -- The set lives as long as its last lease.
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last[2])))
end
return {0, 0}
