"""Exports the contract as files for other tools, or compares existing files with the contract."""

from __future__ import annotations

from pathlib import Path

from muster import home
from muster.contract import Contract, load
from muster.contract.export.grafana import dashboard_json
from muster.contract.export.openslo import openslo_yaml
from muster.contract.export.prometheus_rules import rules_yaml
from muster.contract.export.schemas import contract_schema, schema_file
from muster.errors import BadInput
from muster.targets.model import Target


def exported(contract: Contract) -> dict[str, str]:
    """Return the text of each file by file name."""
    return {
        "prometheus_rules.yml": rules_yaml(contract),
        "openslo.yaml": openslo_yaml(contract),
        "grafana_dashboard.json": dashboard_json(contract),
        "contract.schema.json": contract_schema(),
        "target.schema.json": schema_file(Target, "Muster target"),
    }


def export(directory: Path | None, contract_file: Path | None) -> list[Path]:
    """Write every file into `directory` (default: beside the contract). Raises BadInput."""
    where = directory or home.root() / "contract"
    try:
        where.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, text in exported(load(contract_file)).items():
            (where / name).write_text(text, encoding="utf-8")
            paths.append(where / name)
    except OSError as error:
        raise BadInput(where, "", error.strerror, "a directory that can be written") from error
    return paths


def stale(directory: Path | None, contract_file: Path | None) -> list[str]:
    """Names of the files in `directory` that differ from what the contract exports."""
    where = directory or home.root() / "contract"
    return [
        name
        for name, text in exported(load(contract_file)).items()
        if not (where / name).is_file() or (where / name).read_text(encoding="utf-8") != text
    ]
