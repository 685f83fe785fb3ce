"""Brings the primary of a Redis with Sentinel back to where it was, by one small step at a time.

Each step is chosen by what Sentinel and the servers show now, so that another process can go on
where one was killed, and a promotion that is still under way comes to its end first.
"""

from __future__ import annotations

from muster.clock import Clock
from muster.faults.model import FaultError
from muster.faults.redis_pair import Address, RedisPair

FAIL_BACK_S_MAX = 30.0
STEP_S = 0.1
STEADY_S = 2.0
"""For how long everything must have been whole: Sentinel acts on what it saw a second ago."""


def why_not_whole(pair: RedisPair, primary: Address) -> str:
    """What is not as it should be with `primary` in its place; empty if nothing is."""
    sight = pair.sight()
    if sight.primary != primary or sight.busy:
        busy = ", and is about to change it" if sight.busy else ""
        return f"Sentinel says that {sight.primary[0]}:{sight.primary[1]} is the primary{busy}"
    server, reached = pair.server(primary), pair.on_the_path()
    if server.role != "master":
        return f"the server is a {server.role}"
    if reached.run_id != server.run_id:
        return f"another server, a {reached.role}, answers on the gateways' path"
    if not server.followers:
        return "it has no replica"
    return "" if sight.fit else "Sentinel reaches no replica of it"


def fail_back(pair: RedisPair, primary: Address, clock: Clock) -> None:
    """Make `primary` the primary again. Raises FaultError if it is not within the time limit."""
    end_s = clock.monotonic_s() + FAIL_BACK_S_MAX
    whole_s: float | None = None
    while True:
        try:
            why = why_not_whole(pair, primary)
            if why:
                _step(pair, primary)
        except FaultError as error:
            why = str(error)
        now_s = clock.monotonic_s()
        whole_s = None if why else now_s if whole_s is None else whole_s
        if whole_s is not None and now_s - whole_s >= STEADY_S:
            return
        if now_s > end_s:
            raise FaultError(f"the primary is not back after {FAIL_BACK_S_MAX:g} s: {why}")
        clock.sleep(STEP_S)


def _step(pair: RedisPair, primary: Address) -> None:
    """Do what brings it nearer, if anything can be done now."""
    sight = pair.sight()
    if sight.busy:
        return
    if sight.primary == primary:
        for address in sight.replicas:
            if pair.server(address).role == "master":
                pair.follow(address, primary)  # Sentinel itself would do so after 8 s
        return
    server = pair.server(primary)
    if server.role == "master":
        pair.follow(primary, sight.primary)
    elif server.linked:
        pair.fail_over()
