-- seconds, now: sets the half-life and moves all heats by one amount, so that temperatures stay what they are now
if half_life() == tonumber(ARGV[1]) then
  return redis.status_reply('OK')
end
local before = age(ARGV[2])
redis.call('HSET', p .. 'meta', 'halfLifeSeconds', ARGV[1])
local shift = age(ARGV[2]) - before
for _, name in ipairs({ 'heat', 'ghost', 'cut' }) do
  local found = redis.call('ZRANGE', p .. name, 0, -1, 'WITHSCORES')
  for i = 1, #found, 2 do
    redis.call('ZADD', p .. name, exact(tonumber(found[i + 1]) + shift), found[i])
  end
end
return redis.status_reply('OK')
