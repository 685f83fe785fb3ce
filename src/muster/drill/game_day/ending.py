"""The end of a day: its verdict, its testbed, its report. Each step runs whatever the last one did.

Before the verdict every seal is checked once more, and every drill that counts as passed is judged
once more: a bundle that is not as it was judged proves nothing, nor does a line without a bundle.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from muster import home
from muster.drill.game_day import rig
from muster.drill.game_day.journal import Journal
from muster.drill.game_day.progress import NO_DIGEST, Ended, Progress
from muster.drill.game_day.run import DayRun
from muster.drill.game_day.settle import outcome_of, seal_now
from muster.errors import DrillAborted
from muster.judge.verdict import EXIT_CODES
from muster.redact import redacted

logger = logging.getLogger("chaostoolkit")
LATEST = "latest_day"
"""The link to the last day beside the bundles."""
SCHEMA_VERSION = 1
LEVELS = {"PASS": logging.INFO, "ABORTED": logging.WARNING, "INCONCLUSIVE": logging.WARNING}


def finish(run: DayRun) -> int:
    """End the day; return its exit code, 0 only for PASS."""
    if run.stop.reason is not None:
        _try("day.jsonl", lambda: _record_stop(run))
    progress = run.progress
    seals = {one.drill_id: _seal_now(one.drill_id, one.outcome) for one in progress.ended.values()}
    doubts = {
        one.drill_id: said
        for one in progress.ended.values()
        if one.verdict == "PASS" and not seals[one.drill_id]
        if (said := _doubt(run, progress, one))
    }
    verdict, why = progress.verdict_so_far()
    broken = [f"{drill_id}: its seal: {said}" for drill_id, said in seals.items() if said]
    broken += [f"{drill_id}: {said}" for drill_id, said in doubts.items()]
    if verdict == "PASS" and broken:
        verdict, why = "INCONCLUSIVE", broken[0]
    ended = {"verdict": verdict, "why": why, "seals": seals, "doubts": doubts}
    if not _try("day.jsonl", lambda: run.journal.record("day_ended", **ended)):
        verdict, why = _unrecorded(verdict, why)
    code = EXIT_CODES[verdict]
    _try("testbed", lambda: rig.end(run.day.target))
    _try("report", lambda: write(run.journal, {**ended, "verdict": verdict, "why": why}))
    _try("latest", lambda: _link(run.journal.directory))
    run.journal.close()
    run.lock.release()
    logger.log(LEVELS.get(verdict, logging.ERROR), "day: verdict: %s: %s", verdict, redacted(why))
    logger.info("day: report: %s", run.journal.directory / "day.html")
    return code


def write(journal: Journal, ending: Mapping[str, Any]) -> None:
    """day.json, and the report in every form, from the day's ledger.

    `ending`: verdict, why, seals and doubts as the day's end found them.
    """
    from muster.reports.game_day import write_day

    read = journal.read
    document = document_of(read.events, journal.progress, read.head, ending)
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    (journal.directory / "day.json").write_text(text, encoding="utf-8")
    write_day(journal.directory)


def document_of(
    events: tuple[Mapping[str, Any], ...],
    progress: Progress,
    head: str,
    ending: Mapping[str, Any],
) -> dict[str, Any]:
    """day.json: everything that the report shows, and nothing that only a clock could tell.

    A day whose end is not on record has not passed, whatever `ending` says.
    """
    start = events[0]
    recorded: Mapping[str, Any] | None = next(
        (one for one in reversed(events) if one.get("event") == "day_ended"), None
    )
    verdict, why = str(ending["verdict"]), str(ending["why"])
    if recorded is None:
        verdict, why = _unrecorded(verdict, why)
    return {
        "schema_version": SCHEMA_VERSION,
        "day_id": start.get("day_id"),
        "day": start.get("day"),
        "title": start.get("title"),
        "target": start.get("target"),
        "target_class": start.get("target_class"),
        "gate_evidence": False,
        "on_fail": start.get("on_fail"),
        "settings": start.get("settings"),
        "verdict": verdict,
        "why": why,
        "stopped": None if progress.stopped is None else dict(
            zip(("by", "detail"), progress.stopped, strict=True)
        ),
        "starts": progress.starts,
        "started_s": start.get("t"),
        "ended_s": None if recorded is None else recorded.get("t"),
        "ledger_chain": head,
        "drills": [_drill(one, progress, ending) for one in start.get("drills") or ()],
    }  # fmt: skip


def _drill(
    listed: Mapping[str, Any], progress: Progress, ending: Mapping[str, Any]
) -> dict[str, Any]:
    number = int(listed["number"])
    ended, recovery = progress.ended.get(number), progress.recovered.get(number)
    found: dict[str, Any] = {**listed, "drill_id": None, "outcome": None, "recovery": None}
    if ended is not None:
        seal = ending["seals"].get(ended.drill_id) or ended.outcome.get("seal") or ""
        found["drill_id"] = ended.drill_id
        found["outcome"] = {**ended.outcome, "seal": seal}
        if doubt := ending["doubts"].get(ended.drill_id):
            found["outcome"] |= {"verdict": "INCONCLUSIVE", "why": doubt}
        found["exit_code"] = ended.exit_code
        found["interrupted"] = ended.interrupted
        found["took_s"] = ended.took_s
        found["bundle"] = (home.out_dir() / ended.drill_id).is_dir()
    if recovery is not None:
        found["recovery"] = {
            "ok": recovery.ok,
            "took_s": recovery.took_s,
            "wrong": list(recovery.wrong),
        }
    return found


def _record_stop(run: DayRun) -> None:
    try:
        run.check_signal()
    except DrillAborted as error:
        logger.warning("day: stopped: %s", error)


def _unrecorded(verdict: str, why: str) -> tuple[str, str]:
    """The verdict of a day whose end is not on record: no PASS."""
    if verdict == "PASS":
        return "INCONCLUSIVE", "the end of the day is not on record"
    return verdict, why


def _doubt(run: DayRun, progress: Progress, one: Ended) -> str:
    """Why a drill that is on record as passed does not count as such; empty if it does."""
    if not one.outcome.get("digests"):
        return NO_DIGEST
    if one.begun_s is None or progress.began_s is None or not one.begun_s >= progress.began_s:
        return "no line of the day says that it was begun in this day"
    try:
        bundle = home.out_dir() / one.drill_id
        found = outcome_of(bundle, run.entry(one.number).plan, one.begun_s)
    except Exception as error:  # the day must end, and has not passed
        logger.debug("%s", one.drill_id, exc_info=True)
        return f"it cannot be judged again: {error!r}"
    return "" if found.verdict == "PASS" else f"judged again: {found.verdict}: {found.why}"


def _seal_now(drill_id: str, outcome: Mapping[str, Any]) -> str:
    """Why a judged bundle is not the one that was judged; empty if it is, or was never judged."""
    digests = outcome.get("digests") or {}
    if outcome.get("seal") or not digests:
        return str(outcome.get("seal") or "")
    return seal_now(home.out_dir() / drill_id, dict(digests))


def _link(directory: Path) -> None:
    latest = home.out_dir() / LATEST
    temporary = latest.with_name(f".{LATEST}-{directory.name}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(directory.name)
    temporary.replace(latest)


def _try(what: str, call: Callable[[], object]) -> bool:
    """Whether it worked."""
    try:
        call()
    except Exception as error:  # the next step of the end must still run
        logger.error("day: %s: %s", what, error)
        logger.debug("%s", what, exc_info=True)
        return False
    return True
