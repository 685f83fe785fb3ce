"""Compares the cost of the load with the target's budget while a drill runs.

The figures come from the record that each process of the load writes once a second, so Prometheus
is not needed. If a record is missing or cannot be read, the drill stops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.stop import StopReason
from muster.targets.spending import Budget, Cost

RECORDS = "load-[0-9]*.jsonl"


@dataclass(frozen=True)
class SpentTotal:
    """Requests and tokens of all processes; `guessed`: requests without a reported usage."""

    requests: int
    tokens_in: int
    tokens_out: int
    guessed: int

    @property
    def tokens(self) -> int:
        """Prompt and generated tokens together."""
        return self.tokens_in + self.tokens_out

    def money(self, cost: Cost) -> float:
        """The price of the tokens, in the currency of `cost`."""
        return round(cost.of(self.tokens_in, self.tokens_out), 4)

    def line(self, cost: Cost | None) -> str:
        """A line for the console, with the price if the target has one."""
        priced = "" if cost is None else f", {self.money(cost):,.2f} {cost.currency}"
        told = (
            f"; {self.guessed:,} answers without usage are counted by the tokens requested"
            if self.guessed
            else ""
        )
        return (
            f"{self.requests:,} requests, {self.tokens_in:,} tokens in, {self.tokens_out:,} out"
            f"{priced}{told}"
        )


def spent_in(bundle: Path, shards: int | None = None) -> SpentTotal:
    """The totals of the load's records in `bundle`; with `shards`, of that many processes.

    Raises OSError or ValueError if one of them is missing or cannot be read.
    """
    from muster.load.spent import last_spent

    found = [last_spent(path) for path in sorted(bundle.glob(RECORDS))]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found) or (shards is not None and len(known) < shards):
        raise ValueError(f"{len(known)} of {shards or len(found)} records of the load exist")
    requests, tokens_in, tokens_out, guessed = (
        sum(one[key] for one in known) for key in ("requests", "tokens_in", "tokens_out", "guessed")
    )
    return SpentTotal(requests, tokens_in, tokens_out, guessed)


def offered_in(bundle: Path) -> dict[str, int]:
    """Arrivals due and started, and how many of them late, by all records in `bundle`.

    A last line that was cut off is left out. Raises OSError or ValueError if one cannot be read.
    """
    import orjson

    total = dict.fromkeys(("scheduled", "offered", "late"), 0)
    for path in sorted(bundle.glob(RECORDS)):
        for row in path.read_bytes().split(b"\n")[:-1]:
            line = orjson.loads(row)
            for key in total:
                total[key] += int(line.get(key, 0))
    return total


class Spending:
    """Compares the cost of the load with the budget at each call of `look`."""

    def __init__(
        self,
        budget: Budget,
        cost: Cost | None,
        bundle: Path,
        shards: Callable[[], int],
        *,
        unknown_s_max: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`shards`: the present number of load processes; 0 if the load does not run."""
        self._budget = budget
        self._cost = cost
        self._bundle = bundle
        self._shards = shards
        self._unknown_s_max = unknown_s_max
        self._clock = clock
        self._known_s: float | None = None
        self._sizes: dict[Path, int] = {}
        self._grew_s: dict[Path, float] = {}

    def look(self) -> StopReason | None:
        """The reason to stop: the budget is spent, or the spending is unknown."""
        shards = self._shards()
        now_s = self._clock.monotonic_s()
        if not shards:
            return None
        if self._known_s is None:
            self._known_s = now_s
        try:
            self._follow(now_s)
            spent = spent_in(self._bundle, shards)
            self._known_s = min(self._grew_s.values())
            why = "the load's record does not grow"
        except (OSError, ValueError, KeyError, TypeError) as error:
            spent, why = None, f"the load's record: {error}"
        if now_s - self._known_s > self._unknown_s_max:
            detail = f"the spending of the load is unknown for {now_s - self._known_s:.0f} s: {why}"
            return self._reason("unknown", detail)
        return None if spent is None else self._over(spent)

    def _follow(self, now_s: float) -> None:
        """Note the time at which each record last grew."""
        for path in self._bundle.glob(RECORDS):
            size = path.stat().st_size
            if size != self._sizes.get(path):
                self._sizes[path] = size
                self._grew_s[path] = now_s

    def _over(self, spent: SpentTotal) -> StopReason | None:
        budget, cost = self._budget, self._cost
        said = spent.line(cost)
        if budget.tokens_max is not None and spent.tokens >= budget.tokens_max:
            return self._reason("tokens", f"{said}; load.budget.tokens_max {budget.tokens_max:,}")
        if budget.money_max is not None and cost is not None:
            money_max = f"{budget.money_max:,.2f} {cost.currency}"
            if spent.money(cost) >= budget.money_max:
                return self._reason("money", f"{said}; load.budget.money_max {money_max}")
        return None

    def _reason(self, which: str, detail: str) -> StopReason:
        return StopReason(f"budget:{which}", "ABORTED", detail, self._clock.now_s())
