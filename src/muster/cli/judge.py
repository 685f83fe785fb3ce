"""`chaos drill judge BUNDLE`, `chaos drill gate GATE BUNDLE…`, `chaos drill contract …`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from muster.contract.model import Contract, Tier
    from muster.verdict import Verdict

BUNDLE = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
TIER_ROWS = (
    "streams",
    "availability_min",
    "success_2xx_min",
    "rate_5xx_max",
    "rate_429_max",
    "first_token_p95_s_max",
    "completion_p95_s_max",
)


@click.command()
@click.argument("bundle", type=BUNDLE)
@click.option("--contract", "contract_file", type=FILE, help="Judge by this contract instead.")
@click.option("--json", "as_json", is_flag=True, help="verdict.json as it would be written.")
@click.option("--write", is_flag=True, help="Write verdict.json and the report again.")
@click.pass_context
def judge(
    ctx: click.Context, bundle: Path, contract_file: Path | None, as_json: bool, write: bool
) -> None:
    """Judge BUNDLE again, offline, from its own evidence.

    Exit code: 0 PASS, 1 FAIL, 2 bad input, 3 INCONCLUSIVE, 4 ABORTED, 5 ROLLBACK_FAILED.
    """
    from muster.errors import BadInput
    from muster.verdict import judge as judge_bundle
    from muster.verdict import verdict_bytes

    if write and contract_file is not None:
        raise BadInput("--write", "", "--contract", "one of them: a bundle keeps its own contract")
    verdict = judge_bundle(bundle, _contract(contract_file))
    if write:
        _rewrite(bundle, verdict)
    if as_json:
        click.echo(verdict_bytes(verdict).decode(), nl=False)
    else:
        for line in _lines(verdict):
            click.echo(line)
    ctx.exit(verdict.exit_code)


def _rewrite(bundle: Path, verdict: Verdict) -> None:
    """Verdict and report anew. Evidence that is not as it was sealed is refused: a new seal over it
    would hide that."""
    from muster.bundle import MANIFEST, check_seal, seal
    from muster.errors import BadInput
    from muster.reports import write_reports
    from muster.verdict import write_verdict

    sealed = (bundle / MANIFEST).exists()
    if sealed:
        found = check_seal(bundle)
        if found.faults or (is_signed(bundle) and found.signed is not True):
            why = "; ".join(found.faults) or "signed, and MUSTER_SIGNING_KEY is not set"
            raise BadInput(bundle, MANIFEST, why, "evidence as it was sealed")
    write_verdict(bundle, verdict)
    write_reports(bundle)
    if sealed:
        seal(bundle)


def is_signed(bundle: Path) -> bool:
    """Whether the bundle's manifest carries a signature."""
    import json

    from muster.bundle import MANIFEST

    return bool(json.loads((bundle / MANIFEST).read_text(encoding="utf-8")).get("hmac_sha256"))


