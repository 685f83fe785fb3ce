"""Load profiles by name: a target's own first, then the contract's; and what one extends.

`extends: NAME` in a target's own profile means the profile NAME with what stands beside it instead.
NAME is another own profile or one of the contract. A key is taken over or replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from muster.contract.model import Contract, Profile
from muster.contract.parse import parse_profile
from muster.errors import BadInput, nearest

EXTENDS = "extends"


def find_profile(
    name: str, own: Mapping[str, object], contract: Contract, file: Path | str
) -> Profile | None:
    """The profile `name` of a target whose own profiles are `own`; None: nobody has it.

    Raises BadInput, in the words of `file`, for an own profile that does not fit, and for one that
    extends a profile that is not there or that extends it again.
    """
    if name not in own:
        return contract.profiles.get(name)
    whole = _extended(name, own, contract, file, ())
    return parse_profile(name, whole, f"{file}: profiles.{name}")


def _extended(
    name: str,
    own: Mapping[str, object],
    contract: Contract,
    file: Path | str,
    through: tuple[str, ...],
) -> object:
    """What the own profile `name` says, after what it extends. `through`: what extends it."""
    said = own[name]
    if not isinstance(said, Mapping) or EXTENDS not in said:
        return said
    base, key, way = said[EXTENDS], f"profiles.{name}.{EXTENDS}", (*through, name)
    known = sorted({*own, *contract.profiles} - set(way))
    if base in way:
        circle = " -> ".join((*way[way.index(base) :], base))
        raise BadInput(file, key, base, f"a profile that is not made of this one ({circle})")
    if not isinstance(base, str) or base not in known:
        near = nearest(base, known) if isinstance(base, str) else ""
        raise BadInput(file, key, base, f"one of the profiles {', '.join(known)}{near}")
    if base in own:
        below = _extended(base, own, contract, file, way)
    else:
        below = contract.profiles[base].model_dump(exclude={"name"})
    if not isinstance(below, Mapping):
        raise BadInput(file, f"profiles.{base}", below, "a mapping of keys to values")
    own_keys = {name: value for name, value in said.items() if name != EXTENDS}
    return {**below, **own_keys}
