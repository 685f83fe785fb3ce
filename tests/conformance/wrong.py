"""How a suite is tried on adapters that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable
from typing import Any, get_args

import pytest

from muster.platform.port import PortError

Check = Callable[[Any], None]


def failed(checks: Iterable[Check], world: Callable[[], Any]) -> set[Check]:
    """The checks that fail, each on a new world."""
    return {check for check in checks if _fails(check, world())}


def assert_found(
    kind: Any,
    checks: Iterable[Check],
    world: Callable[[], Any],
    wanted: Collection[Check],
    alone: Container[Any],
) -> None:
    """Every check of `wanted` fails for `kind`, and if it is in `alone`, no other check does."""
    found = failed(checks, world)
    assert set(wanted) <= found
    if kind in alone:
        assert found == set(wanted)


def _fails(check: Check, world: Any) -> bool:
    try:
        check(world)
    except (AssertionError, PortError, pytest.fail.Exception):
        return True
    return False


def kinds(union: Any) -> set[str]:
    """The `kind` of each model in the union of a port's settings."""
    return {get_args(model.model_fields["kind"].annotation)[0] for model in get_args(union)}
