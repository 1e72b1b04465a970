-- night, runner, item, failed ('1' or '0') -> how often it was given back after a failure
local key = p .. 'night:' .. ARGV[1]
local rank, runner = string.match(redis.call('HGET', key .. ':held', ARGV[3]) or '', '^(%d+) (.*)$')
local tries = redis.call('HINCRBY', key .. ':tries', ARGV[3], ARGV[4])
-- Whoever lost the claim meanwhile has nothing to give back.
if runner == ARGV[2] then
  redis.call('ZADD', key .. ':todo', rank, ARGV[3])
  redis.call('ZREM', key .. ':claims', ARGV[3])
  redis.call('HDEL', key .. ':held', ARGV[3])
end
return tries
