-- Sets leases, whatever the bounds are.
-- KEYS: for each lease, the sorted set of its key. ARGV: for each lease, the task, and how long the lease goes on in
-- milliseconds; 0 gives the slot back.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, key in ipairs(KEYS) do
  local task, lease = ARGV[2 * i - 1], tonumber(ARGV[2 * i])
  if lease > 0 then
    redis.call('ZADD', key, string.format('%.0f', now + lease), task)
    local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
    redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last[2])))
  else
    redis.call('ZREM', key, task)
  end
end
return #KEYS
