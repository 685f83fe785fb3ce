"""`chaos drill load`: offers a drill's load, without a drill, to any OpenAI-compatible endpoint."""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from muster.clock import SYSTEM_CLOCK
from muster.errors import BadInput, one_of

if TYPE_CHECKING:
    from muster.load import LoadHandle, LoadPlan

_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PLAIN_S = 5.0
_START_S_MAX = 24 * 3600.0


@click.command()
@click.argument("profile")
@click.option("--url", required=True, help="http(s)://host:port/v1/chat/completions")
@click.option("--scale", default="1", show_default=True, help="Share of the profile's streams.")
@click.option("--seed", default="1", show_default=True, help="The same seed gives the same load.")
@click.option("--duration", help="For example 60s or 5m.  [default: until Ctrl-C]")
@click.option("--dns-server", help="host:port of the DNS server.  [default: the system's]")
@click.option("--drain", help="After --duration, let open streams end for up to this time.")
@click.option("--linger", help="Then keep the metrics up for this time, for a last scrape.")
@click.option("--start-at", help="Start at this time (ISO 8601, UTC) on every machine.")
@click.option("--token-env", help="Environment variable that holds the bearer token.")
@click.option(
    "--canary-token-env", help="Variable with the canaries' token.  [default: no canaries]"
)
@click.option("--model", default="muster-stub", show_default=True, help="Model to request.")
@click.option("--processes", default="0", help="Number of processes; 0: as many as needed.")
@click.option("--shard", help="k/n: offer only part k of n equal parts.")
@click.option(
    "--trace",
    help="CSV with TIMESTAMP,ContextTokens,GeneratedTokens to replay; starts again at its end.",
)
@click.option("--region", "regions", multiple=True, help="ADDRESS=REGION; repeatable.")
@click.option("--region-header", help="Response header that names the region.")
@click.option("--record", help="Directory for load-<k>.jsonl, one line a second.")
@click.option("--raw-share", default="0", help="Share of requests that are recorded one by one.")
@click.option(
    "--metrics-address", help="host:port for Prometheus to scrape; needs one process (see --shard)."
)
def load(profile: str, **options: Any) -> None:
    """Offer the load of PROFILE to an OpenAI-compatible endpoint.

    PROFILE is m1_1k, m2_5k or m3_20k. The load is an open loop: requests start by a schedule, and
    latency counts from the intended start. See docs/load.md.

    Exit code: 0 it ran, 1 attempts ended and none succeeded, or a process ended with an error, 2
    bad input.

    \b
    Example:
      chaos drill load m1_1k --url https://chat.test/v1/chat/completions \\
        --token-env TOKEN --duration 5m
    """
    from muster.load.summary import Follower, Sum

    with tempfile.TemporaryDirectory(prefix="muster-load-") as scratch:
        record = Path(options["record"]) if options["record"] else Path(scratch)
        plan = _plan(profile, options, record)
        _warn(plan)
        with _interrupts() as interrupted:
            code = _run(plan, Follower(record), Sum(), interrupted)
    if code:
        raise SystemExit(code)


def _run(plan: LoadPlan, follower: Any, total: Any, interrupted: list[int]) -> int:
    from muster.load import start

    handle = start(plan)
    started_s = SYSTEM_CLOCK.monotonic_s()
    click.echo(f"Load in {handle.shards} process(es); metrics at {', '.join(handle.metrics)}")
    try:
        code = _follow(handle, follower, total, started_s, interrupted)
    finally:
        handle.stop(grace_s=3.0)
    for line in follower.lines():
        total.add(line)
    for text in total.lines(SYSTEM_CLOCK.monotonic_s() - started_s):
        click.echo(text)
    if why := total.nothing_succeeded():
        click.echo(f"chaos drill: load: {why}", err=True)
        code = code or 1
    return code


