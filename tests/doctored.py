"""What the doctor's checks look at in tests: a staging target of which each test changes a part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared_targets import shared_document, write_target

from muster import home
from muster.cli.plan import plan_of
from muster.drill.doctor.examined import Examined, examined

REGION, OTHER = "eu-west-1", "eu-central-1"
GOOD = (
    'data: {"choices":[{"delta":{"content":" all"},"finish_reason":null}]}\n\n'
    'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
"""A whole stream, as a platform answers it."""


def document(url: str = "http://127.0.0.1:9", **changes: Any) -> dict[str, Any]:
    """A staging target at the stand-in `url`; sections of `changes` are merged, but the regions."""
    data = shared_document(url)
    for section in ("steering", "shared", "prometheus"):
        data[section]["timeout_s"] = 2
    for key, value in changes.items():
        whole = key == "regions" or not isinstance(value, dict)
        merged = not whole and isinstance(data.get(key), dict)
        data[key] = {**data[key], **value} if merged else value
    return data


def patient(folder: Path, data: dict[str, Any], *given: str) -> Examined:
    """What is examined for the failover drill on that target."""
    file = write_target(folder / "staging.yaml", data)
    drill = str(home.root() / "drills" / "region_failover.json")
    return examined(plan_of(drill, ("scale=0.01", *given, f"target={file}")))
