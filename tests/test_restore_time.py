"""Trip to restored: what the verdict says of it, each way."""

from __future__ import annotations

import pytest

from muster import contract
from muster.drill.undo.restore_time import restore_bound_s, restore_finding


@pytest.mark.parametrize(
    ("took_s", "seen", "status"),
    [(15.0, True, "pass"), (15.1, True, "fail"), (None, True, "fail"), (None, False, "unknown")],
)
def test_in_time_late_never_and_unseen(took_s, seen, status):
    """The bound itself is in time; what nobody saw is unknown."""
    finding = restore_finding("west", took_s, 15.0, seen=seen)
    assert finding["status"] == status
    assert finding["measured"] == took_s


def test_from_dark_detection_and_start_up_come_on_top():
    """10 s and the TTL; from dark the slowest health check's detection and the start-up too."""
    rules = contract.load()
    checks = {"west": (10, 1), "east": (10, 3)}
    lit_s = restore_bound_s(rules, 5, checks, dark=False)
    assert lit_s == 15
    assert restore_bound_s(rules, 5, checks, dark=True) == lit_s + 30 + 20