@click.command()
@click.argument("name", metavar="GATE")
@click.argument("bundles", metavar="BUNDLE...", type=BUNDLE, nargs=-1, required=True)
@click.option("--contract", "contract_file", type=FILE, help="Judge by this contract instead.")
@click.option("--age-days-max", type=float, help="Older evidence is refused.")
@click.option(
    "--allow-testbed", is_flag=True, help="Answer for a testbed or rehearsal: NOT A GATE."
)
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
@click.option("--out", type=FILE, help="Write the answer as JSON to this file too.")
@click.pass_context
def gate(
    ctx: click.Context,
    name: str,
    bundles: tuple[Path, ...],
    contract_file: Path | None,
    age_days_max: float | None,
    allow_testbed: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """Say whether the evidence in each BUNDLE opens GATE (m1, m2 or m3), and which rule by which.

    Exit code: 0 it opens, 1 it does not, 2 bad input, and 3, 4 or 5 when a bundle is INCONCLUSIVE,
    ABORTED or ROLLBACK_FAILED.
    """
    import json

    from muster.cli.gate import answer

    result, code = answer(name, bundles, contract_file, age_days_max, allow_testbed)
    document = json.dumps(result.as_json(), indent=2)
    if out is not None:
        out.write_text(document + "\n", encoding="utf-8")
    if as_json:
        click.echo(document)
    else:
        for line in result.lines:
            click.echo(line.text(result.not_a_gate))
        word = "rules hold" if result.opens and result.not_a_gate else "opens"
        said = word if result.opens else "stays shut"
        click.echo(f"{result.gate} {said}" + (" [NOT A GATE]" if result.not_a_gate else ""))
    ctx.exit(code)


def _contract(file: Path | None) -> Contract | None:
    from muster.contract import load

    return None if file is None else load(file)


def _lines(verdict: Verdict) -> list[str]:
    """The verdict, what decided it, and what it rests on."""
    document = verdict.document
    stopped = f", stopped by {verdict.stopped_by}" if verdict.stopped_by else ""
    lines = [f"{verdict.verdict}{stopped} ({document.get('drill_id') or 'no drill id'})"]
    if document.get("evidence") != "gate":
        lines.append(f"evidence: {document.get('evidence') or 'none'}: NOT A GATE")
    failed = [finding for finding in verdict.findings if finding.status == "fail"]
    lines += [f"  {finding.line()}" for finding in failed]
    lines += [f"  {text}" for text in document.get("unknowns", [])]
    passed = sum(finding.status == "pass" for finding in verdict.findings)
    lines.append(f"{passed} findings hold, {len(failed)} fail, of {len(verdict.findings)}")
    undo = document.get("undo", {})
    lines += [f"run by hand: {command}" for command in undo.get("commands", [])]
    return lines


@click.group()
def contract() -> None:
    """Show, check or export the scale contract."""


@contract.command("show")
@click.option("--contract", "contract_file", type=FILE, help="Another contract's file.")
@click.option("--json", "as_json", is_flag=True, help="The whole contract as JSON.")
def contract_show(contract_file: Path | None, as_json: bool) -> None:
    """Print tiers and gates as tables."""
    from muster.contract import load

    loaded = load(contract_file)
    if as_json:
        click.echo(loaded.model_dump_json(by_alias=True, indent=2))
        return
    for line in _tables(loaded):
        click.echo(line)


@contract.command("check")
@click.argument("file", type=FILE, required=False)
def contract_check(file: Path | None) -> None:
    """Check the contract in FILE (default: the project's own)."""
    from muster.contract import load

    loaded = load(file)
    click.echo(
        f"{file or 'contract/phase5.yaml'}: {len(loaded.tiers)} tiers, {len(loaded.gates)} gates, "
        f"{len(loaded.profiles)} profiles; every threshold is a histogram edge"
    )


@contract.command("export")
@click.argument("directory", type=BUNDLE, required=False)
@click.option("--contract", "contract_file", type=FILE, help="Another contract's file.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is out of date.")
@click.pass_context
def contract_export(
    ctx: click.Context, directory: Path | None, contract_file: Path | None, check: bool
) -> None:
    """Write Prometheus rules, OpenSLO, a Grafana dashboard and JSON Schemas to DIRECTORY."""
    from muster.cli.export import export, stale

    if not check:
        for path in export(directory, contract_file):
            click.echo(path)
        return
    old = stale(directory, contract_file)
    for name in old:
        click.echo(f"out of date: {name}")
    ctx.exit(1 if old else 0)


def _tables(loaded: Contract) -> list[str]:
    tiers = list(loaded.tiers.values())
    rows: list[tuple[str, ...]] = [("", *(f"Tier {tier.name}" for tier in tiers))]
    rows += [(slo, *(_shown(tier, slo) for tier in tiers)) for slo in TIER_ROWS]
    lines = _aligned(rows)
    gates = [("", "TIER", "PROFILE", "SOAK", "QUEUE AGE", "BESIDES")]
    for gate in loaded.gates.values():
        besides = []
        if gate.circuit_open_s_max is not None:
            besides.append(f"no circuit open longer than {gate.circuit_open_s_max:g} s")
        if gate.failover_actions_in_baseline_max is not None:
            besides.append("no regional failover action in the baseline")
        if gate.drill_tier is not None:
            besides.append(f"the failover drill passes Tier {gate.drill_tier}")
        soak, queue = f"{gate.soak_s_min / 60:g} min", f"<= {gate.queue_age_s_max:g} s"
        gates.append((gate.name, gate.tier, gate.profile, soak, queue, "; ".join(besides)))
    return [*lines, "", *_aligned(gates)]


def _shown(tier: Tier, slo: str) -> str:
    """A threshold of `tier` with its sign and unit."""
    from fractions import Fraction

    from muster.contract.model import per_cent

    value = getattr(tier, slo)
    if slo == "streams":
        return f"{value:,}"
    sign = ">=" if slo.endswith("_min") else "<="
    return f"{sign} {per_cent(value) if isinstance(value, Fraction) else f'{value:g} s'}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
