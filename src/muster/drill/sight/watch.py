"""The watch: takes every sample as it is scraped, keeps it, and passes it to the guard.

One thread, from preflight to the end. It never dies silently: every error either stops the drill or
is in the ledger. If data is missing for longer than the target allows, the drill stops: with lost
data as the reason, or with the rig if it lacked CPU time (`starved`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.sight.facts import Facts
from muster.drill.sight.starved import BEAT_S, Starved
from muster.drill.stop import StopFlag, StopReason
from muster.platform.metrics import MetricsError, Poller, RawSeries
from muster.platform.steering import SteeringError
from muster.samples.series import REFUSED

logger = logging.getLogger("chaostoolkit")
STEERING_SIGNAL = "steering_weight"
POLL_SCRAPES = 2
"""Scrapes per poll: each poll costs a query for each signal."""


class Sink(Protocol):
    """Where samples are kept."""

    def add(self, fresh: Sequence[RawSeries]) -> None:
        """Add new samples."""


class Guard(Protocol):
    """What judges the samples while the drill runs."""

    def look(self, fresh: Sequence[RawSeries], now_s: float) -> StopReason | None:
        """Return the reason to stop, if these samples give one."""


class Spending(Protocol):
    """What counts what the load costs."""

    def look(self) -> StopReason | None:
        """Return the reason to stop once it costs more than it may."""


class Watch:
    """Polls, keeps and judges samples in a thread of its own."""

    def __init__(
        self,
        poller: Poller,
        weights: Callable[[], dict[str, int]],
        facts: Facts,
        sink: Sink,
        stop: StopFlag,
        *,
        poll_s: float,
        missing_s_max: float,
        required: Sequence[str],
        starved: Starved | None = None,
        delay_s: float = 0.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`delay_s`: how much later than its scrape a sample may appear, in seconds."""
        self._delay_s = delay_s
        self._poller = poller
        self._weights = weights
        self._facts = facts
        self._sink = sink
        self._stop = stop
        self._poll_s = poll_s
        self._missing_s_max = missing_s_max
        self._required = tuple(required)
        self._clock = clock
        self._starved = starved
        self._timed_out = True
        self._end = threading.Event()
        self._once = threading.Lock()
        self._required_since_s: float | None = None
        self._refused_since_s: dict[str, float] = {}
        self._answered_s = self._clock.monotonic_s()
        self._looked_s = self._clock.monotonic_s()
        self._thread = threading.Thread(target=self.run, name="muster-watch", daemon=True)
        self.guard: Guard | None = None
        self.spending: Spending | None = None
        self.looks = 0
        self._stops = True
        self._said: SteeringError | None = None

    def start(self) -> None:
        """Begin to poll."""
        self._answered_s = self._looked_s = self._clock.monotonic_s()
        self._thread.start()

    def require_load(self) -> None:
        """From now on the required signals must keep coming, or data is lost."""
        self._required_since_s = self._clock.now_s()

    def release_load(self) -> None:
        """The load ends: its signals may be missing, and samples stop nothing from now on."""
        self._required_since_s = None
        self._stops = False

    def close(self, last_look: bool = True) -> None:
        """Stop polling; look once more so that the final scrape is kept."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(timeout=60)
        if last_look:
            self.look()

    @property
    def alive(self) -> bool:
        """Whether the thread runs and has looked recently."""
        late_s = self._clock.monotonic_s() - self._looked_s
        return self._thread.is_alive() and late_s < self._missing_s_max + 10 * self._poll_s

    def run(self) -> None:
        """Look until it is closed: what the thread does."""
        while not self._end.is_set():
            began = self._clock.monotonic_s()
            self.look()
            self._rest(max(0.05, self._poll_s - (self._clock.monotonic_s() - began)))

    def _rest(self, seconds: float) -> None:
        """Wait until the next look, in pieces that show whether this thread wakes in time."""
        until_s = self._clock.monotonic_s() + seconds
        while not self._end.is_set():
            began_s = self._clock.monotonic_s()
            asked_s = min(BEAT_S, until_s - began_s)
            if asked_s <= 0:
                return
            self._clock.wait(self._end, asked_s)
            if self._starved is not None:
                self._starved.beat(asked_s, self._clock.monotonic_s() - began_s)

    def blamed(self, reason: StopReason, missing: Sequence[str] = ()) -> StopReason:
        """Return `reason`, or the rig as the reason if it lost the data. `missing`: its signals."""
        return reason if self._starved is None else self._starved.blamed(reason, missing)

    def look(self) -> None:
        """One poll, and the conclusions of the guard and from missing samples."""
        with self._once:
            try:
                # The samples last: reading the records may take long, and samples must be fresh.
                steered = self._steering()
                fresh = [*self._poller.poll(), *steered]
                self._judge_refused(fresh)
                self._answered_s = self._clock.monotonic_s()
                self._timed_out = True
                self.looks += 1
                self._sink.add(fresh)
                self._facts.add(fresh)
                guard = self.guard
                reason = guard.look(fresh, self._clock.now_s()) if guard else None
                if reason is not None:
                    self._stop.set(self.blamed(reason))
            except MetricsError as error:
                self._timed_out = error.timed_out
                logger.warning("watch: %s", error)
            except Exception as error:  # a blind watch must stop the drill, whatever blinded it
                logger.error("watch: %s", error)
                self._stop_for("action:watch", f"{type(error).__name__}: {error}")
            finally:
                self._looked_s = self._clock.monotonic_s()
            self._judge_silence()
            self._judge_spending()

    def _judge_spending(self) -> None:
        """The load may spend so much; it is counted whether samples come or not."""
        if self.spending is not None and self._stops and not self._end.is_set():
            reason = self.spending.look()
            if reason is not None:
                self._stop.set(reason)

    def _judge_refused(self, fresh: Sequence[RawSeries]) -> None:
        """A signal that cannot be mapped for longer than data may be away is data lost."""
        now_s = self._clock.now_s()
        refused = {
            one.labels["signal"]: one.labels["why"] for one in fresh if one.signal == REFUSED
        }
        since_s = {name: self._refused_since_s.get(name, now_s) for name in refused}
        for signal in refused.keys() - self._refused_since_s.keys():
            logger.warning("watch: signals.%s: %s", signal, refused[signal])
        self._refused_since_s = since_s
        for signal, why in refused.items():
            judged = self._required_since_s is not None and not signal.startswith("x_")
            if judged and now_s - since_s[signal] > self._missing_s_max:
                self._stop_for("data_lost", f"signals.{signal}: {why}", by_rig=False)

    def _judge_silence(self) -> None:
        silent_s = self._clock.monotonic_s() - self._answered_s
        if silent_s > self._missing_s_max:
            # What it refused, or answered with an error, it would refuse on an idle machine too.
            detail = f"Prometheus has not answered for {silent_s:.0f} s"
            self._stop_for("data_lost", detail, by_rig=self._timed_out)
            return
        since_s = self._required_since_s
        if since_s is None:
            return
        now_s = self._clock.now_s()
        # What a server that ingests late need not show yet is not missing.
        silent = {
            signal: now_s - self._delay_s - max(self._facts.known_s(signal) or 0.0, since_s)
            for signal in self._required
        }
        lost = next((one for one, s in silent.items() if s > self._missing_s_max), None)
        if lost is not None:
            # What stays away with it is missing too, though not for as long yet.
            missing = [one for one, s in silent.items() if s > self._missing_s_max / 2]
            detail = f"no sample of {lost} for {silent[lost] + self._delay_s:.0f} s"
            if self._delay_s:
                detail += f", of which prometheus.delay_s explains {self._delay_s:g} s"
            self._stop_for("data_lost", detail, missing, by_rig=self._timed_out)

    def _stop_for(
        self, by: str, detail: str, missing: Sequence[str] = (), *, by_rig: bool = True
    ) -> None:
        """Stop the drill; not `by_rig`: the rig is not the cause, whatever it did."""
        if self._stops and not self._end.is_set():
            reason = StopReason(by, "ABORTED", detail, self._clock.now_s())
            self._stop.set(self.blamed(reason, missing) if by_rig else reason)

    def _steering(self) -> list[RawSeries]:
        try:
            weights = self._weights()
        except SteeringError as error:
            if error is not self._said:  # a look that rests after a failure raises it again
                logger.warning("watch: %s", error)
            self._said = error
            return []
        now_s = self._clock.now_s()
        return [
            RawSeries(
                STEERING_SIGNAL, "steering_weight", {"region": region}, (now_s,), (float(weight),)
            )
            for region, weight in weights.items()
        ]
