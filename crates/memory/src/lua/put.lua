-- fingerprint, now, version, parent ('day' or a version), bytes, ttl, schema, body -> {stored, version that is there}
local fingerprint, key, old = ARGV[1], p .. 'entry:' .. ARGV[1], p .. 'old:' .. ARGV[1]
local version, bytes, ttl = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
local by_day = ARGV[4] == 'day'
local there = redis.call('HMGET', key, 'version', 'bytes', 'uses')
local current = tonumber(there[1] or '0')
if version <= current or (not by_day and tonumber(ARGV[4]) ~= current) then
  return { 0, current }
end

-- First a command that a full Redis refuses: after any other write it lets a script pass its memory limit.
redis.call('HINCRBY', p .. 'count', 'puts', 1)
local size = bytes
redis.call('DEL', old)
if current > 0 then
  redis.call('RENAME', key, old)
  redis.call('EXPIRE', old, ttl)
  size = size + tonumber(there[2])
end
redis.call('HSET', key, 'version', version, 'schema', ARGV[7], 'body', ARGV[8], 'bytes', bytes, 'uses', there[3] or '0')
redis.call('EXPIRE', key, ttl)
local before = tonumber(redis.call('HGET', p .. 'size', fingerprint) or '0')
redis.call('HSET', p .. 'size', fingerprint, size)
redis.call('INCRBY', p .. 'bytes', size - before)
redis.call('ZADD', p .. 'expiry', tonumber(ARGV[2]) + ttl, fingerprint)

-- A query by day is a use. A dream is none: its entry has the heat of what it replaces or of the queries that were cut.
local heat = redis.call('ZSCORE', p .. 'heat', fingerprint)
if not heat then
  heat = redis.call('ZSCORE', p .. 'cut', fingerprint) or redis.call('ZSCORE', p .. 'ghost', fingerprint)
end
if by_day or not heat then
  heat = sum(heat, age(ARGV[2]))
end
redis.call('ZADD', p .. 'heat', exact(tonumber(heat)), fingerprint)
redis.call('ZREM', p .. 'ghost', fingerprint)
redis.call('ZREM', p .. 'cut', fingerprint)
redis.call('HDEL', p .. 'cuts', fingerprint)
return { 1, version }
