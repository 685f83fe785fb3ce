"""`chaos drill promotion TARGET`: decides by the rollback triggers whether a deployment may be
promoted.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from muster.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from muster.drill.real_traffic.promotion import PromotionWatch
    from muster.drill.real_traffic.serve import AnswerServer
    from muster.guard.promotion import Answer, Rules
    from muster.targets import Target

EXIT = {"held": 0, "roll_back": 1, "unknown": 3}
WORDS = {"held": "HELD", "roll_back": "ROLL BACK", "unknown": "UNKNOWN"}
MINUTES_MAX = 24 * 60.0


@click.command()
@click.argument("target")
@click.option("--minutes", type=float, default=15.0, show_default=True, help="How long to watch.")
@click.option(
    "--look-back-minutes", type=float, default=0.0, help="Also judge this much of the past."
)
@click.option(
    "--gate", default="M3", show_default=True, help="Gate whose queue limit applies: M1, M2 or M3."
)
@click.option(
    "--tier", default=None, help="Tier whose rates apply: L, G or X.  [default: the gate's]"
)
@click.option("--serve", "address", default=None, help="[ADDRESS:]PORT: also answer over HTTP.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.pass_context
def promotion(
    ctx: click.Context,
    target: str,
    minutes: float,
    look_back_minutes: float,
    gate: str,
    tier: str | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Decide whether a deployment on TARGET may be promoted.

    Watches the platform's own signals, without load, and applies the contract's five rollback
    triggers at time scale 1 in every region that has weight. It changes nothing and takes no lock.
    It ends at once when a trigger fires. With --serve it runs until you end it, and answers for the
    last minutes. See docs/promotion.md.

    Exit code: 0 held, 1 roll back, 2 bad input, 3 unknown.

    \b
    Example:
      chaos drill promotion staging --minutes 15
    """
    from muster.drill.real_traffic.serve import parse_address
    from muster.errors import BadInput, MusterError

    where = None if address is None else parse_address(address)
    try:
        watched, rules = _rules(target, gate, tier)
        _long_enough(rules, minutes, look_back_minutes)
        code = _watch(watched, rules, minutes, look_back_minutes, where, as_json)
    except BadInput:
        raise
    except (KeyboardInterrupt, _Ended):
        click.echo("UNKNOWN: ended before there was an answer", err=True)
        code = EXIT["unknown"]
    except MusterError as error:
        click.echo(f"UNKNOWN: {error}", err=True)
        code = EXIT["unknown"]
    except Exception as error:  # exit code 1 would say that a trigger fired
        click.echo(f"UNKNOWN: {type(error).__name__}: {error}", err=True)
        code = EXIT["unknown"]
    ctx.exit(code)


class _Ended(Exception):
    """SIGTERM or SIGHUP arrived, or the parent process is gone."""


def sighted(name: str) -> Target:
    """Load the target, with the placeholders filled that reading needs. Raises BadInput."""
    from muster import targets, testbed
    from muster.errors import BadInput

    target = targets.load(name)
    if target.class_ != "testbed":
        return targets.resolve_sight(target)
    state = testbed.status(target.name)
    if state is None:
        raise BadInput(f"testbed {target.name}", "", "down", "a testbed that is up")
    return targets.resolve_sight(target, testbed=state.endpoints)


def _rules(name: str, gate: str, tier: str | None) -> tuple[Target, Rules]:
    from muster import contract as contracts
    from muster import home
    from muster.errors import BadInput, one_of
    from muster.guard.promotion import Rules

    target = sighted(name)
    contract = contracts.load(home.root() / target.contract)
    gates = {str(key): value for key, value in contract.gates.items()}
    tiers = {str(key): value for key, value in contract.tiers.items()}
    chosen = gates.get(gate.upper())
    if chosen is None:
        raise BadInput("--gate", "", gate, one_of(gate, gates))
    in_force = tiers.get((tier or chosen.tier).upper())
    if in_force is None:
        raise BadInput("--tier", "", tier, one_of(tier or "", tiers))
    scrape_s = target.prometheus.scrape_interval_s
    regions = tuple(target.regions)
    return target, Rules(contract, chosen, in_force, regions, scrape_s)


def _long_enough(rules: Rules, minutes: float, look_back_minutes: float) -> None:
    """Raises BadInput if a trigger could not fire within the time that is judged."""
    from math import ceil

    from muster.errors import BadInput
    from muster.guard.promotion import too_short

    for option, value in (("--minutes", minutes), ("--look-back-minutes", look_back_minutes)):
        if not 0 <= value <= MINUTES_MAX:
            raise BadInput(option, "", value, f"minutes from 0 to {MINUTES_MAX:g}")
    short = too_short(rules, 60 * (minutes + look_back_minutes))
    if short:
        least = ceil(rules.needed_s / 60)
        raise BadInput(
            "--minutes",
            "",
            minutes,
            f"at least {least}, or --look-back-minutes as well: {', '.join(short)} could not fire "
            "in a shorter time",
        )


