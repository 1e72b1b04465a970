-- fingerprint, now, most, body
local fingerprint = ARGV[1]
redis.call('ZADD', p .. 'cut', exact(sum(redis.call('ZSCORE', p .. 'cut', fingerprint), age(ARGV[2]))), fingerprint)
redis.call('HSET', p .. 'cuts', fingerprint, ARGV[4])
for _, cold in ipairs(redis.call('ZRANGE', p .. 'cut', 0, -tonumber(ARGV[3]) - 1)) do
  redis.call('ZREM', p .. 'cut', cold)
  redis.call('HDEL', p .. 'cuts', cold)
end
return redis.status_reply('OK')
