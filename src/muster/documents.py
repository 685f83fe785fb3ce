"""YAML documents parsed once, at the edge, into frozen typed values.

Unknown keys, missing keys and duplicate keys are refused, each in one line that names the file, the
dotted key, the value and what was expected, with the nearest existing key.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from muster.errors import BadInput, BadInputs, nearest, similar

DOCUMENTS_KEPT_MAX = 16


class Document(BaseModel):
    """Base of every parsed value: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


DocumentT = TypeVar("DocumentT", bound=BaseModel)


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice: the second value would win without notice."""


class _DoubledKey(yaml.MarkedYAMLError):
    """A key occurs twice in one mapping."""

    def __init__(self, key: object, mark: yaml.Mark | None) -> None:
        super().__init__(None, None, f"key {key!r} given twice", mark)
        self.key = key


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    # Checked before `<<` is expanded: merged keys may be overridden, which is their purpose.
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.MarkedYAMLError(
                None, None, f"key {key!r} is not a plain value", key_node.start_mark
            )
        if key in seen:
            raise _DoubledKey(key, key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in the YAML file `path`.

    Raises BadInput if the file is missing, is not YAML, or does not hold a mapping.
    """
    return parse_yaml(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The bytes of the file `path`, read once. Raises BadInput if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(path, "", error.strerror, "a readable YAML file") from error


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that is too long for one is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def nearest_file(path: Path) -> str:
    """` (did you mean PATH?)` with a neighbour of `path` of a similar name; empty if none is.

    A path that exists was meant: whatever is wrong with it, its name is not.
    """
    try:
        if path.exists():
            return ""
        names = [one.name for one in path.parent.iterdir()]
    except OSError:
        return ""
    found = similar(path.name, names)
    return f" (did you mean {path.with_name(found)}?)" if found else ""


def parse_yaml(raw: bytes, path: Path) -> dict[str, Any]:
    """The mapping in `raw`, the bytes of the YAML file `path`.

    Raises BadInput if they are not YAML or do not hold a mapping.
    """
    try:
        data = _parsed(raw)
    except UnicodeDecodeError as error:
        raise BadInput(path, "", str(error), "a readable YAML file") from error
    except _DoubledKey as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        wanted = f"this key once in its mapping (again in line {line})"
        raise BadInput(path, str(error.key), "the key twice", wanted) from error
    except (ValueError, RecursionError) as error:  # an invalid date, or nesting without end
        raise BadInput(path, "", str(error), "valid YAML") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        raise BadInput(path, where, problem, "valid YAML") from error
    if not isinstance(data, dict):
        raise BadInput(path, "", data, "a mapping of keys to values")
    # A copy for each caller, so that no caller changes another's document.
    return deepcopy(data)


@lru_cache(maxsize=DOCUMENTS_KEPT_MAX)
def _parsed(raw: bytes) -> Any:
    """Cached, because a drill loads the same few documents repeatedly and YAML is slow to parse.

    By the bytes alone: every bundle has its own copy of contract and target.
    """
    return yaml.load(raw.decode("utf-8"), Loader=_StrictLoader)


def parse(
    model: type[DocumentT], data: object, file: Path | str, *, every: bool = False
) -> DocumentT:
    """`data` as a `model`; raises BadInput for the first thing in it that does not fit.

    `every`: for all of them, one line each.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        wrong = bad_input(error, data, file, model)
        raise (wrong if every else wrong.each[0]) from error


def bad_input(
    error: ValidationError, data: object, file: Path | str, model: type[BaseModel]
) -> BadInput:
    """Pydantic's errors, each as one line in Muster's form; for one value only the first."""
    found: list[BadInput] = []
    for complaint in error.errors(include_url=False):
        one = _bad_input(dict(complaint), data, file, model)
        if not any(_within(one.key, other.key) for other in found):
            found.append(one)
    return found[0] if len(found) == 1 else BadInputs(found)


def _within(one: str, other: str) -> bool:
    """Whether one key is the other, or lies inside it: each member of a union reports an error."""
    return one == other or f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _bad_input(
    first: Mapping[str, Any], data: object, file: Path | str, model: type[BaseModel]
) -> BadInput:
    kind, context = first["type"], first.get("ctx", {})
    place = _place(first["loc"], data, model, absent=kind == "missing")
    if kind == "missing":
        return BadInput(file, place.key, _Absent(), "this key to be given")
    if kind == "extra_forbidden":
        known = _keys(place.parent)
        near = nearest(str(first["loc"][-1]), known)
        wanted = f"one of the known keys: {', '.join(known)}{near}" if known else "no such key"
        return BadInput(file, place.key, first["input"], wanted)
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        discriminator = str(context["discriminator"]).strip("'")
        value = context.get("tag", _Absent())
        tags = ", ".join(repr(tag) for tag in _tags(place.annotation, discriminator))
        return BadInput(file, f"{place.key}.{discriminator}", value, f"one of {tags}")
    return BadInput(file, place.key, first["input"], _expected(kind, first["msg"], context))


class _Absent:
    """Represents a missing value, so that the line reads `got nothing`."""

    def __repr__(self) -> str:
        return "nothing"


_WANTED = {
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_too_short": "a text of at least {min_length} characters",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
}
"""What pydantic's kinds of error mean to the author of a YAML file."""


def _expected(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind in _WANTED:
        return _WANTED[kind].format_map(context)
    for prefix in ("Value error, ", "Input should be "):
        if message.startswith(prefix):
            return message[len(prefix) :]
    return message


@dataclass(frozen=True)
class _Place:
    """The place of an error: its dotted key, its annotation and that of its parent."""

    key: str
    annotation: Any
    parent: Any


def _place(
    location: tuple[int | str, ...], data: object, model: type[BaseModel], *, absent: bool
) -> _Place:
    """Pydantic's location without its internal parts: tags of unions and markers like [key]."""
    key: list[str] = []
    here: Any = model
    parent: Any = model
    for index, part in enumerate(location):
        written = _has(data, part) or (absent and index == len(location) - 1)
        if not written:
            here = _tagged(here, part)
            continue
        key.append(str(part))
        parent, here = here, _below(here, part)
        data = _get(data, part)
    return _Place(".".join(key), here, parent)


def _has(data: object, part: int | str) -> bool:
    if isinstance(data, Mapping):
        return part in data
    return isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)


def _get(data: Any, part: int | str) -> object:
    return data[part] if _has(data, part) else None


def _below(annotation: Any, part: int | str) -> Any:
    """The annotation of `part` in a value of `annotation`; None if there is none."""
    if _is_model(annotation):
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
        return None
    arguments = [item for item in get_args(annotation) if item not in (type(None), Ellipsis)]
    if get_origin(annotation) in (dict, Mapping):
        return arguments[-1]
    if get_origin(annotation) in (list, tuple):
        return arguments[0]
    found = (_below(argument, part) for argument in arguments)
    return next((item for item in found if item is not None), None)


def _tagged(annotation: Any, tag: int | str) -> Any:
    """The model of a union that `tag` chooses; `annotation` itself if none does."""
    for model in _models(annotation):
        if any(tag in get_args(field.annotation) for field in model.model_fields.values()):
            return model
    return annotation


def _tags(annotation: Any, discriminator: str) -> list[str]:
    """The tags of a union of models."""
    fields = [model.model_fields.get(discriminator) for model in _models(annotation)]
    return [str(tag) for field in fields if field for tag in get_args(field.annotation)]


def _keys(annotation: Any) -> list[str]:
    """The keys that a value of `annotation` may have, as they are written."""
    names = {
        str(field.alias or name)
        for model in _models(annotation)
        for name, field in model.model_fields.items()
    }
    return sorted(names)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
