"""`chaos drill slo TARGET`: judges a tier on past peak hours of real traffic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from muster.judge.findings import Finding
    from muster.judge.peak import Asked, Hours
    from muster.targets import Target

EXIT = {"HELD": 0, "MISSED": 1, "UNKNOWN": 3}
DAYS_MAX = 400


@click.command()
@click.argument("target")
@click.option("--tier", required=True, help="Tier: L, G or X.")
@click.option(
    "--window", required=True, help="Hours, for example 'mon-fri 14:00-16:00 Europe/Berlin'."
)
@click.option(
    "--days", type=int, default=14, show_default=True, help="Number of days to look back."
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.pass_context
def slo(ctx: click.Context, target: str, tier: str, window: str, days: int, as_json: bool) -> None:
    """Judge a tier of TARGET on past peak hours of real traffic.

    Judges each occurrence of the hours, and all of them together, by the platform's own samples in
    Prometheus. What only a load could show is listed as not judged. It changes nothing.

    Exit code: 0 held, 1 missed, 2 bad input, 3 unknown.

    \b
    Example:
      chaos drill slo staging --tier X --window 'mon-fri 14:00-16:00 UTC'
    """
    from muster.errors import BadInput, MusterError

    try:
        code = _slo(target, tier, window, days, as_json)
    except BadInput:
        raise
    except KeyboardInterrupt:
        click.echo("UNKNOWN: ended before there was an answer", err=True)
        code = EXIT["UNKNOWN"]
    except MusterError as error:
        click.echo(f"UNKNOWN: {error}", err=True)
        code = EXIT["UNKNOWN"]
    except Exception as error:  # exit code 1 would say that a service level was missed
        click.echo(f"UNKNOWN: {type(error).__name__}: {error}", err=True)
        code = EXIT["UNKNOWN"]
    ctx.exit(code)


def _slo(name: str, tier: str, window: str, days: int, as_json: bool) -> int:
    from muster import contract as contracts
    from muster import home
    from muster.cli.promotion import sighted
    from muster.clock import SYSTEM_CLOCK, utc
    from muster.drill.real_traffic.peak import read_all
    from muster.errors import BadInput, one_of
    from muster.judge.judged_by import contract_said, tier_said
    from muster.judge.peak import Asked, judge_together, not_judged, word_of
    from muster.platform.metrics import metrics_of
    from muster.targets.peak import occurrences, parse_peak

    peak = parse_peak(window)
    if not 1 <= days <= DAYS_MAX:
        raise BadInput("--days", "", days, f"a whole number from 1 to {DAYS_MAX}")
    target = sighted(name)
    contract = contracts.load(home.root() / target.contract)
    tiers = {str(key): value for key, value in contract.tiers.items()}
    if tier.upper() not in tiers:
        raise BadInput("--tier", "", tier, one_of(tier, tiers))
    shown = frozenset({"streams_broken", "open_over"} & set(target.signals))
    scrape_s = target.prometheus.scrape_interval_s
    asked = Asked(contract, tiers[tier.upper()], tuple(target.regions), scrape_s, shown)
    # Prometheus may not have the last scrapes of hours that have just ended.
    late_s = 2 * asked.stale_s + target.prometheus.delay_s
    now = utc(SYSTEM_CLOCK) - timedelta(seconds=late_s)
    found, left_out = occurrences(peak, now, days)
    if not found:
        raise BadInput(
            "--days", "", days, f"a number of days in which {window!r} ended at least once"
        )
    metrics = metrics_of(target)
    try:
        judged = read_all(metrics, target, asked, found, lambda one: _tell(one, as_json))
    finally:
        metrics.close()
    together = judge_together(asked, judged)
    word = word_of([finding for one in judged for finding in one.findings] + together)
    canaries = all(_has_canaries(one) for one in judged)
    unjudged = not_judged(asked, canaries=canaries)
    if as_json:
        document = _document(target, asked, window, judged, together, word, unjudged, left_out)
        click.echo(json.dumps(document, indent=2))
        return EXIT[word]
    click.echo("all together")
    for finding in together:
        click.echo(f"  {_line(finding)}")
    for what in unjudged:
        click.echo(f"not judged: {what}")
    for day in left_out:
        click.echo(f"left out: {day}")
    click.echo(
        f"{word}: {tier_said(contract, asked.tier.name)} on {target.name}, {window}, "
        f"{len(judged)} occurrences in {days} days; the limits are those of "
        f"{contract_said(contract)}"
    )
    return EXIT[word]


def _has_canaries(hours: Hours) -> bool:
    return any(finding.slo == "availability" for finding in hours.findings)


def _tell(hours: Hours, as_json: bool) -> None:
    from muster.targets.peak import shown_utc

    streams = "" if hours.streams is None else f", {hours.streams:.0f} open streams on average"
    span = f"{shown_utc(hours.start_s)} to {shown_utc(hours.end_s)}"
    click.echo(f"{hours.word}: {hours.name}, {span}{streams}", err=as_json)
    if not as_json:
        for finding in hours.findings:
            click.echo(f"  {_line(finding)}")


def _line(finding: Finding) -> str:
    from muster.judge.peak import WORDS

    word = WORDS.get(finding.status, "UNKNOWN")
    shown = "no data" if finding.measured is None else f"{finding.measured:g} {finding.unit}"
    limit = (
        "" if finding.threshold is None else f" (threshold {finding.threshold:g} {finding.unit})"
    )
    counted = "" if finding.samples is None else f", {finding.samples:,} counted"
    why = f": {finding.reason}" if finding.reason else ""
    return f"{word:7}  {finding.slo}: {shown}{limit}{counted}{why}"


def _document(
    target: Target,
    asked: Asked,
    window: str,
    judged: Sequence[Hours],
    together: Sequence[Finding],
    word: str,
    unjudged: Sequence[str],
    left_out: Sequence[str],
) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "target": target.name,
        "tier": asked.tier.name,
        "contract": asked.contract.source.model_dump(mode="json"),
        "window": window,
        "answer": word,
        "occurrences": [
            {
                "day": one.name,
                "from_s": one.start_s,
                "to_s": one.end_s,
                "answer": one.word,
                "streams_mean": one.streams,
                "findings": [finding.as_json() for finding in one.findings],
            }
            for one in judged
        ],
        "all_together": [finding.as_json() for finding in together],
        "not_judged": list(unjudged),
        "left_out": list(left_out),
    }
