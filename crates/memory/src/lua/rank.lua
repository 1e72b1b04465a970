-- 'hottest' or 'coldest', skip, count -> {{fingerprint, heat, bytes}, ...}
local first, last = tonumber(ARGV[2]), tonumber(ARGV[2]) + tonumber(ARGV[3]) - 1
if last < first then
  return {}
end
local order = ARGV[1] == 'hottest' and 'ZREVRANGE' or 'ZRANGE'
local found = redis.call(order, p .. 'heat', first, last, 'WITHSCORES')
local rows = {}
for i = 1, #found, 2 do
  local bytes = redis.call('HGET', p .. 'size', found[i]) or '0'
  rows[#rows + 1] = { found[i], found[i + 1], tonumber(bytes) }
end
return rows
