"""Decides a gate from bundles on disk: judges each again, by the gate's own contract."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from muster import home
from muster.bundle import MANIFEST, check_seal
from muster.cli.seal import differences, refused
from muster.clock import SYSTEM_CLOCK, Clock
from muster.contract import Contract, load
from muster.contract.parse import FILE_NAME
from muster.drill.lock.runs import is_running
from muster.errors import BadInput, one_of
from muster.judge.gate import Bundle, GateResult, judge_gate
from muster.judge.ledger_lines import shaped
from muster.judge.phases import dark_hold_s, phases_of
from muster.judge.verdict import EXIT_CODES, judge
from muster.ledger import read_ledger
from muster.signing import VerifyKey, verify_keys
from muster.targets.declared import check_accepted

DAY_S = 86400.0


@dataclass(frozen=True)
class Asked:
    """The arguments of `chaos drill gate`. `keys`: files of public keys that verify signatures.

    `accepted`: signals that the platform may lack, because the operator accepts it.
    """

    name: str
    bundles: tuple[Path, ...]
    contract_file: Path | None = None
    age_days_max: float | None = None
    allow_testbed: bool = False
    allow_unsigned: bool = False
    keys: tuple[Path, ...] = ()
    accepted: tuple[str, ...] = ()


def answer(asked: Asked, clock: Clock = SYSTEM_CLOCK) -> tuple[GateResult, int]:
    """Return the gate's answer and its exit code. Raises BadInput for a bundle that can not be
    read.
    """
    contract = load(asked.contract_file)
    wanted = asked.name.upper()
    if wanted not in contract.gates:
        known = [gate.lower() for gate in contract.gates]
        raise BadInput("GATE", "", asked.name, one_of(asked.name, known))
    age_s_max = contract.drill.bundle_age_s_max
    days = asked.age_days_max
    if days is not None:
        if not math.isfinite(days) or days <= 0:
            raise BadInput("--age-days-max", "", days, "a number of days above 0")
        age_s_max = days * DAY_S
    if len({path.resolve() for path in asked.bundles}) != len(asked.bundles):
        raise BadInput("BUNDLE", "", [str(path) for path in asked.bundles], "each bundle once")
    check_accepted(asked.accepted)
    keys = verify_keys(asked.keys)
    read = [_read(path, contract, keys) for path in asked.bundles]
    _check_declared(asked.accepted, read)
    result = judge_gate(
        contract,
        contract.gates[wanted],
        read,
        now_s=clock.now_s(),
        age_s_max=age_s_max,
        allow_testbed=asked.allow_testbed,
        allow_unsigned=asked.allow_unsigned,
        accepted=frozenset(asked.accepted),
    )
    if result.opens:
        return result, 0
    verdicts = [str(bundle.document.get("verdict")) for bundle in read]
    return result, max((EXIT_CODES.get(verdict, 1) for verdict in verdicts), default=1) or 1


def _check_declared(accepted: tuple[str, ...], bundles: list[Bundle]) -> None:
    """Raises BadInput for an accepted signal that no bundle declares none, for example a misspelt
    one.

    If a seal is broken, the declarations are not trusted and nothing is checked: the broken seal
    alone keeps the gate shut.
    """
    if any(bundle.seal_faults for bundle in bundles):
        return
    told = {one["signal"] for bundle in bundles for one in bundle.document.get("declared") or ()}
    for name in accepted:
        if name not in told:
            known = one_of(name, sorted(told)) if told else "no --accept"
            raise BadInput("--accept", "", name, f"{known}: no bundle declares another signal none")


def record(
    result: GateResult,
    bundles: tuple[Path, ...],
    contract_file: Path | None,
    clock: Clock = SYSTEM_CLOCK,
) -> dict[str, Any]:
    """Return the answer with its basis: the time, the contract and the sealed bundles."""
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
                "manifest_sha256": _sha256_of(path / MANIFEST),
            }
            for path in bundles
        ],
    }


def keep(out: Path, document: str) -> None:
    """Write the answer to `out`. Raises BadInput if the file can not be written."""
    try:
        out.write_text(document, encoding="utf-8")
    except OSError as error:
        raise BadInput("--out", "", str(out), f"a file to write ({error.strerror})") from error


def _sha256_of(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _read(path: Path, contract: Contract, keys: tuple[VerifyKey, ...]) -> Bundle:
    seal = check_seal(path, keys, running=is_running)
    name = path.resolve().name
    if not seal.intact:
        # The seal is broken, so nothing in the bundle is trusted, not even its own contract.
        document = refused(path, seal).document
        return Bundle(name, document, (), None, seal.why, seal.signed, seal.signature)
    ledger, _ = shaped(
        read_ledger(path / "ledger.jsonl")
    )  # the verdict lists what is left out here
    ended = ledger.of("drill_ended")
    return Bundle(
        name=name,
        document=judge(path, contract).document,
        phases=phases_of(ledger.events),
        ended_s=float(ended[-1]["t"]) if ended else None,
        seal_faults=(),
        signed=seal.signed,
        signature=seal.signature,
        dark_s=dark_hold_s(ledger.events),
        on_record=_on_record(path),
    )


def _on_record(path: Path) -> str:
    """How verdict.json differs from what the bundle's own contract gives; empty if it does not."""
    try:
        return differences(path, judge(path), decisive=True)
    except BadInput as error:
        return str(error)
