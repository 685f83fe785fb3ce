"""The engine of one shard: starts due arrivals, bounds them, counts them, retries them.

One beat every 10 ms drives everything timed: it measures the loop's lag, starts what is due and
ends what is overdue. A timer for each arrival would wake every process of the chain for each
request. A late start is counted. Retries are outside the schedule, so that fast rejects add no more
than their bounded backoff allows.

After a pause of the load itself (a beat later than `catch_up_s_max`) it does not catch up: a burst
of all due arrivals would be a load that nobody asked for. These arrivals are late and not offered,
which `offered` against `scheduled` shows; retries are delayed, canaries are dropped.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

from muster.load.attempt import Attempt, outcome_of
from muster.load.canary import Canary
from muster.load.config import Endpoint, ShardConfig
from muster.load.dns_answer import plain_address
from muster.load.lengths import is_short
from muster.load.pool import Pool
from muster.load.requests import Requests
from muster.load.resolvers import Lookup, Population, caches_of_shard
from muster.load.schedule import Schedule, canary_times, streams
from muster.load.spent import Spent
from muster.load.tally import UNKNOWN, Tally
from muster.load.wire import Answer

BEAT_S = 0.01
_AWAKE_S = 0.001
_PHASE_S = 0.8 * BEAT_S
"""Runs after the platform's own beats if both share a machine: see `testbed.wire.ticker`."""
_SWEEP_BEATS = 10
_SECOND_BEATS = 100
_RETRY_AFTER_S_MAX = 60.0
_RETRIED = frozenset(
    ("refused", "reset", "timeout", "broken", "error_in_stream", "http_429", "http_5xx")
)


