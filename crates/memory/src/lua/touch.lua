-- fingerprint, now, uses -> 1 if the entry is there
local fingerprint, key, uses = ARGV[1], p .. 'entry:' .. ARGV[1], tonumber(ARGV[3])
redis.call('HINCRBY', p .. 'count', 'hits', uses)
if redis.call('EXISTS', key) == 0 or uses == 0 then
  return redis.call('EXISTS', key)
end
redis.call('HINCRBY', key, 'uses', uses)
local warmth = age(ARGV[2]) + math.log(uses) / math.log(2)
redis.call('ZADD', p .. 'heat', exact(sum(redis.call('ZSCORE', p .. 'heat', fingerprint), warmth)), fingerprint)
return 1
