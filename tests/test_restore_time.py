"""Trip to restored: what the verdict says of it, each way."""

from __future__ import annotations

import pytest

from muster import contract
from muster.drill.undo.restore_time import restore_bound_s, restore_finding
from muster.judge.findings import from_json
from muster.platform.steering.detection import largest_figures, slowest_s


@pytest.mark.parametrize(
    ("took_s", "seen", "status"),
    [(15.0, True, "pass"), (15.1, True, "fail"), (None, True, "fail"), (None, False, "unknown")],
)
def test_in_time_late_never_and_unseen(took_s, seen, status):
    """The bound itself is in time; what nobody saw is unknown."""
    finding = restore_finding("west", took_s, 15.0, seen=seen)
    assert finding.status == status
    assert finding.measured == took_s


def test_from_dark_detection_and_start_up_come_on_top():
    """10 s and the TTL; from dark the slowest health check's detection and the start-up too."""
    rules = contract.load()
    checks = {"west": (10, 1), "east": (10, 3)}
    lit_s = restore_bound_s(rules, 5, checks, dark=False)
    assert lit_s == 15
    assert restore_bound_s(rules, 5, checks, dark=True) == lit_s + 30 + 20


def test_the_slowest_detection_is_of_interval_and_threshold_together():
    """A longer interval with fewer failures may notice sooner; no check, no wait."""
    assert slowest_s({"west": (30, 1), "east": (10, 4)}) == 40
    assert slowest_s({}) == 0


def test_the_largest_figures_may_be_of_different_checks():
    """The ledger keeps both; without any check neither is known."""
    assert largest_figures({"west": (30, 1), "east": (10, 4)}) == (30, 4)
    assert largest_figures({}) == (None, None)


def test_a_finding_of_the_drill_s_own_says_what_it_is_measured_against():
    """The margin is what is left under the threshold; without one of the two it is unknown."""
    told = restore_finding("west", 12.0, 15.0, seen=True)
    assert (told.threshold, told.margin, told.unit, told.region) == (15.0, 3.0, "s", "west")
    assert from_json(told.as_json()) == told
    assert restore_finding("west", None, 15.0, seen=False).margin is None
