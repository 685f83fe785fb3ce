"""The power adapter `none`: it stops nothing and says so."""

from __future__ import annotations

import pytest
from conformance.power import CHECKS_UNSTOPPED, World
from conformance.world import REGION

from muster.platform.power.none import PowerByNobody
from muster.targets.power import NoPower


class Untouched(World):
    """A region that nobody reaches."""

    calls = 0

    def adapter(self) -> PowerByNobody:
        return PowerByNobody(REGION, NoPower(kind="none"))

    def state(self):
        return "on"

    put = trouble = paste = None


@pytest.mark.parametrize("check", CHECKS_UNSTOPPED, ids=lambda check: check.__name__)
def test_the_suite(check):
    """Every check that such an adapter can be asked."""
    check(Untouched())
