"""Checks the settings of a run: from `--var`, from the environment and in the drill's own text.

If a setting were ignored, the drill would run with other settings than requested; a control
sequence in a text would reach the terminal. Both are bad input, before anything starts. Pure.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from muster.drill.plan.settings import KEYS, OPTIONAL
from muster.errors import BadInput, one_of

PREFIX = "MUSTER_"
PLACES = ("HOME", "STATE_DIR", "OUT_DIR", "SIGNING_KEY", "DRILL_ID")
"""Muster's variables that are no settings of a drill."""
_BIDI = {"\u2028", "\u2029", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
_MULTILINE = frozenset({"description"})


def check_asked(
    file: str,
    experiment: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    keys: Collection[str] = (*KEYS, *OPTIONAL),
) -> None:
    """Raises BadInput for the first requested setting that nothing would read.

    `given` holds the values of `--var` and of files of variables, `keys` are the settings that
    Muster reads of this experiment.
    """
    declared = mapping_of(experiment, "configuration")
    for key, value in given.items():
        _plain("--var", key, value)
        if key not in declared:
            raise BadInput("--var", key, value, _wanted(key, declared))
    for key in declared:
        if key not in keys and not _read_by_others(key, experiment):
            known = _wanted(key, keys)
            raise BadInput(file, f"configuration.{key}", declared[key], known)
    _environment(file, declared, given, environ, keys)


def check_text(file: str, experiment: Mapping[str, Any]) -> None:
    """Raises BadInput for the first text that holds a control character.

    A description may have several lines; nothing else may.
    """
    for path, text in _texts(experiment, ""):
        allowed = "\n\t" if path in _MULTILINE else ""
        if has_control(text, allowed):
            raise BadInput(file, path, text, "text without control characters")


def mapping_of(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping at `key`; an empty one if there is none."""
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def mappings_of(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The mappings in the list at `key`; none if there is no list."""
    found = document.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def has_control(text: str, allowed: str = "") -> bool:
    """Whether `text` holds a character that moves a cursor, colours, or reverses the writing
    direction.
    """
    return any(
        (unicodedata.category(sign) == "Cc" or sign in _BIDI) and sign not in allowed
        for sign in text
    )


def distance(one: str, other: str) -> int:
    """Edits from `one` to `other`: insert, delete, replace a letter, or swap two neighbours."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word that is nearest to `word`; None if none is near."""
    found = [
        (edits, name)
        for name in known
        if (edits := distance(word.lower(), name.lower())) <= (1 if len(name) <= 4 else 2)
    ]
    return min(found)[1] if found else None


def _wanted(key: str, known: Iterable[str]) -> str:
    return f"a setting of this drill: {one_of(key, known)}"


def _environment(
    file: str,
    declared: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    keys: Collection[str],
) -> None:
    own = {f"{PREFIX}{key.upper()}": key for key in keys}
    read = {
        str(value.get("key"))
        for value in declared.values()
        if isinstance(value, Mapping) and value.get("type") == "env"
    }
    known = {*own, *(PREFIX + name for name in PLACES)}
    for name, value in environ.items():
        if not name.upper().startswith(PREFIX) or name in read:
            continue
        if name in own:
            key = own[name]
            if value and key in OPTIONAL and key not in declared:
                raise BadInput("environment", name, value, _wanted(key, declared))
            if value and key in declared and key not in given:
                wanted = f"no value: {file} sets {key} itself (--var {key}=… overrides it)"
                raise BadInput("environment", name, value, wanted)
        elif name not in known and (meant := near(name[len(PREFIX) :], _stems(known))):
            wanted = f"a variable that Muster reads: did you mean {PREFIX}{meant}?"
            raise BadInput("environment", name, value, wanted)


def _stems(names: Iterable[str]) -> list[str]:
    return sorted(name[len(PREFIX) :] for name in names)


def _read_by_others(key: str, experiment: Mapping[str, Any]) -> bool:
    """Whether something other than Muster may read that key of the configuration."""
    parts = {name: value for name, value in experiment.items() if name != "configuration"}
    if any(f"${{{key}}}" in text or f"${key}" in text for _, text in _texts(parts, "")):
        return True
    hypothesis = mapping_of(experiment, "steady-state-hypothesis")
    activities = [*mappings_of(experiment, "method"), *mappings_of(hypothesis, "probes")]
    modules = [str(mapping_of(one, "provider").get("module", "")) for one in activities]
    return any(not module.startswith(("muster.", "probes.")) for module in modules if module)


def _plain(file: str, key: str, value: Any) -> None:
    if has_control(key) or (isinstance(value, str) and has_control(value)):
        raise BadInput(file, repr(key)[1:-1], value, "text without control characters")


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in a document, keys included, with the path to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            name = repr(str(key))[1:-1]
            below = f"{path}.{name}" if path else name
            yield f"{below} (a key)", str(key)
            yield from _texts(inner, below)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}.{index}")
