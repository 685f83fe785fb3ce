"""Ends what a drill has started for itself elsewhere: the Job in which its load ran.

It is in the undo log like a change, so that whoever ends the drill finds it; but it is no change of
the platform, and it is needed until nothing has to be measured any more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from muster.drill.undo.restore import Undo
from muster.jsonl import LogLost
from muster.ledger import Ledger
from muster.platform.kubernetes.load_job import LoadJob
from muster.platform.port import PortError
from muster.targets.kubernetes import ClusterAccess
from muster.targets.load_access import Load
from muster.targets.parse import refilled
from muster.undo import State, UndoEntry

logger = logging.getLogger("chaostoolkit")


def params_of(job: LoadJob, drill_id: str) -> dict[str, Any]:
    """What an entry for the Job holds."""
    return {"namespace": job.namespace, "job": job.name, "drill": drill_id}


def job_from(params: Mapping[str, Any], load: Load) -> LoadJob:
    """The Job of an entry, in the cluster that the target names now. Raises MusterError."""
    access: dict[str, Any] = {"namespace": str(params["namespace"])}
    if load.cluster is not None:
        access |= {"context": load.cluster.context, "kubeconfig": load.cluster.kubeconfig}
    filled = refilled(ClusterAccess, access, "the target", "load")
    return LoadJob(filled, str(params["job"]))


def end_rig(
    load: Load,
    undo: Undo,
    ledger: Ledger | None,
    job_of: Callable[[Mapping[str, Any], Load], LoadJob] = job_from,
) -> tuple[str, ...]:
    """End every part of the rig that is left; return a line for each that could not be ended.

    An entry that could not be ended stays pending: no verdict can pass, and `recover` finds it.
    """
    failed: list[str] = []
    for entry in undo.pending:
        if not entry.rig:
            continue
        try:
            job = job_of(entry.params, load)
            job.delete(str(entry.params["drill"]))
            _mark(undo, ledger, entry, "done", "deleted, with its pods")
        except Exception as error:  # one that cannot be ended must not keep the others
            said = (
                str(error) if isinstance(error, PortError) else f"{type(error).__name__}: {error}"
            )
            by_hand = _by_hand(entry, load, job_of)
            failed.append(f"{entry.subject}: {said}; by hand: {by_hand}")
            logger.error("load: not ended: %s", failed[-1])
            _mark(undo, ledger, entry, "failed", said)
    return tuple(failed)


def _by_hand(
    entry: UndoEntry, load: Load, job_of: Callable[[Mapping[str, Any], Load], LoadJob]
) -> str:
    try:
        return job_of(entry.params, load).command()
    except Exception as error:  # no line by hand is no reason to leave the others
        logger.debug("load: no line by hand: %s", error)
        return f"delete {entry.subject}"


def _mark(undo: Undo, ledger: Ledger | None, entry: UndoEntry, state: State, detail: str) -> None:
    try:
        undo.mark(entry, state, detail)
        if ledger is not None:
            ledger.append(
                "undo",
                entry_id=entry.entry_id,
                subject=entry.subject,
                state=state,
                detail=detail,
                rig=True,
            )
    except LogLost as error:
        logger.error("load: %s", error)
