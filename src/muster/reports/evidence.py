"""A bundle's files as values: the only part of the reports that reads the disk.

A file that is absent or torn is not an error here: `missing` names it, the report says so, and what
it would have shown is "no data". Only `verdict.json` is required.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from muster.contract import load as load_contract
from muster.contract.model import Contract
from muster.errors import BadInput
from muster.judge.document import SCHEMA_VERSION
from muster.ledger import BROKEN_CHAIN, read_ledger
from muster.reports.history.kept import Against, read_against
from muster.reports.line_index import LineIndex, index_lines
from muster.reports.loadfile import LoadSeconds, read_load
from muster.reports.refusals import Refusal, first_refusals
from muster.reports.server import Server, read_server


@dataclass(frozen=True)
class Evidence:
    """The input of a report. `missing` names each file that could not be used, and why.

    `contract` is the bundle's own, for the figures that the report states, with the digest of its
    file; None: not readable.
    """

    name: str
    verdict: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    torn: bool
    config: Mapping[str, Any]
    load: LoadSeconds | None
    server: Server | None
    missing: tuple[str, ...]
    contract: Contract | None = None
    refusals: tuple[Refusal, ...] = ()
    contract_sha256: str | None = None
    against: Against | None = None
    target: Mapping[str, Any] = field(default_factory=dict)
    lines: LineIndex | None = None

    def of(self, event: str) -> tuple[Mapping[str, Any], ...]:
        """The ledger's events of that name, in order."""
        return tuple(record for record in self.events if record.get("event") == event)

    def first(self, event: str) -> Mapping[str, Any]:
        """The first such event, or an empty mapping."""
        found = self.of(event)
        return found[0] if found else {}


def read_verdict(bundle: Path) -> Mapping[str, Any]:
    """`verdict.json` of `bundle`. Raises BadInput if it is missing or not a JSON object."""
    if not bundle.is_dir():
        raise BadInput(bundle, "", "no such directory", "an evidence bundle")
    path = bundle / "verdict.json"
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        wanted = "a verdict; run `chaos drill judge` to make it"
        raise BadInput(path, "", error.strerror or str(error), wanted) from error
    except ValueError as error:
        raise BadInput(path, "", str(error), "JSON") from error
    if not isinstance(data, dict):
        raise BadInput(path, "", data, "a JSON object")
    if data.get("schema_version") != SCHEMA_VERSION:
        wanted = f"{SCHEMA_VERSION}: `chaos drill judge --write` judges the evidence again"
        raise BadInput(path, "schema_version", data.get("schema_version"), wanted)
    if not isinstance(data.get("verdict"), str):
        raise BadInput(path, "verdict", data.get("verdict"), "a verdict's name")
    return data


def read_evidence(bundle: Path, unsealed: Sequence[str] = ()) -> Evidence:
    """Everything that a report shows of `bundle`. Raises BadInput only if the verdict is missing.

    `unsealed`: why the evidence is not sealed, with which the verdict is marked.
    """
    verdict = read_verdict(bundle)
    if unsealed:
        verdict = {**verdict, "unsealed": list(unsealed)}
    missing: list[str] = []
    events: tuple[Mapping[str, Any], ...] = ()
    torn = False
    try:
        ledger = read_ledger(bundle / "ledger.jsonl")
    except BadInput as error:
        missing.append(f"ledger.jsonl: {_reason(error)}")
    else:
        events, torn = ledger.events, ledger.torn
        if torn:
            missing.append("ledger.jsonl: a line is torn, missing or out of order")
        if ledger.broken:
            missing.append(f"ledger.jsonl: line {ledger.broken_at}: {BROKEN_CHAIN}")
    load_files = sorted(bundle.glob("load-[0-9]*.jsonl"))
    load, load_faults = read_load(load_files)
    server, server_faults = read_server(bundle / "samples.jsonl")
    missing.extend(load_faults)
    missing.extend(server_faults)
    if not load_files:
        missing.append("load-*.jsonl: the load wrote no record")
    config, config_fault = _config(bundle / "config.json")
    missing.extend(config_fault)
    name = bundle.resolve().name
    contract, digest = _contract(bundle / "contract.yaml")
    return Evidence(
        name,
        verdict,
        events,
        torn,
        config,
        load,
        server,
        tuple(missing),
        contract,
        refusals=tuple(first_refusals(bundle)),
        contract_sha256=digest,
        against=read_against(bundle),
        target=_target(bundle / "target.yaml"),
        lines=index_lines(bundle / "samples.jsonl"),
    )


def _config(path: Path) -> tuple[Mapping[str, Any], list[str]]:
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        return {}, [f"config.json: {error.strerror}"]
    except ValueError:
        return {}, ["config.json: not JSON"]
    return (data, []) if isinstance(data, dict) else ({}, ["config.json: not a JSON object"])


def _target(path: Path) -> Mapping[str, Any]:
    """The target as its file says; empty if it cannot be read: it only adds links."""
    try:
        data = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError):
        return {}
    return data if isinstance(data, dict) else {}


def _contract(path: Path) -> tuple[Contract | None, str | None]:
    try:
        return load_contract(path), hashlib.sha256(path.read_bytes()).hexdigest()
    except (BadInput, OSError):
        return None, None


def _reason(error: BadInput) -> str:
    return str(error.value)
