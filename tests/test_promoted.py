"""How long a promotion of Redis may take: pass, fail, unknown where the ledger shows nothing."""

from __future__ import annotations

import pytest

from muster.judge.promoted import promotions

REGIONS = {"west": {"redis_sentinel": {"promoted_s_max": 10}}, "east": {}}
DECLARED = {"event": "fault_declared", "fault": "redis_promoted", "region": "west"}


def look(region="west", fault="redis_promoted", **facts):
    return {"event": "fault_proof", "fault": fault, "region": region, "proof": facts}


def judged(*events, regions=REGIONS):
    (found,) = promotions((DECLARED, *events), regions)
    assert (found.slo, found.phase, found.region, found.unit) == (
        "redis_promotion", "fault", "west", "s",
    )  # fmt: skip
    return found


@pytest.mark.parametrize(
    ("took_s", "status", "margin"), [(3.2, "pass", 6.8), (10, "pass", 0.0), (10.1, "fail", -0.1)]
)
def test_a_promotion_is_held_to_the_limit(took_s, status, margin):
    """The limit itself is in time."""
    found = judged(look(promoted_s=took_s, held_s=30.0))
    assert (found.status, found.measured, found.threshold) == (status, took_s, 10)
    assert found.margin == pytest.approx(margin)


@pytest.mark.parametrize(("held_s", "status"), [(30.0, "fail"), (10.0, "fail"), (9.9, "unknown")])
def test_a_promotion_that_never_came_fails_if_there_was_time_for_it(held_s, status):
    """A hold that is shorter than the limit shows nothing."""
    found = judged(look(promoted_s=None, held_s=held_s))
    assert (found.status, found.measured) == (status, None)
    assert "no other primary answered" in found.reason


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"promoted_s": 3.0},
        {"held_s": "30", "promoted_s": 3.0},
        {"held_s": None},
        {"held_s": -1},
    ],
)
def test_without_the_summary_of_the_hold_it_is_unknown(facts):
    """A look at one moment is none; of another region or fault neither."""
    assert judged(look(**facts)).status == "unknown"
    assert judged().status == "unknown"
    whole = {"promoted_s": 3.0, "held_s": 30.0}
    assert judged(look("east", **whole)).status == "unknown"
    assert judged(look(fault="redis_hung", **whole)).status == "unknown"


@pytest.mark.parametrize(
    "regions",
    [{}, {"west": None}, {"west": {}}, {"west": {"redis_sentinel": None}},
     {"west": {"redis_sentinel": {"promoted_s_max": "10"}}},
     {"west": {"redis_sentinel": {"promoted_s_max": True}}}],
)  # fmt: skip
def test_without_a_limit_it_is_unknown(regions):
    """Never a pass: the target must say what is in time."""
    found = judged(look(promoted_s=3.0, held_s=30.0), regions=regions)
    assert (found.status, found.threshold) == ("unknown", None)


def test_other_drills_have_no_such_finding():
    """Whatever faults they had."""
    other = {**DECLARED, "fault": "redis_hung"}
    assert promotions([other, look(fault="redis_hung", held_s=30.0)], REGIONS) == []
    assert promotions([], REGIONS) == []
