"""Recovery while the target's store does not answer: on a person's word, from this machine's log.

Only the store tells whether another machine holds the target or has already restored these changes.
Without it that is unknown, so `recover` refuses. A person who knows it names the one drill whose
changes are to be restored. Nothing is read from or written to the store: its entry and its lock
stay until `recover` runs again.
"""

from __future__ import annotations

import secrets

from muster import targets
from muster.drill.lock.held import FileLock
from muster.drill.lock.way import make_way
from muster.drill.recover.again import EXIT_NOT_ON_RECORD, reach, recover_log
from muster.drill.recover.ended import Say
from muster.drill.undo.logs import LeftLog, left_on
from muster.drill.undo.restore import recover_command
from muster.drill.undo.store import stored_undo
from muster.errors import BadInput
from muster.stores import StoreError
from muster.targets import Target

OPTION = "--without-store"


def recover_without_store(name_or_path: str, drill_id: str, say: Say) -> int:
    """Restore what `drill_id` left, by this machine's undo log; return the command's exit code.

    Never 0, because the result is not recorded off the machine. Raises BadInput if the store
    answers or the log is not the only one, DrillAborted while a drill runs here.
    """
    target = targets.load(name_or_path)
    say(f"the store does not answer: {_silence(target, drill_id)}")
    make_way(target.name, say)
    with FileLock(target.name, f"recover-{secrets.token_hex(4)}"):
        log = _the_log(target, drill_id)
        say(
            "NOT KNOWN: whether another machine holds the target, or has restored these changes; "
            f"{drill_id} is restored on your word"
        )
        code = recover_log(log, None, reach(target, say), target, say)
        again = recover_command(name_or_path)
        say(f"its entries and its lock are still in the store: once it answers, run {again}")
    return code or EXIT_NOT_ON_RECORD


def _silence(target: Target, drill_id: str) -> str:
    """Why the store does not answer. Raises BadInput if it does, or if there is none."""
    if target.shared is None:
        raise BadInput(OPTION, "", drill_id, f"none: target {target.name} has no shared store")
    try:
        stored_undo(target)
    except StoreError as error:
        return str(error)
    raise BadInput(OPTION, "", drill_id, "none: the store answers, so recover can use it")


def _the_log(target: Target, drill_id: str) -> LeftLog:
    """The complete log of that drill, the only one left here. Raises BadInput."""
    left = left_on(target.name)
    if left.unusable:
        raise BadInput(OPTION, "", drill_id, f"logs that can be read: {left.unusable[0]}")
    names = [log.read.header.drill_id for log in left.pending]
    if names != [drill_id]:
        known = ", ".join(names) or "none"
        wanted = f"the one drill that left changes by this machine's logs (there: {known})"
        raise BadInput(OPTION, "", drill_id, wanted)
    (log,) = left.pending
    if log.read.torn:
        raise BadInput(OPTION, "", drill_id, f"a whole log: {log.path} ends in a torn line")
    return log
