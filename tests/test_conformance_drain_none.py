"""The drain adapter `none`: it asks nobody and says so."""

from __future__ import annotations

import pytest
from conformance.drain import CHECKS_UNASKED, World
from conformance.world import REGION

from muster.platform.drain.none import DrainByNobody
from muster.targets.drain import NoDrain


class Untouched(World):
    """A region that nobody reaches."""

    calls = 0

    def __init__(self, settings: NoDrain | None) -> None:
        self.settings = settings

    def adapter(self) -> DrainByNobody:
        return DrainByNobody(REGION, self.settings)

    state = put = trouble = paste = None


@pytest.mark.parametrize("settings", [None, NoDrain(kind="none")])
@pytest.mark.parametrize("check", CHECKS_UNASKED, ids=lambda check: check.__name__)
def test_the_suite(check, settings):
    """Every check that such an adapter can be asked, with and without a section in the target."""
    check(Untouched(settings))
