"""The restart adapter `none` against its suite."""

from __future__ import annotations

import pytest
from conformance.restart import CHECKS_NOBODY, World

from muster.platform.restart.none import RestartByNobody
from muster.targets.restart import NoRestart


class Nobody(World):
    """A server that nobody restarts."""

    calls = 0
    restarts = 0

    def adapter(self) -> RestartByNobody:
        return RestartByNobody(NoRestart())

    def answers(self) -> bool:
        return False

    def put_back(self) -> None:
        """Nobody does."""

    def trouble(self, kind) -> None:
        """There is nothing that could go wrong."""

    def paste(self, line: str) -> None:
        raise AssertionError(f"there is no such line: {line}")


@pytest.mark.parametrize("check", CHECKS_NOBODY, ids=lambda check: check.__name__)
def test_the_suite(check):
    """Every check of an adapter that restarts nothing."""
    check(Nobody())
