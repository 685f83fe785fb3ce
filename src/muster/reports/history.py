"""The bundles under `reports/out`, newest first, one line each. Unreadable ones are named too.

The verdict of a bundle without an intact seal is not shown, because anyone may have written it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from muster.bundle import Seal, check_seal
from muster.errors import MusterError
from muster.reports.evidence import read_verdict
from muster.reports.numbers import epoch
from muster.reports.words import one_line
from muster.signing import VerifyKey

_HEAD_BYTES_MAX = 1_000_000


@dataclass(frozen=True)
class Past:
    """One bundle. Times in seconds; None if unknown. `problem`: what is wrong.

    `verdict` is empty if the seal is not intact (`trusted` False), unless it was requested; `seal`
    describes the seal in a word.
    """

    drill_id: str
    started_s: float | None
    length_s: float | None
    drill: str
    target: str
    verdict: str
    evidence: str
    problem: str = ""
    seal: str = ""
    trusted: bool = False

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def history(
    out_dir: Path,
    keys: Sequence[VerifyKey] = (),
    running: Callable[[str], bool] = lambda drill_id: False,
    *,
    unsealed: bool = False,
) -> list[Past]:
    """Every bundle in `out_dir`, newest first, those without a known start last.

    `keys` verify signatures; `running` says which drills still run. `unsealed` also shows the
    verdict of a bundle without an intact seal; its `problem` says so. Links (`latest`) and files
    are skipped. An `out_dir` that does not exist holds no bundle.
    """
    if not out_dir.is_dir():
        return []
    found = [
        _sealed(path, keys, running, unsealed)
        for path in out_dir.iterdir()
        if path.is_dir() and not path.is_symlink()
    ]
    return sorted(found, key=lambda p: (p.started_s is None, -(p.started_s or 0.0), p.drill_id))


def _sealed(
    bundle: Path, keys: Sequence[VerifyKey], running: Callable[[str], bool], unsealed: bool
) -> Past:
    """The bundle, with its verdict only if its seal is intact or `unsealed` asks for it."""
    past = _past(bundle)
    try:
        found = check_seal(bundle, keys, running=running)
    except MusterError as error:
        return replace(past, verdict="", seal="missing", problem=one_line(str(error), 300))
    if found.trusted:
        return replace(past, seal=_word(found), trusted=True)
    why = one_line("; ".join(found.why), 300)
    if not unsealed:
        past = replace(past, verdict="", evidence="")
    return replace(past, seal=_word(found), problem=why)


def _word(found: Seal) -> str:
    """The seal in a word or two."""
    if found.state != "sealed":
        words = {"running": "running", "unended": "cut off", "unreadable": "altered"}
        return words.get(found.state, "missing")
    if not found.trusted:
        return "altered" if found.faults else "untrusted"
    if found.signed:
        return "signed"
    return "not verified" if found.carries_signature else "unsigned"


def _past(bundle: Path) -> Past:
    started = _drill_started(bundle / "ledger.jsonl")
    drill = one_line(started.get("drill"), 80)
    target = one_line(started.get("target"), 80)
    at = epoch(started.get("t"))
    name = one_line(bundle.name, 120)
    try:
        verdict = read_verdict(bundle)
    except MusterError as error:
        return Past(name, at, None, drill, target, "", "", one_line(str(error), 300))
    begin = epoch(verdict.get("started_at"))
    begin = at if begin is None else begin
    end = epoch(verdict.get("ended_at"))
    return Past(
        drill_id=name,
        started_s=begin,
        length_s=end - begin if begin is not None and end is not None else None,
        drill=drill or one_line(verdict.get("drill"), 80),
        target=target or one_line(verdict.get("target"), 80),
        verdict=one_line(verdict.get("verdict"), 40),
        evidence=one_line(verdict.get("evidence"), 40) or "unknown",
    )


def _drill_started(ledger: Path) -> dict[str, Any]:
    """The ledger's `drill_started`, from its first line alone; empty if it is missing."""
    try:
        with ledger.open("rb") as file:
            record = json.loads(file.readline(_HEAD_BYTES_MAX))
    except (OSError, ValueError):
        return {}
    if isinstance(record, dict) and record.get("event") == "drill_started":
        return record
    return {}
