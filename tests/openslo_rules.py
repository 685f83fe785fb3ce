"""What OpenSLO asks of a v1 document, for the three kinds that Muster writes.

Written from the specification's text, from its JSON Schemas (`schemas/v1`) and from what its Go
package refuses beyond them; where these differ, the strictest is taken. docs/contract.md names the
revisions. A folder with the published schemas is used as well, where one is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

PUBLISHED_ID = "https://openslo.com/schemas/v1/openslo.schema.json"


def obj(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these keys and no others; `required` names those that it must have."""
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


# The name that every implementation must take: RFC 1123, at most 63 characters.
NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
DESCRIPTION = {"type": "string", "maxLength": 1050}
FILLED = {"type": "string", "minLength": 1}
LABEL = {"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"}
DURATION = {"type": "string", "pattern": "^[1-9][0-9]*[mhdwMQY]$"}
METADATA = obj(
    "name",
    name=NAME,
    displayName=FILLED,
    labels={"type": "object", "additionalProperties": {"anyOf": [LABEL, {"items": LABEL}]}},
    annotations={"type": "object", "additionalProperties": {"type": "string"}},
)
METRIC = obj(
    "metricSource",
    metricSource=obj("spec", metricSourceRef=NAME, type=FILLED, spec={"type": "object"}),
)
RATIO = obj("counter total", counter={"type": "boolean"}, good=METRIC, bad=METRIC, total=METRIC) | {
    "oneOf": [{"required": ["good"]}, {"required": ["bad"]}]
}
# `op` and `value` are for a threshold metric, time slices for another way of budgeting.
OBJECTIVE = obj(
    "",
    displayName=FILLED,
    target={"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    targetPercent={"type": "number", "minimum": 0, "exclusiveMaximum": 100},
) | {"oneOf": [{"required": ["target"]}, {"required": ["targetPercent"]}]}
INDICATOR = obj(
    "metadata spec",
    metadata=METADATA,
    spec=obj("ratioMetric", description=DESCRIPTION, ratioMetric=RATIO),
)
WINDOW = obj("duration isRolling", duration=DURATION, isRolling={"const": True})
SPECS = {
    "DataSource": obj(
        "type connectionDetails",
        description=DESCRIPTION,
        type=FILLED,
        connectionDetails={"type": "object"},
    ),
    "Service": obj("", description=DESCRIPTION),
    "SLO": obj(
        "service indicator timeWindow budgetingMethod objectives",
        description=DESCRIPTION,
        service=NAME,
        indicator=INDICATOR,
        timeWindow={"type": "array", "minItems": 1, "maxItems": 1, "items": WINDOW},
        budgetingMethod={"const": "Occurrences"},
        objectives={"type": "array", "minItems": 1, "items": OBJECTIVE},
    ),
}


def broken_rules(document: Any) -> Iterator[str]:
    """What the rules written here refuse in one document."""
    kind = document.get("kind") if isinstance(document, dict) else None
    schema = obj(
        "apiVersion kind metadata spec",
        apiVersion={"const": "openslo/v1"},
        kind={"enum": list(SPECS)},
        metadata=METADATA,
        spec=SPECS.get(str(kind), {}),
    )
    for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


def published(folder: Path) -> jsonschema.Draft7Validator:
    """The validator of OpenSLO's own schemas, which `folder` (schemas/v1 of a clone) holds."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.json"))]
    resources = [Resource.from_contents(json.loads(text), DRAFT7) for text in texts]
    registry = Registry().with_resources([(str(found.id()), found) for found in resources])
    return jsonschema.Draft7Validator({"$ref": PUBLISHED_ID}, registry=registry)
