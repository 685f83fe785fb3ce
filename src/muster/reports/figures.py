"""Figures beside the SLOs: timings, budgets, the load's validity, the impact on users. Pure.

If the verdict has a figure, it is used. Otherwise it is summed from the load's own record, and the
report says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from muster.contract.model import Contract
from muster.reports import limits, loss
from muster.reports.burn import RATE_WINDOW_S, SLOS, shown_share
from muster.reports.evidence import Evidence
from muster.reports.harm import Burn, Hurt
from muster.reports.lines import classes
from muster.reports.loadfile import ERRORS, LoadSeconds
from muster.reports.model import Fact, FindingRow, PhaseRow
from muster.reports.numbers import NO_DATA, count, number, quantity, seconds, utc
from muster.reports.words import LOAD_TITLES, OVERALL, TIMING_TITLES, one_line

_TIMINGS_ALWAYS = ("decide", "shift", "drain", "dark", "restore")
Finding = Mapping[str, Any]


def timing_facts(evidence: Evidence, phases: Sequence[PhaseRow]) -> tuple[Fact, ...]:
    """Times in the order of a failover, then streams broken."""
    told = evidence.verdict.get("timings_s")
    known: dict[str, Any] = dict(told) if isinstance(told, dict) else {}
    for event in evidence.of("timing"):
        known.setdefault(_bare(event.get("name")), event.get("value_s"))
    known = {_bare(name): value for name, value in known.items()}
    drained = "drain" in {p.name for p in phases}
    facts = list(loss.recovery_facts(evidence.verdict, evidence.contract))
    for name, (label, note) in TIMING_TITLES.items():
        if name in known or (drained and name in _TIMINGS_ALWAYS):
            note = note.format(shifted=limits.shifted(evidence.contract))
            facts.append(Fact(label, seconds(known.get(name)), note))
    extra = sorted(set(known) - set(TIMING_TITLES))
    facts += [Fact(one_line(name, 80).replace("_", " "), seconds(known[name])) for name in extra]
    broken, where = streams_broken(evidence)
    facts.append(Fact("Streams broken", broken, where))
    return tuple(facts)


def load_facts(evidence: Evidence, rows: Sequence[FindingRow]) -> tuple[Fact, ...]:
    """Whether the load generator kept to its schedule and limits."""
    told = evidence.verdict.get("load")
    load: Mapping[str, Any] = told if isinstance(told, dict) else {}
    # What the verdict does not carry is summed from the load's own record, without its gaps.
    load = {**_recorded(evidence.load), **{k: v for k, v in load.items() if v is not None}}
    facts = []
    for key, label in LOAD_TITLES.items():
        value = load.get(key)
        if key == "late_share" or key.endswith("_share"):
            shown = quantity(value, "share")
        elif "_ms" in key:
            shown = quantity(value, "ms")
        else:
            shown = count(value)
        label = label.format(late=limits.late(evidence.contract))
        facts.append(Fact(label, shown, _load_note(key, load, evidence.contract)))
    for key in sorted(set(load) - set(LOAD_TITLES)):
        value = load[key]
        if isinstance(value, bool):
            facts.append(Fact(key.replace("_", " "), "yes" if value else "no"))
        elif isinstance(value, str | int | float):
            facts.append(Fact(one_line(key, 80).replace("_", " "), one_line(value, 120)))
    facts += loss.rig_facts(evidence.verdict)
    facts += [
        Fact(f"An early answer {one.status}", one_line(one.said, 320) or "no body", one.region)
        for one in evidence.refusals
    ]
    judged = [row for row in rows if row.slo in ("load_offered", "load_loop_lag")]
    facts += [
        Fact(f"{row.title}, {row.phase}", row.measured, f"{row.threshold}: {row.status}")
        for row in judged
        if row.status in ("fail", "unknown")
    ]
    return tuple(facts)


def impact(found: Hurt | None, verdict: Mapping[str, Any]) -> tuple[str, ...]:
    """What clients observed while the drill changed things, as sentences."""
    if found is None:
        return ("The impact on the load's clients is not known: no data.",)
    said = [
        f"While the drill changed things, clients made {count(found.attempts)} attempts: "
        f"{count(found.rejected)} were answered 429, {count(found.by_class['5xx'])} failed "
        f"(5xx, refused, reset or timed out), and {count(found.by_class['broken'])} streams broke. "
        f"So {quantity(found.share, 'share')} of the attempts were hurt.",
        *loss.impact(verdict),
    ]
    wrong, empty = found.by_class["error in stream"], found.by_class["empty stream"]
    if wrong or empty:
        said.append(
            f"Of the 200 streams {count(wrong)} ended as error in stream "
            f"and {count(empty)} as empty stream. Neither counts as success."
        )
    if found.gaps:
        said.append(f"{found.gaps} s of the load's record are missing and not counted.")
    return tuple(said)


def streams_broken(evidence: Evidence) -> tuple[str, str]:
    """Number of broken streams, and where the figure comes from."""
    for key in ("streams_broken", "broken_streams"):
        told = evidence.verdict.get(key)
        if number(told) is not None:
            return count(told), "over the judged phases"
    load = evidence.load
    if load is None:
        return NO_DATA, ""
    broken = sum(classes(second)["broken"] for second in load.seconds.values())
    gaps = load.length - len(load.seconds)
    tail = f"; {gaps} s of its record missing" if gaps else ""
    return count(broken), f"counted by the load over the whole run{tail}"


def _recorded(load: LoadSeconds | None) -> dict[str, float]:
    """Arrivals and the first-token error over the whole run, as far as the record goes."""
    if load is None or not load.seconds:
        return {}
    every = load.seconds.values()
    offered = sum(second.offered for second in every)
    found = {"scheduled": sum(second.scheduled for second in every), "offered": offered}
    if offered:
        found["late_share"] = sum(second.late for second in every) / offered
    edge_s = load.quantile(load.tallies.counts(ERRORS, 0, load.length), 0.95)
    if edge_s is not None and math.isfinite(edge_s):
        found["first_token_error_ms_p95"] = edge_s * 1000
    return found


def budget_facts(findings: Sequence[Finding], burned: Sequence[Burn]) -> tuple[Fact, ...]:
    """How much of each error budget was spent: by the verdict's own figure over the whole failover,
    else by the load's record.
    """
    facts = []
    for slo, title in SLOS.items():
        burn = next((one for one in burned if one.slo == slo), None)
        value, note = _budget(findings, slo)
        if value == NO_DATA and burn is not None:
            value = shown_share(burn.share)
            note = (
                f"{count(burn.bad)} of {count(burn.attempts)} bad, by the load's record; "
                f"Tier {burn.tier} allows {quantity(1 - burn.target, 'share')}"
            )
        if burn is not None and burn.fastest > 0:
            note += (
                f"; fastest at {utc(burn.fastest_t_s, date=False)}: {burn.fastest:,.1f} times the "
                f"allowed rate over {RATE_WINDOW_S} s"
            )
        facts.append(Fact(f"{title}: error budget spent", value, note))
    return tuple(facts)


def _budget(findings: Sequence[Finding], slo: str) -> tuple[str, str]:
    """Share of what the tier allows that was spent over evacuate..restore, by the worse side."""
    spans = [f for f in findings if f.get("slo") == slo]
    chosen = [f for f in spans if f.get("phase") == OVERALL] or [
        f for f in spans if ".." in str(f.get("phase"))
    ]
    spent = []
    for finding in chosen:
        measured, target = number(finding.get("measured")), number(finding.get("threshold"))
        whole = 100.0 if finding.get("unit") == "%" else 1.0
        if measured is not None and target is not None and target < whole:
            spent.append(((whole - measured) / (whole - target), finding))
    if not spent:
        return NO_DATA, f"{SLOS.get(slo, slo)} over the whole failover is not known"
    share, finding = max(spent, key=lambda item: item[0])
    tier = one_line(finding.get("tier"), 20)
    where = one_line(finding.get("phase"), 80)
    unit = one_line(finding.get("unit"), 20) or None
    target = number(finding.get("threshold")) or 0.0
    allowed = quantity((100.0 if unit == "%" else 1.0) - target, unit)
    return shown_share(share), f"of the {allowed} that Tier {tier} allows, over {where}"


def _bare(name: Any) -> str:
    return one_line(name, 80).removesuffix("_s").removesuffix("_time").removeprefix("time_to_")


def _load_note(key: str, load: Mapping[str, Any], contract: Contract | None) -> str:
    if key == "achieved_streams":
        achieved, target = number(load.get(key)), number(load.get("target_streams"))
        return f"{achieved / target:.1%} of target" if achieved is not None and target else ""
    if key == "offered":
        offered, due = number(load.get(key)), number(load.get("scheduled"))
        return f"{offered / due:.2%} of schedule" if offered is not None and due else ""
    return {
        "loop_lag_ms_p99": f"at most; limit {limits.lag(contract)} in a judged window",
        "late_share": f"limit {limits.late_share(contract)}",
        "first_token_error_ms_p95": "measured less injected; includes gateway and proxy",
    }.get(key, "")
