"""YAML documents parsed once, at the edge, into frozen typed values.

Unknown keys, missing keys and doubled keys are refused, each in one line that names the file, the
dotted key, the value and what was expected.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from muster.errors import BadInput


class Document(BaseModel):
    """Base of every parsed value: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


DocumentT = TypeVar("DocumentT", bound=BaseModel)


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice: the second would silently win."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    seen: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} given twice", key_node.start_mark
            )
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in the YAML file `path`.

    Raises BadInput when the file is missing, is not YAML, or does not hold a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(path, "", str(error), "a readable YAML file") from error
    try:
        data = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        raise BadInput(path, where, problem, "valid YAML") from error
    if not isinstance(data, dict):
        raise BadInput(path, "", data, "a mapping of keys to values")
    return data


def parse(model: type[DocumentT], data: object, file: Path | str) -> DocumentT:
    """`data` as a `model`; BadInput for the first thing in it that does not fit."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise bad_input(error, data, file, model) from error


def bad_input(
    error: ValidationError, data: object, file: Path | str, model: type[BaseModel]
) -> BadInput:
    """The first of pydantic's complaints as one line in the house's form."""
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    kind = first["type"]
    if kind == "missing":
        return BadInput(file, key, _Absent(), "this key to be given")
    if kind == "extra_forbidden":
        known = ", ".join(_keys_beside(model, location[:-1]))
        wanted = f"one of the known keys: {known}" if known else "no such key"
        return BadInput(file, key, first["input"], wanted)
    return BadInput(file, key, first["input"], _expected(first["msg"]))


class _Absent:
    """Stands for a value that is not there, so that the line reads `got nothing`."""

    def __repr__(self) -> str:
        return "nothing"


def _expected(message: str) -> str:
    for prefix in ("Value error, ", "Input should be "):
        if message.startswith(prefix):
            return message[len(prefix) :]
    return message


def _keys_beside(model: type[BaseModel], path: list[str]) -> list[str]:
    """The keys that the model at `path` knows; empty when the path leaves plain models."""
    here: Any = model
    for part in path:
        fields = getattr(here, "model_fields", None)
        if not fields:
            return []
        field = fields.get(part)
        if field is None:
            # A mapping's own key (a region's name, say), or an alias: look for a model below it.
            return []
        here = _model_in(field.annotation)
        if here is None:
            return []
    fields = getattr(here, "model_fields", {})
    return sorted(str(field.alias or name) for name, field in fields.items())


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
