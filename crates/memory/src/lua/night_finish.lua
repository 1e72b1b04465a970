-- night, item, counter, milliseconds, now -> 1 if this call did it
local key = p .. 'night:' .. ARGV[1]
redis.call('HINCRBY', key, 'gpuMillis', ARGV[4])
redis.call('ZREM', key .. ':todo', ARGV[2])
redis.call('ZREM', key .. ':claims', ARGV[2])
redis.call('HDEL', key .. ':held', ARGV[2])
if redis.call('HSETNX', key .. ':done', ARGV[2], ARGV[3]) == 0 then
  return 0
end
redis.call('HINCRBY', key, ARGV[3], 1)
local done = redis.call('HINCRBY', key, 'done', 1)
if done >= tonumber(redis.call('HGET', key, 'planned') or '0') then
  redis.call('HSET', key, 'finished', ARGV[5])
end
local kept = redis.call('TTL', key)
if kept > 0 then
  redis.call('EXPIRE', key .. ':done', kept)
  redis.call('EXPIRE', key .. ':tries', kept)
end
return 1
