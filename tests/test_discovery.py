"""`chaos discover` shows what a drill author can use."""

from __future__ import annotations

import inspect
import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from muster.actions.discovery import discover, portable

ROOT = Path(__file__).parents[1]


def discovered(tmp_path: Path) -> list[dict[str, Any]]:
    chaos = str(Path(sys.executable).with_name("chaos"))
    command = [chaos, "--no-version-check", "discover", "--no-install", "chaostoolkit-muster"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads((tmp_path / "discovery.json").read_text())[
        "activities"
    ]
    return found


def test_the_command_lists_every_action_probe_and_control_of_every_drill(tmp_path: Path) -> None:
    """Whatever a drill of this repository names is listed, and every argument that it gives."""
    listed = {
        (one["mod"], one["name"]): {argument["name"] for argument in one["arguments"]}
        for one in discovered(tmp_path)
    }
    for file in (*ROOT.glob("drills/*.json"), *ROOT.glob("experiments/*.json")):
        drill = json.loads(file.read_text())
        hypothesis = drill["steady-state-hypothesis"]["probes"]
        parts = [*drill["controls"], *hypothesis, *drill["method"], *drill.get("rollbacks", ())]
        for provider in (one["provider"] for one in parts):
            module = provider["module"]
            name = provider.get("func", module.rpartition(".")[2])
            assert (module, name) in listed, file
            assert set(provider.get("arguments", {})) <= listed[module, name], file


def test_it_names_kind_type_and_default() -> None:
    """An argument has Chaos Toolkit's name of its type; the session is no argument of any."""
    found = {(one["mod"], one["name"]): one for one in discover()["activities"]}
    arguments = {key: one["arguments"] for key, one in found.items()}
    assert arguments["muster.actions.failover", "evacuate"] == [
        {"name": "shares_pct", "type": "list"}
    ]
    assert arguments["muster.actions.fault", "redis_slow"] == [
        {"name": "seconds", "type": "number"},
        {"name": "latency_ms", "type": "integer"},
        {"name": "jitter_ms", "type": "integer"},
    ]
    assert arguments["probes.series", "query"] == [{"name": "signal", "type": "string"}]
    assert found["probes.series", "query"]["return_type"] == "mapping"
    assert found["probes.verdict", "passed"]["type"] == "probe"
    control = found["muster.controls.drill", "drill"]
    assert control["type"] == "control"
    assert control["doc"].startswith("The one control of a Muster drill")
    assert control["arguments"] == [
        {"name": "drill", "type": "string", "default": "drill"},
        {"name": "kind", "type": "string", "default": "failover"},
        {"name": "gate", "type": "string", "default": "M3"},
    ]
    assert all(one["doc"] for one in found.values())
    assert "object" not in {one["type"] for given in arguments.values() for one in given}


def test_an_argument_by_keyword_only_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chaos Toolkit's own search would leave it out; `*args` and `**rest` cannot be given."""
    module = ModuleType("muster.actions.made_up")

    def wait(seconds: float, *more: str, unit: str = "s", **rest: str) -> None:
        """Wait."""

    module.__dict__.update(wait=wait, __all__=["wait"])
    monkeypatch.setitem(sys.modules, module.__name__, module)
    real = pkgutil.iter_modules
    made_up = pkgutil.ModuleInfo(import_module("pkgutil"), "made_up", False)  # type: ignore[arg-type]
    own = import_module("muster.actions").__path__
    monkeypatch.setattr(
        pkgutil, "iter_modules", lambda path: [*real(path), *([made_up] if path is own else [])]
    )
    (found,) = [one for one in discover()["activities"] if one["mod"] == module.__name__]
    assert found["arguments"] == [
        {"name": "seconds", "type": "number"},
        {"name": "unit", "type": "string", "default": "s"},
    ]
    assert found["return_type"] == "null"


def test_a_type_that_chaos_toolkit_does_not_know_is_an_object() -> None:
    """A union counts by its first member; a real type like its name."""
    assert [portable(one) for one in ("float | None", "list[float]", int, "Path")] == [
        "number",
        "list",
        "integer",
        "object",
    ]
    assert portable(inspect.Signature.empty) == "object"
