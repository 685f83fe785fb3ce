"""A lost region's share of few attempts: what could not have shown the limit decides nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from test_agreement import EAST, WEST, line

from muster.judge.loss import Loss, _reached
from muster.samples.series import Samples

LOSS = Loss(WEST, 0.0, 10.0, 50.0)


def reached(attempts, share_max=0.01, lost=0.0):
    """So many attempts in the 40 s after the shift, `lost` of them in the lost region."""
    rows = [line("client_answers", attempts / 40, region=EAST, code="200")]
    rows += [line("client_answers", lost / 40, region=WEST, code="refused")]
    contract = SimpleNamespace(drill=SimpleNamespace(shifted_share_max=share_max))
    samples = Samples({"client_answers": tuple(rows)})
    judging = SimpleNamespace(contract=contract, samples=samples, stale_s=4.0, absences=())
    found = _reached(judging, LOSS)
    return found.status, found.reason


@pytest.mark.parametrize(("share_max", "needed"), [(0.01, 100), (0.02, 50)])
def test_a_share_is_judged_from_as_many_attempts_as_can_show_its_limit(share_max, needed):
    """One of a hundred is 1 %."""
    said = f"{needed - 1} attempts, {needed} are needed to decide"
    assert reached(needed - 1, share_max) == ("unknown", said)
    assert reached(needed, share_max) == ("pass", "of the attempts went to the lost region")


def test_a_share_over_its_limit_fails_however_few_attempts_show_it():
    """Half of forty."""
    assert reached(20, lost=20) == ("fail", "of the attempts went to the lost region")
