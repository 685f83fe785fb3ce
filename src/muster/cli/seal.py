"""Handles a bundle's seal for the commands that read bundles: check, refuse, mark, seal again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from muster.bundle import Seal, check_seal, seal, unsigned_if_sealed_now
from muster.drill.lock.runs import is_running
from muster.errors import BadInput
from muster.signing import verify_keys

if TYPE_CHECKING:
    from muster.judge.verdict import Verdict

DECISIVE = ("verdict", "stopped_by", "evidence", "gate", "profile", "target")


def look(bundle: Path, key_files: Sequence[Path] = ()) -> Seal:
    """Check the seal of `bundle` with the keys given. Raises BadInput if a bundle or key is
    missing.
    """
    return check_seal(bundle, verify_keys(key_files), running=is_running)


def refused(bundle: Path, found: Seal) -> Verdict:
    """The verdict on evidence that differs from what was sealed: nothing in it is trusted."""
    from muster.judge.document import SCHEMA_VERSION
    from muster.judge.verdict import Verdict

    document = {
        "schema_version": SCHEMA_VERSION,
        "drill_id": bundle.resolve().name,
        "verdict": "INCONCLUSIVE",
        "stopped_by": None,
        "evidence": None,
        "findings": [],
        "unknowns": [*found.why, "use `--unsealed` to read it anyway, with all output marked"],
    }
    return Verdict("INCONCLUSIVE", None, (), document)


def with_mark(verdict: Verdict, found: Seal) -> Verdict:
    """Return the verdict, with the reasons why its evidence is not sealed."""
    document = {"notice": "UNSEALED", **verdict.document, "unsealed": list(found.why)}
    return replace(verdict, document=document)


def differences(bundle: Path, verdict: Verdict, *, decisive: bool = False) -> str:
    """How verdict.json differs from `verdict`; empty if they agree.

    `decisive` leaves out figures, which another version of Muster may round differently.
    """
    from muster.judge.verdict import verdict_bytes

    path = bundle / "verdict.json"
    try:
        raw = path.read_bytes()
        told = json.loads(raw)
    except OSError as error:
        return f"verdict.json: {error.strerror}"
    except ValueError:
        return "verdict.json: no JSON"
    if not isinstance(told, dict):
        return "verdict.json: no JSON object"
    if raw == verdict_bytes(verdict):
        return ""
    now = json.loads(verdict_bytes(verdict))
    keys = [key for key in DECISIVE if told.get(key) != now.get(key)]
    said = [f"{key}: on record {told.get(key)}, judged {now.get(key)}" for key in keys]
    if not decisive and not keys:
        others = sorted(key for key in {*told, *now} if told.get(key) != now.get(key))
        said = [f"{', '.join(others) or 'its form'} differ"]
    return "; ".join(said)


def rewrite(bundle: Path, verdict: Verdict | None, found: Seal, *, pdf: bool = False) -> list[Path]:
    """Write the verdict (None: keep it) and the report again, and seal them if the old seal held.

    `pdf` prints the page too; without it a PDF of an earlier report is removed.

    Raises BadInput if that would turn a signed bundle into an unsigned one, and for a drill that
    still runs. Evidence that differs from what was sealed gets no new seal: that would hide the
    change.
    """
    from muster.judge.verdict import write_verdict
    from muster.reports import write_reports
    from muster.reports.pdf import NAME, print_pdf

    if found.state == "running":
        raise BadInput(bundle, "", "a drill that is running", "one that has ended")
    again = found.trusted
    if again and (lost := unsigned_if_sealed_now(bundle)):
        raise BadInput(
            bundle,
            "manifest.json",
            lost,
            "the key that signed it, because the bundle must be signed again",
        )
    if verdict is not None:
        write_verdict(bundle, verdict)
    written = write_reports(bundle, unsealed=found.why)
    (bundle / NAME).unlink(missing_ok=True)
    if pdf:
        written.append(print_pdf(bundle))
    if again and (why := seal(bundle)):
        raise BadInput(bundle, "manifest.json", why, "a key that can sign")
    return written
