"""The requests to Redis, one round trip each.

With every admission each gateway publishes the number of its streams as an absolute number, so a
release needs no command: the next admission or heartbeat carries it. A lost command or a Redis
outage therefore heals by itself, and a dead gateway's number disappears once its heartbeat is old.
"""

from __future__ import annotations

import hashlib

from muster.testbed.gateway.redis_wire import command

BEAT_S = 0.5
DEAD_AFTER_S = 3

# Answers total + 1 if admitted and -(total) - 1 if refused, where total is what the region held
# before; so the gateway learns the region's concurrency with each admission.
ADMIT = """
local total = tonumber(ARGV[5])
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  if held[i] ~= ARGV[1] then total = total + held[i + 1] end
end
if total >= tonumber(ARGV[2]) then return -total - 1 end
local second = redis.call('TIME')[1]
local rate = redis.call('HMGET', KEYS[2], 'second', 'count')
local count = 0
if rate[1] == second then count = tonumber(rate[2]) end
if count >= tonumber(ARGV[3]) then return -total - 1 end
redis.call('HSET', KEYS[2], 'second', second, 'count', count + 1)
if ARGV[4] == '1' then redis.call('HSET', KEYS[1], ARGV[1], tonumber(ARGV[5]) + 1) end
return total + 1
"""

# Planted before it (`refuses_cold_redis`): a Redis younger than `cold_s` admits nothing.
COLD = """
local now = redis.call('TIME')
local since = redis.call('HGET', KEYS[2], 'since')
if not since then
  since = now[1]
  redis.call('HSET', KEYS[2], 'since', since)
end
if tonumber(now[1]) - tonumber(since) < {cold_s} then return -tonumber(ARGV[5]) - 1 end
"""

# Publishes the gateway's own number, drops gateways without a recent beat, answers what the others
# hold.
BEAT = """
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], now)
local others = 0
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  if held[i] ~= ARGV[1] then
    local beat = redis.call('HGET', KEYS[2], held[i])
    if not beat or now - tonumber(beat) > tonumber(ARGV[3]) then
      redis.call('HDEL', KEYS[1], held[i])
      redis.call('HDEL', KEYS[2], held[i])
    else
      others = others + held[i + 1]
    end
  end
end
return others
"""


class Scripts:
    """The commands of one gateway, prebuilt except for the one number that changes."""

    def __init__(
        self, region: str, gateway: str, limit: int, rate: int, *, cold_s: float = 0.0
    ) -> None:
        admit = COLD.format(cold_s=cold_s) + ADMIT if cold_s else ADMIT
        held, beats, rates = (f"muster:{region}:{what}" for what in ("held", "beats", "rate"))
        sha = hashlib.sha1(admit.encode(), usedforsecurity=False).hexdigest()
        self.load = command("SCRIPT", "LOAD", admit)
        self._admit = {
            counted: _open(command("EVALSHA", sha, 2, held, rates, gateway, limit, rate, counted))
            for counted in (0, 1)
        }
        self._admit_whole = {
            counted: _open(command("EVAL", admit, 2, held, rates, gateway, limit, rate, counted))
            for counted in (0, 1)
        }
        self._beat = (held, beats, gateway)

    def admit(self, counted: bool, mine: int) -> bytes:
        """Ask for one more; `mine` are held or requested, `counted`: it will be held."""
        number = b"%d" % mine
        return b"%b$%d\r\n%b\r\n" % (self._admit[counted], len(number), number)

    def admit_whole(self, counted: bool, mine: int) -> bytes:
        """The same with the script itself, for a Redis that has lost it."""
        number = b"%d" % mine
        return b"%b$%d\r\n%b\r\n" % (self._admit_whole[counted], len(number), number)

    def beat(self, mine: int) -> bytes:
        held, beats, gateway = self._beat
        return command("EVAL", BEAT, 2, held, beats, gateway, mine, DEAD_AFTER_S)

    def leave(self) -> bytes:
        """Remove the gateway's own number at once."""
        held, _, gateway = self._beat
        return command("HDEL", held, gateway)


def _open(whole: bytes) -> bytes:
    """`whole` with room for one more argument, which follows."""
    count, _, rest = whole[1:].partition(b"\r\n")
    return b"*%d\r\n%b" % (int(count) + 1, rest)
