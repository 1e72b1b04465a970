-- night, runner, now, until -> {'item', item} | {'wait', second} | {'done', ''}
local key = p .. 'night:' .. ARGV[1]
-- Items of runners that did not come back return to their old place.
for _, item in ipairs(redis.call('ZRANGEBYSCORE', key .. ':claims', '-inf', ARGV[3])) do
  local rank = string.match(redis.call('HGET', key .. ':held', item) or '0', '^(%d+)')
  redis.call('ZADD', key .. ':todo', rank, item)
  redis.call('ZREM', key .. ':claims', item)
  redis.call('HDEL', key .. ':held', item)
end
local next = redis.call('ZPOPMIN', key .. ':todo')
if next[1] then
  redis.call('ZADD', key .. ':claims', ARGV[4], next[1])
  redis.call('HSET', key .. ':held', next[1], next[2] .. ' ' .. ARGV[2])
  local kept = redis.call('TTL', key)
  if kept > 0 then
    for _, part in ipairs({ ':todo', ':claims', ':held' }) do
      redis.call('EXPIRE', key .. part, kept)
    end
  end
  return { 'item', next[1] }
end
local first = redis.call('ZRANGE', key .. ':claims', 0, 0, 'WITHSCORES')
if first[1] then
  return { 'wait', first[2] }
end
return { 'done', '' }