def _watch(
    target: Target,
    rules: Rules,
    minutes: float,
    look_back_minutes: float,
    where: tuple[str, int] | None,
    as_json: bool,
) -> int:
    from muster.drill.real_traffic.promotion import POLL_S_MIN, watch_of
    from muster.drill.real_traffic.serve import AnswerServer
    from muster.platform import platform_of

    poll_s = max(POLL_S_MIN, 2 * rules.scrape_s)
    server: AnswerServer | None = None
    with contextlib.ExitStack() as open_now:
        ended = open_now.enter_context(_until_ended())
        if where is not None:
            stale_s = target.prometheus.missing_s_max + 3 * poll_s
            server = AnswerServer(*where, stale_s=stale_s)
            open_now.callback(server.close)
            click.echo(f"serving {server.url}/promotion", err=True)
        platform = platform_of(target)
        open_now.callback(platform.metrics.close)
        watch = watch_of(
            target,
            rules,
            platform.metrics,
            platform.steering.weights,
            look_back_s=60 * look_back_minutes,
            span_s=None if server is None else 60 * (minutes + look_back_minutes),
        )
        # Samples that come late are waited for: so many minutes are judged, whatever the delay.
        end_s = SYSTEM_CLOCK.monotonic_s() + 60 * minutes + target.prometheus.delay_s
        progress = Progress(target.name)
        while True:
            answer = watch.look()
            document = told(answer, target, rules, watch)
            left_s = end_s - SYSTEM_CLOCK.monotonic_s()
            if server is not None:
                server.put(document)
            elif answer.state == "roll_back" or left_s <= 0 or hopeless(watch, answer):
                progress.end()
                _print(answer, document, watch, as_json)
                return EXIT[answer.state]
            progress.tell(answer, None if server is not None else left_s)
            ended(min(poll_s, max(0.1, left_s)) if server is None else poll_s)


def hopeless(watch: PromotionWatch, answer: Answer) -> bool:
    """Whether the answer can only stay unknown: Prometheus is gone, or a signal never came."""
    watched_s = answer.end_s - answer.start_s
    return watch.blind or (watched_s > watch.grace_s and bool(watch.missing()))


@contextlib.contextmanager
def _until_ended() -> Iterator[Any]:
    """Yield `wait(seconds)`, which raises `_Ended` on SIGTERM, SIGHUP, or loss of the parent
    process.
    """
    over = threading.Event()
    parent = os.getppid()
    before = {
        number: signal.signal(number, lambda *_: over.set())
        for number in (signal.SIGTERM, signal.SIGHUP)
        # A signal that the parent process ignores (nohup) stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN
    }

    def wait(seconds: float) -> None:
        while seconds > 0:
            step_s = min(1.0, seconds)
            if SYSTEM_CLOCK.wait(over, step_s) or os.getppid() != parent:
                raise _Ended
            seconds -= step_s

    try:
        yield wait
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Progress:
    """Shows progress: one line that changes on a terminal, one line a minute in a pipe."""

    EVERY_S = 60.0

    def __init__(self, name: str) -> None:
        self._name = name
        self._terminal = sys.stderr.isatty()
        self._told_s = float("-inf")
        self._state = ""

    def tell(self, answer: Answer, left_s: float | None) -> None:
        """Print the answer so far."""
        left = "" if left_s is None else f", {max(0.0, left_s) / 60:.1f} minutes left"
        why = f": {answer.unknown[0]}" if answer.state == "unknown" and answer.unknown else ""
        line = f"{self._name}: {WORDS[answer.state].lower()} so far{left}{why}"
        if self._terminal:
            click.echo(f"\r\x1b[K{line[:110]}", nl=False, err=True)
        elif answer.end_s - self._told_s >= self.EVERY_S or answer.state != self._state:
            self._told_s, self._state = answer.end_s, answer.state
            click.echo(f"{clock_of(answer.end_s)} {line}", err=True)

    def end(self) -> None:
        """Clear the line on the terminal."""
        if self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)


def told(answer: Answer, target: Target, rules: Rules, watch: PromotionWatch) -> Mapping[str, Any]:
    """The answer as JSON, with target, gate, tier and steering."""
    from muster.guard.promotion import as_json

    return as_json(
        answer,
        target=target.name,
        gate=rules.gate.name,
        tier=rules.tier.name,
        needed_s=rules.needed_s,
        steering=watch.steering_lost or "read",
    )


def clock_of(t_s: float) -> str:
    """A time in UTC, in the form that begins each line."""
    return f"{datetime.fromtimestamp(t_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _print(
    answer: Answer, document: Mapping[str, Any], watch: PromotionWatch, as_json: bool
) -> None:
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(
        f"{WORDS[answer.state]}: {document['target']} from {clock_of(answer.start_s)} to "
        f"{clock_of(answer.end_s)}, tier {document['tier']}, queue limit of {document['gate']}, "
        f"in {', '.join(answer.rotation) or 'no region'}"
    )
    rolled = answer.state == "roll_back"
    for row in answer.rows:
        if row.state == "unknown" or (rolled and row.state == "held"):
            continue
        since = f" since {clock_of(row.since_s)}" if row.since_s is not None else ""
        detail = f": {row.detail}" if row.detail else ""
        click.echo(f"  {WORDS[row.state].lower():9}  {row.trigger} in {row.region}{since}{detail}")
    if rolled and answer.unknown:
        click.echo(
            f"  {len(answer.unknown)} other values are unknown and do not change the "
            "answer (--json lists them)"
        )
    for why in answer.unknown if not rolled else ():
        click.echo(f"  unknown: {why}")
    for what in answer.not_judged:
        click.echo(f"  not judged: {what}")
    if watch.steering_lost:
        click.echo(f"  the steering cannot be read, so every region counts: {watch.steering_lost}")