def _follow(
    handle: LoadHandle, follower: Any, total: Any, started_s: float, interrupted: list[int]
) -> int:
    """Report progress until the load ends. Returns 1 if a process ended with an error."""
    from muster.load.summary import Sum

    tty = sys.stdout.isatty()
    told_s = started_s
    recent = Sum()
    while not interrupted and handle.running():
        SYSTEM_CLOCK.sleep(0.2)
        for line in follower.lines():
            total.add(line)
            recent.add(line)
        now_s = SYSTEM_CLOCK.monotonic_s()
        if now_s - told_s >= (1.0 if tty else _PLAIN_S):
            told_s = now_s
            text = recent.progress(now_s - started_s)
            click.echo(f"\r\x1b[2K{text}" if tty else text, nl=not tty)
            recent = Sum()
        if not handle.alive() and any(handle.exit_codes()):
            click.echo("chaos drill: load: a process ended with an error", err=True)
            return 1
    if tty:
        click.echo()
    return 0


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM end the load; the summary is still printed."""
    seen: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: seen.append(got))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _plan(name: str, options: dict[str, Any], record: Path) -> LoadPlan:
    """Check every option before anything is started."""
    from muster import contract
    from muster.load import LoadPlan
    from muster.load.config import Endpoint, server_address
    from muster.load.traffic import traffic_of

    profiles = contract.load().profiles
    if name not in profiles:
        raise BadInput("PROFILE", "", name, one_of(name, profiles))
    Endpoint(options["url"])
    if options["dns_server"]:
        server_address(options["dns_server"])
    traffic = traffic_of(profiles[name])
    canary_token = _secret("--canary-token-env", options["canary_token_env"])
    if not canary_token:
        traffic = traffic.model_copy(update={"canaries_per_s": 0.0})
    trace = Path(options["trace"]) if options["trace"] else None
    scale = _number("--scale", options["scale"], 0.0001, 10)
    if trace is not None:
        _say_trace(trace, traffic, scale)
    shard = _shard(options["shard"]) if options["shard"] else None
    if shard is not None:
        _fits(options["shard"], shard[1], traffic.streams * scale)
    host, port = "127.0.0.1", 0
    processes = int(_number("--processes", options["processes"], 0, 64, whole=True))
    if options["metrics_address"]:
        host, port = server_address(options["metrics_address"], "--metrics-address")
        if shard is None:
            processes = processes or 1
            if processes > 1:
                raise BadInput("--metrics-address", "", f"{processes} processes", "one process")
    try:
        record.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput("--record", "", str(record), "a directory to write in") from error
    return LoadPlan(
        url=options["url"],
        profile=traffic,
        scale=scale,
        seed=int(_number("--seed", options["seed"], 0, 2**63 - 1, whole=True)),
        dns_server=options["dns_server"],
        regions_by_address=dict(_region(text) for text in options["regions"]),
        region_header=options["region_header"],
        token=_secret("--token-env", options["token_env"]),
        canary_token=canary_token,
        model=options["model"],
        shards=processes,
        only_shard=shard,
        duration_s_max=_duration("--duration", options["duration"]),
        start_at=_moment(options["start_at"]) if options["start_at"] else None,
        drain_s=_after("--drain", options) or 0.0,
        linger_s=_after("--linger", options) or 0.0,
        record_dir=record,
        raw_share=_number("--raw-share", options["raw_share"], 0, 1),
        metrics_host=host,
        metrics_port=port,
        trace=trace,
    )


def _say_trace(path: Path, traffic: Any, scale: float) -> None:
    from muster.load.schedule import Schedule
    from muster.load.trace import TraceSource

    source = TraceSource(path)
    rate_per_s = Schedule(traffic, scale=scale, seed=0, source=source).ramp.rate_per_s
    click.echo(
        f"Trace of {source.requests} requests over {source.span_s:.0f} s, replayed at "
        f"{rate_per_s:.1f}/s; starts again every {source.requests / rate_per_s:.0f} s"
    )


def _number(option: str, text: str, low: float, high: float, *, whole: bool = False) -> float:
    expected = f"{'a whole number' if whole else 'a number'} from {low:g} to {high:g}"
    try:
        value = int(text) if whole else float(text)
    except ValueError as error:
        raise BadInput(option, "", text, expected) from error
    if not low <= value <= high:
        raise BadInput(option, "", text, expected)
    return value


def _duration(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text)
    if not found or float(found[1]) == 0:
        raise BadInput(option, "", text, "a duration like 60s, 5m or 1h")
    return float(found[1]) * _UNITS_S[found[2]]


def _after(option: str, options: dict[str, Any]) -> float | None:
    """Parse a time that follows the end of the load; it therefore needs `--duration`."""
    text = options[option.removeprefix("--")]
    if text is not None and not options["duration"]:
        raise BadInput(option, "", text, "--duration as well")
    return _duration(option, text)


def _moment(text: str) -> float:
    """Parse a time as seconds since the epoch. A time without a zone is UTC, not the machine's
    zone.
    """
    expected = f"a time within {_START_S_MAX / 3600:g} h from now, like 2026-03-01T12:00:00Z"
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput("--start-at", "", text, expected) from error
    at_s = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if not 0 <= at_s - SYSTEM_CLOCK.now_s() <= _START_S_MAX:
        raise BadInput("--start-at", "", text, expected)
    return at_s


def _shard(text: str) -> tuple[int, int]:
    """Parse `k/n` with k from 1, as (shard from 0, number of shards)."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise BadInput("--shard", "", text, "k/n with k from 1 to n, for example 2/4")
    return int(found[1]) - 1, int(found[2])


def _fits(text: str, parts: int, streams: float) -> None:
    """Warn if a part needs too many open files: a part is one process, which has a limit."""
    from muster.load.starter import shards_for

    needed = shards_for(streams)
    if parts < needed:
        raise BadInput("--shard", "", text, f"{needed} parts or more for {streams:g} streams")


def _region(text: str) -> tuple[str, str]:
    address, _, region = text.partition("=")
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise BadInput("--region", "", text, "ADDRESS=REGION") from error
    if not region:
        raise BadInput("--region", "", text, "ADDRESS=REGION")
    return address, region


def _secret(option: str, variable: str | None) -> str:
    """Read a secret from the environment. It must exist and be valid in a header."""
    if not variable:
        return ""
    value = os.environ.get(variable, "")
    if not value or not value.isascii() or not value.isprintable():
        raise BadInput(option, "", variable, "the name of a variable that holds a token")
    return value


def _warn(plan: LoadPlan) -> None:
    from muster.load.config import Endpoint

    endpoint = Endpoint(plan.url)
    if endpoint.tls or _near(endpoint.host):
        return
    click.echo(
        f"warning: --url: {plan.url} is not https: the token is sent in clear text", err=True
    )


def _near(host: str) -> bool:
    """Whether the host is this machine, or a name that is reserved for tests (RFC 6761)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith((".localhost", ".test"))
