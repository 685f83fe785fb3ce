"""Parses target files into typed targets, and fills placeholders once the endpoints are known."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from muster import home
from muster.documents import DocumentT, is_file, nearest_file, parse, parse_yaml, read_bytes
from muster.errors import BadInput, BadInputs, one_of, together
from muster.redact import keep, keep_url
from muster.targets.check import PLACEHOLDER, is_secret, problems, texts, written_problems
from muster.targets.model import Target
from muster.targets.shared import AnyShared
from muster.targets.signal_check import name_problems


class _AsWritten(Mapping[str, str]):
    """An environment in which every variable has its own placeholder as value."""

    def __getitem__(self, name: str) -> str:
        return f"${{env.{name}}}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


AS_WRITTEN: Mapping[str, str] = _AsWritten()
"""With it, `${env.NAME}` stays in a target: whoever reads that fills it in."""


def path_of(name_or_path: str) -> Path:
    """Find the file for a target's name or path. Raises BadInput if there is none."""
    given = Path(name_or_path)
    if given.suffix in {".yaml", ".yml"}:
        path = given if given.is_absolute() else _first(Path.cwd() / given, home.root() / given)
        if is_file(path):
            return path
        wanted = f"an existing target file{nearest_file(path)}"
        raise BadInput("target", "", name_or_path, wanted)
    folder = home.root() / "targets"
    path = folder / f"{name_or_path}.yaml"
    if re.fullmatch(r"[A-Za-z0-9._-]+", name_or_path) and is_file(path):
        return path
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    wanted = f"a path that ends in .yaml, or a name in targets/, {one_of(name_or_path, known)}"
    raise BadInput("target", "", name_or_path, wanted)


def load(name_or_path: str) -> Target:
    """Load and check the target of that name or path; its placeholders stay unfilled.

    Raises BadInput for an unknown name, or for anything in the file that does not fit.
    """
    path = path_of(name_or_path)
    return load_bytes(read_bytes(path), path)


def load_bytes(raw: bytes, path: Path) -> Target:
    """Parse a target from `raw`, the bytes read from `path`.

    Raises BadInput with one line for each error.
    """
    data = parse_yaml(raw, path)
    try:
        target = parse(Target, data, path, every=True)
    except BadInput as error:
        signals = data.get("signals")
        names = name_problems(signals, path) if isinstance(signals, dict) else ()
        raise BadInputs([*error.each, *names]) from None
    if wrong := together([*problems(target, path), *written_problems(target, path)]):
        raise wrong
    return target


def resolve(
    target: Target,
    *,
    testbed: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Target:
    """Return `target` with every placeholder filled, except those of `notify`.

    `testbed` holds the running testbed's endpoints, nested as the placeholders name them.
    Raises BadInput with every placeholder that has no value, a line each.
    """
    # Whoever is told at the end: a variable that is missing there must not keep anybody from
    # drilling or restoring. `muster.notify` fills it.
    data = target.model_dump(by_alias=True, exclude={"notify"})
    filled = refilled(Target, data, _said(target), "", testbed, environment)
    return filled.model_copy(update={"notify": target.notify})


def resolve_sight(
    target: Target,
    *,
    testbed: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Target:
    """Return `target` with only the placeholders filled that read access needs: metrics and
    steering.

    Tokens of the load and of switches stay unfilled, so a reader does not need them. Raises
    BadInput naming the placeholder that has no value.
    """
    filled = {
        "prometheus": refilled(
            type(target.prometheus),
            target.prometheus.model_dump(by_alias=True),
            _said(target),
            "prometheus",
            testbed,
            environment,
        ),
        "steering": refilled(
            type(target.steering),
            target.steering.model_dump(by_alias=True),
            _said(target),
            "steering",
            testbed,
            environment,
        ),
    }
    return target.model_copy(update=filled)


def resolve_shared(
    target: Target, environment: Mapping[str, str] | None = None
) -> AnyShared | None:
    """The target's `shared` section with its placeholders filled, because it is needed first.

    Raises BadInput naming the placeholder that has no value.
    """
    shared = target.shared
    if shared is None:
        return None
    data = shared.model_dump(by_alias=True)
    return refilled(type(shared), data, _said(target), "shared", None, environment)


def _said(target: Target) -> str:
    return f"target {target.name}"


def refilled(
    model: type[DocumentT],
    data: dict[str, Any],
    file: str,
    key: str,
    testbed: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> DocumentT:
    """Fill every placeholder of `data`, found at `key` of the target `file`; parse it as `model`.

    Raises BadInput with every placeholder that has no value, a line each.
    """
    variables = os.environ if environment is None else environment
    missing: list[BadInput] = []

    def fill(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {
                name: fill(item, f"{key}.{name}" if key else name) for name, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [fill(item, f"{key}.{index}") for index, item in enumerate(value)]
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda match: _value(match, key), value)
        return value

    def _value(match: re.Match[str], key: str) -> str:
        source, name = match.groups()
        found = variables.get(name) if source == "env" else _dig(testbed, name)
        if found is None or found == "":
            wanted = (
                "the environment variable to be set" if source == "env" else "a running testbed"
            )
            missing.append(BadInput(file, key, match.group(0), wanted))
            return match.group(0)
        if source == "env" and ".argv." in key:
            keep(str(found))  # any word of a command may be a secret; nothing marks it
        return str(found)

    filled = fill(data, key)
    if wrong := together(missing):
        raise wrong
    try:
        return parse(model, _kept(filled), file)
    except BadInput as error:
        # Show the text as the file has it: a filled placeholder may be a secret.
        written = _dig(data, error.key)
        shown = error.value if written is None else written
        raise BadInput(file, error.key, shown, error.expected) from None


def _kept(data: Any) -> Any:
    """Return `data`, and redact every secret in it from all texts from now on."""
    for key, text in texts(data):
        if PLACEHOLDER.search(text):
            continue
        if "://" in text:
            keep_url(text)
        elif is_secret(key):
            keep(text)
    return data


def _dig(endpoints: Mapping[str, Any] | None, dotted: str) -> Any:
    """The endpoint at `dotted`; a region's name must not contain a dot."""
    here: Any = endpoints
    for part in dotted.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return here


def _first(*paths: Path) -> Path:
    return next((path for path in paths if is_file(path)), paths[0])
