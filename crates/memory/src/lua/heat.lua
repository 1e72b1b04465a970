-- Shared by all scripts: the arithmetic of src/heat.rs. KEYS[1] is the prefix of all keys.
local p = KEYS[1]

local function exact(number)
  return string.format('%.17g', number)
end

local function half_life()
  return tonumber(redis.call('HGET', p .. 'meta', 'halfLifeSeconds') or '86400')
end

local function age(now)
  return (tonumber(now) - 1767225600) / half_life()
end

-- log2(2^a + 2^b); `a` may be false.
local function sum(a, b)
  if not a then
    return b
  end
  a = tonumber(a)
  local hot, cold = math.max(a, b), math.min(a, b)
  return hot + math.log(1 + 2 ^ (cold - hot)) / math.log(2)
end

