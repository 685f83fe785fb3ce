"""Admission: concurrency and rate of the whole region in Redis, a bounded queue, a fallback.

1. Each request takes one pipelined round trip; a release takes none (see `scripts`).
2. If the region is full: first come, first served, for at most `queue_s_max`; then 429. As many
   jobs are tried at once as seem to fit. With one round trip for each job, a queue would empty more
   slowly than it fills, and a region that was full for a moment would refuse most of its work from
   then on.
3. If Redis is away: each gateway admits its own part of the limit for `redis_fallback_s_max`, and
   counts every such decision; after that it admits nothing and is not ready.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import Protocol

from muster.testbed.gateway.config import GatewayConfig
from muster.testbed.gateway.figures import Figures
from muster.testbed.gateway.planted_redis import WIRES
from muster.testbed.gateway.redis_wire import RedisWire, Waiting
from muster.testbed.gateway.scripts import BEAT_S, Scripts

PUMP_S = 0.05
PUMP_JOBS_MAX = 64


class Applicant(Waiting, Protocol):
    """An attempt that asks to be admitted."""

    over: bool
    counted: bool
    holds: bool
    mine: int
    queued_s: float

    def admitted(self) -> None:
        """It was admitted."""

    def shed(self) -> None:
        """There was no room within the time limit of the queue."""

    def unavailable(self, message: str, code: str) -> None:
        """Admission cannot be decided."""


class Admission:
    """The admission of one gateway. `held` are its own streams, without canaries."""

    def __init__(
        self,
        config: GatewayConfig,
        figures: Figures,
        identity: str,
        *,
        fallback: bool = True,
        fallback_share: float = 1.0,
    ) -> None:
        self.held = 0
        self.others = 0
        self.queue: deque[Applicant] = deque()
        self.away_since_s: float | None = time.monotonic()
        self._asking = 0
        self._config = config
        self._figures = figures
        self._fallback = fallback
        self._alone_max = fallback_share * config.streams_limit
        self._trying: dict[
            Applicant, None
        ] = {}  # queued jobs for which a request to Redis is under way
        self._pumping = False
        self._pump_due_s = 0.0
        self._beat_due_s = 0.0
        self._scripts = Scripts(
            config.region,
            identity,
            config.streams_limit_region,
            config.rate_limit_per_s_region,
            cold_s=config.cold_redis_s if config.defect == "refuses_cold_redis" else 0.0,
        )
        self.wire = WIRES.get(config.defect or "", RedisWire)(
            config.redis, config.redis_timeout_s, self._redis_changed, self._scripts.load
        )

    @property
    def region_streams(self) -> int:
        """Streams of the whole region, as of the last answer from Redis."""
        return self.held + self.others

    @property
    def exhausted(self) -> bool:
        """Redis has been away for longer than the fallback may bridge."""
        since_s = self.away_since_s
        return since_s is not None and (
            time.monotonic() - since_s > self._config.redis_fallback_s_max
        )

    @property
    def oldest_job_age_s(self) -> float:
        head = self._head()
        return time.monotonic() - head.queued_s if head is not None else 0.0

    @property
    def jobs(self) -> int:
        return sum(not job.over for job in self.queue)

    def request(self, attempt: Applicant) -> None:
        """Decide on a new attempt, now or later, and call `admitted`, `shed` or `unavailable`."""
        if self.queue and self._head() is not None:
            self._join(attempt)
        else:
            self._ask(attempt)

    def release(self) -> None:
        """A held stream has ended."""
        self.held -= 1
        if self.queue:
            self.pump()

    def replied(self, attempt: Applicant, number: int) -> None:
        """Redis' answer for `attempt`; see `scripts.ADMIT`."""
        self._asking -= attempt.counted
        admitted = number > 0
        self.others = max(0, (number - 1 if admitted else -number - 1) - attempt.mine)
        if admitted:
            self._admit(attempt)
        else:
            self._refuse(attempt)
        if admitted and self.queue:
            self.pump()

    def unanswered(self, attempt: Applicant) -> None:
        """Redis went away during the request for `attempt`."""
        self._asking -= attempt.counted
        if attempt.over:
            self._untry(attempt)
        else:
            self._decide_alone(attempt)

    def forgotten(self, attempt: Applicant) -> None:
        """Redis has lost the script: send the whole script again."""
        if self.wire.up and not self.wire.refuses:
            self.wire.send(self._scripts.admit_whole(attempt.counted, attempt.mine), attempt)
        else:
            self.unanswered(attempt)

    def tick(self, now_s: float, lag_s: float) -> None:
        self.wire.check(now_s, lag_s)
        if self.queue:
            self._expire(now_s)
            if now_s >= self._pump_due_s:
                self._pump_due_s = now_s + PUMP_S
                self.pump()
        if now_s >= self._beat_due_s and self.wire.up:
            self._beat_due_s = now_s + BEAT_S
            self.wire.send(self._scripts.beat(self.held + self._asking), _Beat(self))

    def pump(self) -> None:
        """Try the oldest jobs again: as many as seem to fit, and at least one."""
        if self._pumping or self._head() is None:
            return
        self._pumping = True
        trying = self._trying
        free = self._config.streams_limit_region - self.region_streams - self._asking
        more = max(min(free, PUMP_JOBS_MAX), 0 if trying else 1)
        for job in tuple(islice(self.queue, len(trying) + more)):
            if job.over or job in trying:
                continue
            trying[job] = None
            if not self._ask(job):
                break
        self._pumping = False

    async def stop(self) -> None:
        if self.wire.up:
            self.wire.send(self._scripts.leave(), _Nobody())
            self.wire.flush()
        await self.wire.stop()

    def _ask(self, attempt: Applicant) -> bool:
        """Return False if it was refused at once."""
        if not self.wire.up:
            return self._decide_alone(attempt)
        attempt.mine = self.held + self._asking
        self._asking += attempt.counted
        self.wire.send(self._scripts.admit(attempt.counted, attempt.mine), attempt)
        return True

    def _decide_alone(self, attempt: Applicant) -> bool:
        self._figures.admission_failures["redis_unavailable"] += 1
        if not self._fallback or self.wire.refuses or self.exhausted:
            self._untry(attempt)
            attempt.unavailable("admission is not available", "redis_unavailable")
            return True
        if self.held < self._alone_max:
            self._admit(attempt)
            return True
        self._refuse(attempt)
        return False

    def _admit(self, attempt: Applicant) -> None:
        self._untry(attempt)
        # A client that has left meanwhile holds nothing; the next admission reports that to Redis.
        if not attempt.over:
            if attempt.counted:
                self.held += 1
                attempt.holds = True
            attempt.admitted()

    def _refuse(self, attempt: Applicant) -> None:
        if attempt in self._trying:
            del self._trying[attempt]
        elif not attempt.over:
            self._join(attempt)

    def _untry(self, attempt: Applicant) -> None:
        if attempt in self._trying:
            del self._trying[attempt]
            with suppress(ValueError):  # its time may have run out meanwhile
                self.queue.remove(attempt)

    def _join(self, attempt: Applicant) -> None:
        if len(self.queue) >= self._config.queue_jobs_max or self._config.queue_s_max <= 0:
            attempt.shed()
            return
        attempt.queued_s = time.monotonic()
        self.queue.append(attempt)

    def _head(self) -> Applicant | None:
        queue = self.queue
        while queue and queue[0].over:
            queue.popleft()
        return queue[0] if queue else None

    def _expire(self, now_s: float) -> None:
        while (head := self._head()) is not None:
            if now_s - head.queued_s < self._config.queue_s_max:
                return
            self.queue.popleft()
            head.shed()

    def _redis_changed(self, up: bool) -> None:
        self.away_since_s = None if up else time.monotonic()
        self._beat_due_s = 0.0


class _Beat:
    """Receives the heartbeat's answer."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def replied(self, number: int) -> None:
        self._admission.others = max(0, number)

    def unanswered(self) -> None:
        pass

    def forgotten(self) -> None:
        pass


class _Nobody:
    """Receives an answer that is not needed."""

    def replied(self, number: int) -> None:
        pass

    def unanswered(self) -> None:
        pass

    def forgotten(self) -> None:
        pass
