-- -> how many ghosts were forgotten: the coldest, as many as there are more ghosts than entries
local most = redis.call('ZCARD', p .. 'heat')
return redis.call('ZREMRANGEBYRANK', p .. 'ghost', 0, -most - 1)
