"""Finishes a drill's evidence: judge, report, seal, in that order; then the index of all drills,
and whoever is told of it.

The manifest comes last and covers everything else; if it exists, nothing was written afterwards. A
verdict that was decided stands, whichever process finishes the rest.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from muster.bundle import MANIFEST, seal
from muster.drill.drawing import draw
from muster.drill.listing import list_drills
from muster.drill.telling import tell
from muster.judge.guarded import duty_over
from muster.judge.verdict import Verdict, judge, write_verdict
from muster.ledger import Ledger, read_ledger

logger = logging.getLogger("chaostoolkit")


def conclude(bundle: Path) -> Verdict:
    """Judge the bundle, write verdict and reports, seal it. Raises BadInput if there is no bundle.

    A report that cannot be drawn does not change the verdict.
    """
    verdict = judge(bundle)
    write_verdict(bundle, verdict)
    _draw_and_seal(bundle)
    return verdict


def conclude_released(bundle: Path, *, confirmed: bool = True) -> str:
    """Finish the evidence of a drill that died after its guard's duty had ended; return its
    verdict.

    A verdict that is written stays as it is; otherwise the evidence is judged as it is. `confirmed`
    False: its process was not observed to end, and may still write. Raises MusterError.
    """
    path = bundle / "verdict.json"
    if not path.exists():
        _end_ledger(bundle / "ledger.jsonl")
        return conclude(bundle).verdict
    if not (bundle / MANIFEST).exists() and confirmed:
        _draw_and_seal(bundle)
    return str(json.loads(path.read_text(encoding="utf-8")).get("verdict"))


def _draw_and_seal(bundle: Path) -> None:
    if why := draw(bundle):
        logger.error("report: %s", why)
    if unsigned := seal(bundle):
        logger.error("seal: %s", unsigned)
    if why := list_drills(bundle.parent):
        logger.error("index: %s", why)
    tell(bundle)


def _end_ledger(path: Path) -> None:
    """Add the lines that the drill's process could not write any more."""
    read = read_ledger(path)
    ledger = Ledger(path)
    try:
        if not duty_over(read.events):
            ledger.append("watchdog", state="released", detail="recorded by the watchdog")
        if not read.of("drill_ended"):
            ledger.append("drill_ended")
    finally:
        ledger.close()
