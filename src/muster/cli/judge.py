"""`chaos drill judge BUNDLE`, `chaos drill gate GATE BUNDLE…`, `chaos drill contract …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from muster.contract.model import Contract
    from muster.judge.verdict import Verdict

BUNDLE = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
UNSEALED_MARK = "UNSEALED"
KEY = click.option(
    "--key",
    "key_files",
    type=FILE,
    multiple=True,
    help="Public key (PEM) that must have signed; repeatable.  [default: MUSTER_VERIFY_KEY_FILE]",
)
UNSEALED = click.option(
    "--unsealed", is_flag=True, help="Read evidence whose seal is broken, and mark all output."
)


@click.command()
@click.argument("bundle", type=BUNDLE)
@click.option(
    "--contract",
    "contract_file",
    type=FILE,
    help="Judge by this contract instead of the bundle's own.",
)
@click.option("--json", "as_json", is_flag=True, help="Print verdict.json.")
@click.option(
    "--write", is_flag=True, help="Write verdict.json and the report into the bundle again."
)
@KEY
@UNSEALED
@click.pass_context
def judge(
    ctx: click.Context,
    bundle: Path,
    contract_file: Path | None,
    as_json: bool,
    write: bool,
    key_files: tuple[Path, ...],
    unsealed: bool,
) -> None:
    """Judge BUNDLE again, offline, from its own evidence.

    If the seal of the evidence is broken, the verdict is INCONCLUSIVE.

    Exit code: 0 PASS, 1 FAIL, 2 bad input, 3 INCONCLUSIVE, 4 ABORTED, 5 ROLLBACK_FAILED.

    \b
    Example:
      chaos drill judge reports/out/latest --key verify-key.pem
    """
    from muster.cli.seal import look, refused, rewrite, with_mark
    from muster.errors import BadInput
    from muster.judge.verdict import judge as judge_bundle
    from muster.judge.verdict import verdict_bytes

    if write and contract_file is not None:
        raise BadInput("--write", "", "--contract", "one of them: a bundle keeps its own contract")
    seal = look(bundle, key_files)
    marked = unsealed and not seal.trusted
    if not seal.trusted and not unsealed:
        if write:
            raise BadInput(
                bundle, "manifest.json", "; ".join(seal.why), "evidence as it was sealed"
            )
        verdict = refused(bundle, seal)
        differs: list[str] = []
    else:
        verdict = judge_bundle(bundle, _contract(contract_file))
        differs = [] if contract_file is not None else _differs(bundle, verdict)
        if marked:
            verdict = with_mark(verdict, seal)
        if write:
            rewrite(bundle, verdict, seal)
    if as_json:
        click.echo(verdict_bytes(verdict).decode(), nl=False)
    else:
        for line in [*_lines(verdict), seal.line(), *differs]:
            click.echo(f"{line} [{UNSEALED_MARK}]" if marked else line)
    ctx.exit(verdict.exit_code)


def _differs(bundle: Path, verdict: Verdict) -> list[str]:
    """Compare verdict.json with what the evidence gives now; empty if they agree."""
    from muster.cli.seal import differences

    found = differences(bundle, verdict)
    return [f"verdict.json differs from what the evidence gives: {found}"] if found else []


@click.command()
@click.argument("name", metavar="GATE")
@click.argument("bundles", metavar="BUNDLE...", type=BUNDLE, nargs=-1, required=True)
@click.option(
    "--contract",
    "contract_file",
    type=FILE,
    help="Judge by this contract instead of the project's own.",
)
@click.option(
    "--age-days-max", type=float, help="Refuse evidence older than this.  [default: the contract's]"
)
@click.option(
    "--allow-testbed",
    is_flag=True,
    help="Accept testbed runs and rehearsals; the answer says NOT A GATE.",
)
@click.option("--unsigned", is_flag=True, help="Accept bundles without a verified signature.")
@click.option(
    "--accept",
    "accepted",
    metavar="SIGNAL",
    multiple=True,
    help="Accept that the platform does not have SIGNAL, as the target declares; repeatable.",
)
@KEY
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.option("--out", type=FILE, help="Write the answer as JSON to this file as well.")
@click.pass_context
def gate(
    ctx: click.Context,
    name: str,
    bundles: tuple[Path, ...],
    contract_file: Path | None,
    age_days_max: float | None,
    allow_testbed: bool,
    unsigned: bool,
    accepted: tuple[str, ...],
    key_files: tuple[Path, ...],
    as_json: bool,
    out: Path | None,
) -> None:
    """Decide whether the evidence in the bundles opens GATE.

    GATE is m1, m2 or m3. The output has one line for each rule: which bundle satisfies it, or why
    not. The seal of every bundle must be intact and its signature verified. A signal that a
    bundle's target declares none must be accepted by name.

    Exit code: 0 the gate opens, 1 it does not, 2 bad input, and 3, 4 or 5 if a bundle is
    INCONCLUSIVE, ABORTED or ROLLBACK_FAILED.

    \b
    Example:
      chaos drill gate m3 reports/out/SOAK reports/out/DRILL --key verify-key.pem
    """
    import json

    from muster.cli.gate import Asked, answer, keep, record
    from muster.judge.gate import NOT_A_GATE

    asked = Asked(
        name,
        bundles,
        contract_file,
        age_days_max,
        allow_testbed,
        unsigned,
        key_files,
        accepted,
    )
    result, code = answer(asked)
    document = json.dumps(record(result, bundles, contract_file), indent=2)
    if out is not None:
        keep(out, document + "\n")
    if as_json:
        click.echo(document)
    else:
        for line in result.lines:
            click.echo(line.text(result.not_a_gate))
        word = "rules hold" if result.opens and result.not_a_gate else "opens"
        said = word if result.opens else "stays shut"
        marks = [NOT_A_GATE] if result.not_a_gate else []
        marks += [f"UNSIGNED: {', '.join(result.unsigned)}"] if result.unsigned else []
        taken = dict.fromkeys(one.signal for one in result.declared if one.accepted)
        marks += [f"DECLARED NONE, ACCEPTED: {', '.join(taken)}"] if taken else []
        click.echo(f"{result.gate} {said}" + "".join(f" [{mark}]" for mark in marks))
    ctx.exit(code)


def _contract(file: Path | None) -> Contract | None:
    from muster.contract import load

    return None if file is None else load(file)


def _lines(verdict: Verdict) -> list[str]:
    """The verdict, what decided it, and the evidence for it, as lines."""
    document = verdict.document
    stopped = f", stopped by {verdict.stopped_by}" if verdict.stopped_by else ""
    lines = [f"{verdict.verdict}{stopped} ({document.get('drill_id') or 'no drill id'})"]
    if document.get("evidence") != "gate":
        lines.append(f"evidence: {document.get('evidence') or 'none'}: NOT A GATE")
    if judged := document.get("judged_by"):
        lines.append(judged)
    failed = [finding for finding in verdict.findings if finding.status == "fail"]
    lines += [f"  {finding.line()}" for finding in failed]
    lines += [f"  {text}" for text in document.get("unknowns", [])]
    passed = sum(finding.status == "pass" for finding in verdict.findings)
    skipped = sum(finding.status == "not_judged" for finding in verdict.findings)
    hanging = sum(finding.status == "declared" for finding in verdict.findings)
    for one in document.get("declared") or ():
        rules = ", ".join(one["unguarded"])
        left = f"; not guarded: {rules}" if rules else ""
        lines.append(f'  declared none: {one["signal"]}: "{one["reason"]}"{left}')
    judged = len(verdict.findings) - skipped - hanging
    also = f"; {skipped} not judged" if skipped else ""
    also += f"; {hanging} declared none" if hanging else ""
    lines.append(f"{passed} findings hold, {len(failed)} fail, of {judged}{also}")
    undo = document.get("undo", {})
    lines += [f"run by hand: {command}" for command in undo.get("commands", [])]
    return lines


@click.group()
def contract() -> None:
    """Show, check or export the scale contract.

    \b
    Example:
      chaos drill contract show
    """


@contract.command("show")
@click.option(
    "--contract", "contract_file", type=FILE, help="Contract file.  [default: contract/phase5.yaml]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole contract as JSON.")
def contract_show(contract_file: Path | None, as_json: bool) -> None:
    """Print tiers, gates and rollback triggers as tables."""
    from muster.cli.tables import contract_lines
    from muster.contract import load

    loaded = load(contract_file)
    if as_json:
        click.echo(loaded.model_dump_json(by_alias=True, indent=2))
        return
    for line in contract_lines(loaded):
        click.echo(line)


@contract.command("check")
@click.argument("file", type=FILE, required=False)
def contract_check(file: Path | None) -> None:
    """Check the contract in FILE (default: contract/phase5.yaml)."""
    from muster.contract import load

    loaded = load(file)
    click.echo(
        f"{file or 'contract/phase5.yaml'}: {len(loaded.tiers)} tiers, {len(loaded.gates)} gates, "
        f"{len(loaded.profiles)} profiles; every threshold is a histogram edge"
    )


@contract.command("export")
@click.argument("directory", type=BUNDLE, required=False)
@click.option(
    "--contract", "contract_file", type=FILE, help="Contract file.  [default: contract/phase5.yaml]"
)
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
