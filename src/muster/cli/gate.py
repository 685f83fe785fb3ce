"""From bundles on disk to the gate's answer: each is judged again, by the gate's own contract."""

from __future__ import annotations

import hashlib
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from muster import home
from muster.bundle import KEY_VARIABLE, MANIFEST, check_seal
from muster.clock import SYSTEM_CLOCK, Clock
from muster.contract import Contract, load
from muster.contract.gate import Bundle, GateResult, judge_gate
from muster.contract.parse import FILE_NAME
from muster.contract.phases import dark_hold_s, phases_of
from muster.errors import BadInput
from muster.ledger import read_ledger
from muster.verdict import EXIT_CODES, judge

DAY_S = 86400.0


def answer(
    name: str,
    bundles: tuple[Path, ...],
    contract_file: Path | None,
    age_days_max: float | None,
    allow_testbed: bool,
    clock: Clock = SYSTEM_CLOCK,
) -> tuple[GateResult, int]:
    """The gate's answer and its exit code. Raises BadInput for what can not be read at all."""
    contract = load(contract_file)
    wanted = name.upper()
    if wanted not in contract.gates:
        known = ", ".join(gate.lower() for gate in contract.gates)
        raise BadInput("gate", "", name, f"one of {known}")
    age_s_max = contract.drill.bundle_age_s_max
    if age_days_max is not None:
        if not math.isfinite(age_days_max) or age_days_max <= 0:
            raise BadInput("--age-days-max", "", age_days_max, "a number of days above 0")
        age_s_max = age_days_max * DAY_S
    if len({path.resolve() for path in bundles}) != len(bundles):
        raise BadInput("BUNDLE", "", [str(path) for path in bundles], "each bundle once")
    read = [_read(path, contract) for path in bundles]
    result = judge_gate(
        contract,
        contract.gates[wanted],
        read,
        now_s=clock.now_s(),
        age_s_max=age_s_max,
        allow_testbed=allow_testbed,
    )
    if result.opens:
        return result, 0
    verdicts = [str(bundle.document.get("verdict")) for bundle in read]
    return result, max((EXIT_CODES.get(verdict, 1) for verdict in verdicts), default=1) or 1


def record(
    result: GateResult,
    bundles: tuple[Path, ...],
    contract_file: Path | None,
    clock: Clock = SYSTEM_CLOCK,
) -> dict[str, Any]:
    """The answer with what it rests on: when, by which contract, on which sealed bundles."""
    contract, file = load(contract_file), contract_file or home.root() / FILE_NAME
    return result.as_json() | {
        "answered_at": datetime.fromtimestamp(clock.now_s(), UTC).isoformat(timespec="seconds"),
        "contract": {
            "document": contract.source.document,
            "as_of": contract.source.as_of,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        },
        "bundles": [
            {
                "bundle": path.resolve().name,
                "manifest_sha256": hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest(),
            }
            for path in bundles
        ],
    }


def keep(out: Path, document: str) -> None:
    """Write the answer to `out`. Raises BadInput where that can not be."""
    try:
        out.write_text(document, encoding="utf-8")
    except OSError as error:
        raise BadInput("--out", "", str(out), f"a file to write ({error.strerror})") from error


def _read(path: Path, contract: Contract) -> Bundle:
    seal = check_seal(path)
    signed, unchecked = seal.signed, ""
    if signed is None and os.environ.get(KEY_VARIABLE):
        signed, unchecked = False, "the manifest carries no signature"
    elif signed is None:
        carries = "the manifest is signed" if seal.carries_signature else "nor is it signed"
        unchecked = f"{KEY_VARIABLE} is not set; {carries}"
    ledger = read_ledger(path / "ledger.jsonl")
    ended = ledger.of("drill_ended")
    return Bundle(
        name=path.resolve().name,
        document=judge(path, contract).document,
        phases=phases_of(ledger.events),
        ended_s=float(ended[-1]["t"]) if ended else None,
        seal_faults=seal.faults,
        signed=signed,
        unchecked=unchecked,
        dark_s=dark_hold_s(ledger.events),
    )
