"""Decides when a limit that fired after an abrupt loss says nothing about the platform: the rig was
slow.

The rig's own figures excuse it in three cases: the rig was pinned for longer than allowed; it was
slow in one of the windows that the limit was judged by; or it was pinned for at least as much of
them as the excess over the limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.judge.evaluate import Judging
from muster.judge.rig import judge_rig
from muster.judge.rig_pinned import Blackout
from muster.samples.windows import Window


def unfit(pinned_s: float, pinned_s_max: float) -> str:
    """A rig that stood still for this long behaves for a while as no client would."""
    said = f"the rig itself was pinned for {pinned_s:.1f} s"
    return f"{said}, over {pinned_s_max:g} s" if pinned_s > pinned_s_max else ""


def stop_excuse(
    judging: Judging, lost_s: float, dark: Blackout, events: Sequence[Mapping[str, Any]]
) -> str:
    """Why a stop by a trigger or limit proves nothing, because the rig was slow; empty if it
    stands.

    `lost_s` is when a region was lost; a stop before it stands.
    """
    stop = next((e for e in events if e["event"] == "stopped"), None)
    if stop is None or stop.get("verdict") != "FAIL":
        return ""
    t_s = float(stop.get("t_trip", stop["t"]))
    by = str(stop.get("by"))
    kind, _, name = by.partition(":")
    trip = next(
        (
            e
            for e in events
            if e["event"] == kind and e.get(kind) == name and e.get("t_trip") == t_s
        ),
        None,
    )
    if t_s < lost_s:
        return ""
    rules = judging.contract.load_validity
    why = unfit(dark.within(lost_s, t_s), rules.blackout_s_max)
    if not why and trip is not None:
        windows = [(float(a), float(b)) for a, b in trip.get("windows") or ()]
        slow = [
            judge_rig(
                judging.samples, Window(a, b, judging.stale_s, judging.absences), "", rules
            ).slow
            for a, b in windows
        ]
        why = next((f"the rig itself: {one}" for one in slow if one), "")
        why = why or _explains(trip, windows, lost_s, dark)
    return f"{by}: {why}" if why else ""


def _explains(
    trip: Mapping[str, Any], windows: Sequence[tuple[float, float]], lost_s: float, dark: Blackout
) -> str:
    """How the rig could have caused the trip; empty if it could not.

    A share can be wrong by the share of a window for which the rig was pinned, an age by the
    seconds for which it was pinned.
    """
    pinned_s = [dark.within(max(lost_s, a), b) for a, b in windows]
    off = abs(float(trip.get("measured") or 0.0) - float(trip.get("threshold") or 0.0))
    could = sum(pinned_s)
    if trip.get("unit") == "%":
        shares = [s / (b - a) for s, (a, b) in zip(pinned_s, windows, strict=True) if b > a]
        could = 100 * max(shares, default=0.0)
    said = f"the rig itself was pinned for {sum(pinned_s):.1f} s of the judged windows"
    return said if could > 0 and could >= off else ""
