"""Every drill in a directory of bundles, newest first.

A bundle whose files did not change since its seal was checked is taken from the store; any other is
read. Nothing that cannot be read is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from muster.bundle import DAY_LEDGER, KEY_VARIABLE, MANIFEST, check_seal
from muster.clock import SYSTEM_CLOCK, Clock
from muster.errors import BadInput, MusterError
from muster.reports.history.past import Past, asked_for, with_outcome, with_seal
from muster.reports.history.store import Store, fingerprint, remove_store
from muster.reports.words import one_line
from muster.signing import VerifyKey

Running = Callable[[str], bool]


def nothing_runs(drill_id: str) -> bool:
    """For a reader who knows of no running drill."""
    return False


def history(
    out_dir: Path,
    keys: Sequence[VerifyKey] = (),
    running: Running = nothing_runs,
    *,
    unsealed: bool = False,
    rebuild: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> list[Past]:
    """Every bundle in `out_dir`, newest first, those without a known start last.

    `keys` verify signatures; `running` says which drills still run. `unsealed` also shows the
    outcome of a bundle without an intact seal; its `problem` says so. `rebuild` reads every bundle
    again. Links (`latest`) and files are skipped. Raises BadInput if `out_dir` cannot be listed.
    """
    bundles = bundles_in(out_dir)
    if rebuild:
        remove_store(out_dir)
    signed = bool(keys) or bool(os.environ.get(KEY_VARIABLE))
    with Store(out_dir) as store:
        stored = store.rows()
        found: dict[str, tuple[str, Past]] = {}
        for bundle in bundles:
            # Taken before anything is read: what changes meanwhile is read again the next time.
            mark = "" if signed else _mark(bundle, clock)
            known, past = stored.get(bundle.name, ("", None))
            if past is None or not mark or known != mark:
                past = read_past(bundle, keys, running)
                mark = mark if past.trusted else ""
            found[bundle.name] = (mark, past)
        if found != stored:
            store.keep(found)
    drills = [
        _unsealed(past, out_dir / name) if unsealed and not past.trusted else past
        for name, (_, past) in found.items()
    ]
    return sorted(drills, key=lambda p: (p.started_s is None, -(p.started_s or 0.0), p.drill_id))


def read_past(bundle: Path, keys: Sequence[VerifyKey], running: Running) -> Past:
    """One drill from its bundle, with its outcome only if its seal is intact."""
    past = asked_for(bundle)
    try:
        found = check_seal(bundle, keys, running=running)
    except MusterError as error:
        return replace(past, seal="missing", problem=one_line(str(error), 300))
    return with_seal(past, bundle, found)


def _unsealed(past: Past, bundle: Path) -> Past:
    """The drill with its outcome, and still with what is wrong with its seal if that is known."""
    shown = with_outcome(past, bundle)
    return replace(shown, problem=past.problem or shown.problem)


def bundles_in(out_dir: Path) -> list[Path]:
    """The directories in `out_dir`, without links and without those of game days.

    Raises BadInput if it cannot be listed.
    """
    try:
        found = [path for path in out_dir.iterdir() if path.is_dir() and not path.is_symlink()]
        return [path for path in found if not (path / DAY_LEDGER).exists()]
    except OSError as error:
        raise BadInput(out_dir, "", error.strerror, "a directory of evidence bundles") from error


def _mark(bundle: Path, clock: Clock) -> str:
    """The fingerprint of a sealed bundle; empty for one that may still be written to."""
    try:
        return fingerprint(bundle, clock.now_s()) if (bundle / MANIFEST).is_file() else ""
    except OSError:
        return ""
