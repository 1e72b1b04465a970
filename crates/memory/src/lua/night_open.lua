-- last id seen, date, role, model, until, now, seconds kept, items... -> id of the role's latest night
local last = redis.call('GET', p .. 'night:last:' .. ARGV[3]) or ''
if last ~= ARGV[1] then
  return last
end
local day, kept = ARGV[2] .. '-' .. ARGV[3], ARGV[7]
local counter = redis.call('INCR', p .. 'night:counter:' .. day)
redis.call('EXPIRE', p .. 'night:counter:' .. day, kept)
local id = day .. '-' .. counter
local key = p .. 'night:' .. id
local planned = 0
for i = 8, #ARGV do
  planned = planned + redis.call('ZADD', key .. ':todo', i, ARGV[i])
end
redis.call('EXPIRE', key .. ':todo', kept)
redis.call('HSET', key, 'role', ARGV[3], 'model', ARGV[4], 'until', ARGV[5], 'started', ARGV[6], 'planned', planned)
if planned == 0 then
  redis.call('HSET', key, 'finished', ARGV[6])
end
redis.call('EXPIRE', key, kept)
redis.call('SET', p .. 'night:last:' .. ARGV[3], id, 'EX', kept)
return id