class Engine:
    """Everything that one shard has in progress."""

    def __init__(
        self,
        config: ShardConfig,
        schedule: Schedule,
        tally: Tally,
        lookup: Lookup,
        loop: asyncio.AbstractEventLoop,
        on_ended: Callable[[Attempt, str, float], None] | None = None,
    ) -> None:
        endpoint = Endpoint(config.url)
        self.config = config
        self.tally = tally
        self._regions = {
            plain_address(text): region for text, region in config.regions_by_address.items()
        }
        self.spent = Spent()
        self.loop = loop
        token, canary_token = config.token, config.canary_token
        form = (config.model, config.body, config.form)
        self.requests = Requests(endpoint, token.get_secret_value(), *form)
        self.canary_requests = Requests(endpoint, canary_token.get_secret_value(), *form)
        self.form = config.form
        header = config.region_header
        self.region_header = header.lower().encode() if header else None
        self.pool = Pool(
            loop,
            endpoint.port,
            endpoint.host if endpoint.tls else None,
            config.idle_s_max,
            config.connect_s_max,
        )
        self.population = Population(
            caches_of_shard(config.traffic.resolver_caches, config.shard, config.shards),
            config.traffic.hold_connection_share,
            lookup,
            now_s=self.now_s,
            later=self.later,
            on_answer=self._dns_answered,
            on_failure=tally.dns_failed,
        )
        self.schedule = schedule
        self.waiting: dict[Attempt, None] = {}  # no first token yet, oldest first
        self.open: dict[Attempt, None] = {}  # oldest first
        self.canaries: deque[Canary] = deque()  # first byte not yet due, oldest first
        self.canaries_ending: deque[Canary] = deque()
        self.canaries_open: set[Canary] = set()
        self.arriving = False
        self.start_s = 0.0
        self._until_s = math.inf
        self._on_ended = on_ended
        self._arrivals = iter(schedule)
        self._next = next(self._arrivals)
        self._canary_times = canary_times(config.canary_rate_per_s, config.shard, config.shards)
        self._next_canary = next(self._canary_times, float("inf"))
        self._choices = streams(config.seed, 3, config.shard)
        self._retries: list[tuple[float, int, Attempt]] = []
        self._serial = count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._beats = 0
        self._running = False
        self._missed = 0
        self._skipped = 0

    # Time, places and tasks

    now_s = staticmethod(time.monotonic)

    def later(self, delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        return self.loop.call_later(delay_s, call)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def region_of(self, address: str) -> str:
        return self._regions.get(address, UNKNOWN)

    def _dns_answered(self, address: str) -> None:
        self.tally.dns_answers[self.region_of(address)] += 1

    # Start and stop

    def start(self) -> None:
        """Set time zero of the schedule to now."""
        self.start_s = self.now_s()
        self.arriving = True
        self._running = True
        self._due_s = self.start_s
        self._beat()

    def stop_arrivals(self) -> None:
        """Stop arrivals and retries; canaries go on. Arrivals that were due stay scheduled."""
        self._missed = self.scheduled() - self.tally.offered - self._skipped
        self.arriving = False
        self._retries.clear()

    def stop_arrivals_at(self, at_s: float) -> None:
        """Offer every arrival that is due before `at_s`, in seconds of the schedule, and no other.

        Parts of one load that are told the same moment have offered exactly what one process
        would have, however late each of them hears it. Past that moment: stop now.
        """
        self._until_s = at_s

    def stop(self) -> None:
        """End everything at once; open attempts count neither as success nor as broken."""
        self.stop_arrivals()
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
        now_s = self.now_s()
        for attempt in list(self.open):
            attempt.over = True
            if attempt.content:
                self.tally.stalled(attempt.region, now_s - attempt.token_s)
        for canary in list(self.canaries_open):
            canary.over = True
        self.open.clear()
        self.waiting.clear()
        self.canaries_open.clear()
        for task in list(self._tasks):
            task.cancel()
        self.pool.drop_all()

    def scheduled(self) -> int:
        """Number of arrivals that were due by now."""
        due = self.tally.offered + self._skipped + self._missed
        due_next = self._next.at_s < self._until_s
        if self.arriving and due_next and self.start_s + self._next.at_s <= self.now_s():
            late_s = self.now_s() - self.start_s - self._next.at_s
            due += 1 + int(late_s * self.schedule.ramp.rate_per_s / self.config.shards)
        return due

    def exhausted(self) -> bool:
        """Whether every arrival of a schedule with an end has been started."""
        return self._next.at_s == math.inf

    # Arrivals

    def _advance(self, now_s: float) -> None:
        """Start what is due: arrivals, retries, canaries."""
        tally = self.tally
        late_s = self.config.late_s
        # After a pause, start only the due arrivals that are not late.
        paused = now_s - self._due_s > self.config.catch_up_s_max
        if self.arriving:
            start_s = self.start_s
            while True:
                arrival = self._next
                intended_s = start_s + arrival.at_s
                if intended_s > now_s or arrival.at_s >= self._until_s:
                    break
                self._next = next(self._arrivals)
                if now_s - intended_s > late_s:
                    tally.late += 1
                    if paused:
                        self._skipped += 1
                        continue
                tally.offered += 1
                cache = self.population.pick(arrival.draw)
                tokens, number, context = arrival.tokens, arrival.number, arrival.context
                self._begin(Attempt(self, intended_s, cache, tokens, number, 1, context))
            if now_s >= start_s + self._until_s:
                self.stop_arrivals()
        retries = self._retries
        if paused:
            self._put_off(now_s)
        while retries and retries[0][0] <= now_s:
            self._begin(heapq.heappop(retries)[2])
        while self.start_s + self._next_canary <= now_s:
            intended_s = self.start_s + self._next_canary
            self._next_canary = next(self._canary_times, float("inf"))
            if paused and now_s - intended_s > late_s:
                continue
            canary = Canary(self, intended_s, self.population.pick(float(self._choices.random())))
            self.canaries.append(canary)
            self.canaries_open.add(canary)
            canary.begin()

    def _put_off(self, now_s: float) -> None:
        """After a pause: retries wait again, and canaries in progress are not counted."""
        retries = self._retries
        while retries and retries[0][0] <= now_s:
            again = heapq.heappop(retries)[2]
            again.intended_s = now_s + self._backoff_s()
            heapq.heappush(retries, (again.intended_s, next(self._serial), again))
        for canary in list(self.canaries_open):
            canary.forget()

    def _backoff_s(self) -> float:
        low_s, high_s = self.config.traffic.backoff_s
        return low_s + float(self._choices.random()) * (high_s - low_s)

    def _begin(self, attempt: Attempt) -> None:
        self.open[attempt] = None
        self.waiting[attempt] = None
        self.tally.streams_open[attempt.region] += 1
        attempt.begin()

    # Callbacks of attempts

    def first_token(self, attempt: Attempt, answer: Answer) -> None:
        after_s = self.now_s() - attempt.intended_s
        self.waiting.pop(attempt, None)
        attempt.first_token_s = after_s
        self.tally.first_token_came(attempt.region, after_s)
        injected = answer.header(b"openai-processing-ms")
        if injected is not None and injected.isdigit():
            self.tally.first_token_error(after_s * 1000 - int(injected))

    def ended(self, attempt: Attempt, outcome: str) -> None:
        tally = self.tally
        region = attempt.region
        self.open.pop(attempt, None)
        self.waiting.pop(attempt, None)
        tally.streams_open[region] -= 1
        age_s = self.now_s() - attempt.intended_s
        if not attempt.answered:
            tally.answer(region, outcome, attempt.kind)
        tally.outcome(region, outcome, attempt.kind)
        if outcome == "success":
            tally.completed(region, age_s)
            if self._short(attempt):
                attempt.short = True
                tally.was_short(region)
        else:
            if outcome == "broken":
                tally.never_completed(region, age_s, first_token=attempt.content)
            if attempt.content:
                tally.stalled(region, self.now_s() - attempt.token_s)
        if self._on_ended is not None:
            self._on_ended(attempt, outcome, age_s)
        if outcome in _RETRIED and self.arriving:
            self._retry(attempt)

    def _short(self, attempt: Attempt) -> bool:
        connection = attempt.connection
        if connection is None:
            return False
        took_s = self.now_s() - attempt.sent_s
        events = connection.answer.events
        return is_short(events, attempt.tokens, took_s, self.config.tokens_per_s_max)

    def canary_ended(self, canary: Canary) -> None:
        self.canaries_open.discard(canary)

    def _retry(self, attempt: Attempt) -> None:
        traffic = self.config.traffic
        if attempt.tries >= traffic.attempts_max:
            return
        wait_s = self._backoff_s()
        connection = attempt.connection
        if connection is not None:
            after = connection.answer.header(b"retry-after") or b""
            if after.isdigit():
                asked_s = min(float(after), _RETRY_AFTER_S_MAX)
                wait_s = max(wait_s, asked_s * (1 + float(self._choices.random()) / 2))
        due_s = self.now_s() + wait_s
        cache = self.population.pick(float(self._choices.random()))
        tries, context = attempt.tries + 1, attempt.context
        again = Attempt(self, due_s, cache, attempt.tokens, attempt.number, tries, context)
        heapq.heappush(self._retries, (due_s, next(self._serial), again))

    # The beat, and timeouts

    def _beat(self) -> None:
        # Between beats, events collect and are handled together: one wake-up for each event costs
        # more than the event. The loop's own sleep would end with the first event.
        asleep_s = self._due_s - self.now_s()
        if asleep_s > 0:
            time.sleep(asleep_s)
        now_s = self.now_s()
        self.tally.lagged(now_s - self._due_s)
        self._advance(now_s)
        self._beats += 1
        # After a pause answers may lie unread: read them before anything counts as overdue.
        late = now_s - self._due_s > self.config.catch_up_s_max
        if self._beats % _SWEEP_BEATS == 0 and not late:
            self._sweep(now_s)
        if self._running:
            # On a grid, from this beat's start: if the beat itself takes too long, that is the next
            # beat's lag.
            beats = int((now_s - _PHASE_S) / BEAT_S) + 1
            self._due_s = beats * BEAT_S + _PHASE_S
            self._timer = self.loop.call_later(_AWAKE_S, self._beat)

    def _sweep(self, now_s: float) -> None:
        config = self.config
        overdue = []
        for attempt in self.waiting:
            if now_s - attempt.intended_s < config.first_byte_s_max:
                break
            if attempt.sent_s and now_s - attempt.sent_s >= config.first_byte_s_max:
                overdue.append(attempt)
        bound_s = config.stream_bound_s
        for attempt in self.open:
            if now_s - attempt.intended_s < bound_s:
                break
            overdue.append(attempt)
        for attempt in overdue:
            answer = attempt.connection.answer if attempt.connection else None
            attempt.end(
                outcome_of(answer, self.form, cut=True) if answer and answer.status else "timeout"
            )
        bound_s = config.canary_s_max
        while self.canaries and now_s - self.canaries[0].intended_s >= bound_s:
            canary = self.canaries.popleft()
            if not canary.over and canary.in_time:
                self.canaries_ending.append(canary)
            else:
                canary.end("timeout")
        while self.canaries_ending and now_s - self.canaries_ending[0].intended_s >= 2 * bound_s:
            self.canaries_ending.popleft().end("broken")
        if self._beats % _SECOND_BEATS == 0:
            self.pool.sweep(now_s)

    # Attempts that are still open, by age

    def open_over(self, phase: str, threshold_s: float) -> dict[str, int]:
        """Attempts by region that are open without first token (or end) for more than
        `threshold_s`.

        An attempt that was answered 4xx or 5xx is in no latency population, open or not.
        """
        found = dict.fromkeys(self.tally.regions, 0)
        now_s = self.now_s()
        for attempt in self.waiting if phase == "first_token" else self.open:
            if now_s - attempt.intended_s <= threshold_s:
                break
            connection = attempt.connection
            status = connection.answer.status if connection is not None else 0
            if status < 300:
                found[attempt.region] += 1
        return found
