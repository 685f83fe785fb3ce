"""JSON Schemas for editors: the contract's file and a target's."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from muster.contract.model import Contract

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON Schema of `model`'s file, without the names that the file gives as keys."""
    schema = model.model_json_schema(by_alias=True)
    for definition in schema.get("$defs", {}).values():
        if definition.get("title") in ("Tier", "Gate", "Profile"):
            definition["properties"].pop("name", None)
    return {"$schema": DIALECT, **schema, "title": title}


def contract_schema() -> str:
    """The schema of contract/phase5.yaml as a file."""
    return schema_file(Contract, "Muster scale contract")


def schema_file(model: type[BaseModel], title: str) -> str:
    """A schema as a file."""
    return json.dumps(schema_of(model, title), indent=2, sort_keys=True) + "\n"
