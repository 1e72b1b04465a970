-- fingerprint, why, heat seen ('' for any) -> 1 if removed
local fingerprint, key, why = ARGV[1], p .. 'entry:' .. ARGV[1], ARGV[2]
local heat = redis.call('ZSCORE', p .. 'heat', fingerprint)
if why == 'expired' and redis.call('EXISTS', key) == 1 then
  return 0
end
if why == 'evicted' and heat and tonumber(heat) > tonumber(ARGV[3]) then
  return 0
end
local known = redis.call('DEL', key, p .. 'old:' .. fingerprint) > 0 or heat
redis.call('DECRBY', p .. 'bytes', redis.call('HGET', p .. 'size', fingerprint) or '0')
redis.call('HDEL', p .. 'size', fingerprint)
redis.call('ZREM', p .. 'heat', fingerprint)
redis.call('ZREM', p .. 'expiry', fingerprint)
if not known then
  return 0
end
redis.call('HINCRBY', p .. 'count', why, 1)
if why == 'evicted' and heat then
  -- Ghosts remember the heat of what was evicted, so that a query that keeps coming gets in: the admission filter.
  redis.call('ZADD', p .. 'ghost', heat, fingerprint)
  local most = 3 * redis.call('ZCARD', p .. 'heat') + 100
  redis.call('ZREMRANGEBYRANK', p .. 'ghost', 0, -most - 1)
end
return 1
