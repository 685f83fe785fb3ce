"""Compares a drill that ends just now with the last one of its kind that passed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from muster.errors import MusterError
from muster.reports.evidence import read_verdict
from muster.reports.history.compare import compare, kind_of
from muster.reports.history.kept import FILE, SCHEMA_VERSION, Against
from muster.reports.history.past import Past, asked_for, with_verdict
from muster.reports.history.read import bundles_in, nothing_runs, read_past
from muster.reports.history.sides import side_of
from muster.signing import VerifyKey


def write_against(bundle: Path, keys: Sequence[VerifyKey] = ()) -> Against:
    """Compare the drill in `bundle`, which ends just now, with earlier ones beside it.

    Raises MusterError if its own verdict cannot be read or the file cannot be written. An earlier
    drill without an intact seal does not count.
    """
    # Judged by this process a moment ago: no seal has to say that it was not altered.
    now = replace(with_verdict(asked_for(bundle), read_verdict(bundle)), trusted=True)
    last = passed = None
    for past in _earlier(now, bundle.parent, keys):
        last = last or past
        if past.passed:
            passed = past
            break
    found = Against(
        last_passed=passed.drill_id if passed else "",
        before=last.drill_id if last else "",
        verdict_before=last.verdict if last else "",
        rows=compare(side_of(bundle.parent / passed.drill_id, passed), side_of(bundle, now)).rows
        if passed
        else (),
    )
    text = json.dumps({"schema_version": SCHEMA_VERSION, **asdict(found)}, indent=2)
    try:
        (bundle / FILE).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise MusterError(f"{bundle / FILE}: {error.strerror or error}") from error
    return found


def _earlier(now: Past, out_dir: Path, keys: Sequence[VerifyKey]) -> Iterator[Past]:
    """Earlier drills of the kind of `now` with an intact seal, newest first.

    Kind and start stand in a ledger's first line. A seal is checked only when its drill is next,
    because that reads all of its evidence.
    """
    alike = [
        (-started_s, bundle.name, bundle)
        for bundle in bundles_in(out_dir)
        for asked in [asked_for(bundle)]
        for started_s in [asked.started_s or 0.0]
        if asked.drill_id != now.drill_id
        and kind_of(asked) == kind_of(now)
        and started_s < (now.started_s or 0.0)
    ]
    for *_, bundle in sorted(alike):
        past = read_past(bundle, keys, nothing_runs)
        if past.trusted:
            yield past
