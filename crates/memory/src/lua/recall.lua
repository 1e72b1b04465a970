-- fingerprint, now, schema -> body or nothing
local fingerprint, key = ARGV[1], p .. 'entry:' .. ARGV[1]
local entry = redis.call('HMGET', key, 'body', 'schema')
if not entry[1] or tonumber(entry[2]) > tonumber(ARGV[3]) then
  redis.pcall('HINCRBY', p .. 'count', 'misses', 1)
  return false
end
-- `pcall`, because a Redis that may not write can still remember.
redis.pcall('HINCRBY', p .. 'count', 'hits', 1)
redis.pcall('HINCRBY', key, 'uses', 1)
redis.pcall('ZADD', p .. 'heat', exact(sum(redis.call('ZSCORE', p .. 'heat', fingerprint), age(ARGV[2]))), fingerprint)
return entry[1]
