"""The report's part on the abrupt loss of a region: its impact, and the rig's own blackout.

Figures are the verdict's. The rig's own effect is shown apart, so that nobody takes it for the
platform's. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.contract.model import Contract
from muster.reports import limits
from muster.reports.model import Fact
from muster.reports.numbers import count, number, quantity, seconds, utc
from muster.reports.words import listed, one_line


def loss_of(verdict: Mapping[str, Any]) -> Mapping[str, Any]:
    """The verdict's `loss`; empty if it has none."""
    told = verdict.get("loss")
    return told if isinstance(told, dict) else {}


def recovery_facts(verdict: Mapping[str, Any], contract: Contract | None) -> tuple[Fact, ...]:
    """For the timings: how long attempts failed."""
    loss = loss_of(verdict)
    if not loss:
        return ()
    share = limits.shifted(contract)
    note = f"from the loss until no more than {share} of the attempts failed"
    return (Fact("Recovery time", seconds(loss.get("rto_s")), note),)


def rig_facts(verdict: Mapping[str, Any]) -> tuple[Fact, ...]:
    """For the load's section: how long the rig itself was pinned, from when to when, and which
    process.
    """
    rig = _rig(verdict)
    if not rig:
        return ()
    spans = [_span(span) for span in rig.get("spans") or () if isinstance(span, dict)]
    who = dict.fromkeys(one_line(p.get("component"), 40) for p in _pinned(rig))
    unseen = [one_line(name, 80) for name in rig.get("unseen") or ()]
    note = f"the rig's own, not the platform's: {listed(spans)} ({', '.join(who)})" if spans else ""
    note = f"not observed: {', '.join(unseen)}" if unseen else note or "no process of it was pinned"
    return (Fact("Rig pinned by the loss", seconds(rig.get("blackout_s")), note),)


def impact(verdict: Mapping[str, Any]) -> list[str]:
    """The impact of the loss on users, as sentences."""
    loss = loss_of(verdict)
    if not loss:
        return _outage(verdict)
    broken, held = number(loss.get("streams_broken")), number(loss.get("streams_open"))
    share = f" ({broken / held:.1%})" if broken is not None and held else ""
    elsewhere = count(loss.get("streams_broken_elsewhere"))
    said = [
        f"The loss of {one_line(loss.get('region'), 80)} broke {count(broken)} of {count(held)} "
        f"open streams{share}, {elsewhere} of them elsewhere; "
        f"{count(loss.get('attempts_failed'))} of {count(loss.get('attempts'))} attempts failed "
        f"until the platform had left the region, the last of them {seconds(loss.get('rto_s'))} "
        "after the loss."
    ]
    pinned_s = number(_rig(verdict).get("blackout_s"))
    if pinned_s:
        said.append(
            f"The rig itself was pinned for {seconds(pinned_s)} of that time; what failed because "
            "of it is not the platform's fault."
        )
    return said


def _outage(verdict: Mapping[str, Any]) -> list[str]:
    """The impact of an outage that no platform bridges, as a sentence."""
    told = verdict.get("outage")
    if not isinstance(told, dict):
        return []
    return [
        f"In the outage itself {count(told.get('attempts_failed'))} of "
        f"{count(told.get('attempts'))} attempts failed, which is told and not judged; from its "
        f"end on attempts failed for {seconds(told.get('rto_s'))} more."
    ]


def pinned_sentence(event: Mapping[str, Any]) -> str:
    """One process of the rig that was pinned, from the ledger's event."""
    length = seconds(event.get("pinned_s"))
    lag_s = number(event.get("lag_s"))
    lag = (
        "more than the highest bucket edge"
        if lag_s is None
        else f"at most {quantity(lag_s * 1000, 'ms')}"
    )
    who = f"{one_line(event.get('component'), 40)} {one_line(event.get('instance'), 80)}".strip()
    return (
        f"The rig itself was pinned: {who} for {length}; its event loop was late by "
        f"{lag}. Not the platform's fault."
    )


def _rig(verdict: Mapping[str, Any]) -> Mapping[str, Any]:
    rig = loss_of(verdict).get("rig")
    return rig if isinstance(rig, dict) else {}


def _pinned(rig: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in rig.get("pinned") or () if isinstance(one, dict)]


def _span(span: Mapping[str, Any]) -> str:
    ends = [utc(number(span.get(key)), date=False) for key in ("from", "to")]
    return f"{seconds(span.get('pinned_s'))} within {' to '.join(ends)}"
