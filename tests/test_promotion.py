"""A promotion by the five triggers: rolled back, held, or unknown, each with its near miss."""

from __future__ import annotations

from dataclasses import replace

import pytest
from promotion_platform import BOTH, CONTRACT, EAST, REASONS, T0, WEST, Platform, rules

from muster.guard.promotion import as_json, judge_promotion, too_short


def fired(answer):
    return {(row.trigger, row.region) for row in answer.rows if row.state == "roll_back"}


def test_a_healthy_platform_holds():
    """Nothing fired and everything was seen: every trigger in every region says held."""
    answer = Platform().judged()
    assert answer.state == "held"
    assert answer.unknown == ()
    assert {row.state for row in answer.rows} == {"held"}
    names = {"rate_5xx", "success_2xx", "queue_age", "circuit_open"}
    names |= {f"hard_failure:{reason}" for reason in REASONS}
    assert {(row.trigger, row.region) for row in answer.rows} == {
        (name, region) for name in names for region in (EAST, WEST)
    }


def west(value, since=0.0, until=1e9, other=0.0):
    """A value in one region from a second on."""
    return lambda region, s: value if region == WEST and since <= s <= until else other


@pytest.mark.parametrize(
    ("platform", "trigger", "since"),
    [
        (Platform(bad=west(0.6, 300)), "rate_5xx", 300),
        (Platform(bad=west(6, 120), bad_code="404"), "success_2xx", 120),
        (Platform(circuit=west(1, 300)), "circuit_open", 300),
        (Platform(queue=west(31, 60)), "queue_age", 60),
        (
            Platform(failing=lambda r, reason, s: r == WEST and reason == REASONS[1] and s >= 600),
            f"hard_failure:{REASONS[1]}",
            600,
        ),
    ],
    ids=["5xx", "2xx", "circuit", "queue", "failure"],
)
def test_each_trigger_rolls_back_and_says_where_and_since_when(platform, trigger, since):
    """One region in breach: that trigger alone, that region alone, and when it began."""
    answer = platform.judged()
    assert answer.state == "roll_back"
    assert fired(answer) == {(trigger, WEST)}
    (row,) = [row for row in answer.rows if row.state == "roll_back"]
    assert row.since_s - T0 == pytest.approx(since, abs=65)
    assert row.detail


@pytest.mark.parametrize(
    "platform",
    [
        Platform(bad=west(0.5, 0)),  # at the limit
        Platform(bad=west(5, 300, 530)),  # four windows
        Platform(bad=west(5, 60), bad_code="404"),  # at the floor
        Platform(bad=west(6, 60, 590), bad_code="404"),  # nine windows
        Platform(circuit=west(1, 300, 415)),
        Platform(queue=west(30, 0)),
        Platform(queue=west(31, 60, 600)),
        Platform(failing=lambda r, reason, s: r == WEST and 600 <= s <= 655),
        Platform(shed=west(3.9, 0)),
    ],
    ids=["5xx_at", "5xx_short", "2xx_at", "2xx_short", "circuit", "queue_at", "queue_short",
         "failure", "429"],
)  # fmt: skip
def test_what_does_not_reach_a_trigger_holds(platform):
    """The near miss of each: at the limit, or over it for a little less long."""
    assert platform.judged().state == "held"


def test_the_threshold_is_the_tier_s_and_the_queue_s_is_the_gate_s():
    """0.4 % of 5xx are held under Tier G and rolled back under X; 31 s under M2 and M3."""
    some = Platform(bad=west(0.4, 0))
    assert some.judged(tier="G").state == "held"
    assert fired(some.judged(tier="X")) == {("rate_5xx", WEST)}
    waits = Platform(queue=west(31, 0))
    assert waits.judged(gate="M2").state == "held"
    assert fired(waits.judged(gate="M3")) == {("queue_age", WEST)}


def gone(signal, region=None, part=None, since=-1e9, until=1e9):
    def hide(name, where, which, s):
        same = name == signal and region in (None, where) and part in (None, which)
        return same and since <= s <= until

    return hide


@pytest.mark.parametrize(
    ("hide", "says"),
    [
        (gone("requests"), "requests has no samples"),
        (gone("requests", WEST), "rate_5xx in eu-west-1: requests has no samples"),
        (gone("streams_broken", EAST), "streams_broken has no series"),
        (gone("queue_age", WEST), "queue_age in eu-west-1: queue_age has no samples"),
        (gone("circuit_open"), "circuit_open of route primary has no samples"),
        (gone("admission_failures", EAST, "token_validation"),
         "admission_failures of reason token_validation has no samples"),
        (gone("requests", since=600), "no sample of requests for 30"),
        (gone("queue_age", since=850), "no sample of queue_age for"),
        (gone("requests", WEST, since=120, until=420), "windows without data may hide 5"),
        (gone("circuit_open", WEST, since=300, until=440), "not seen closed for"),
        (gone("admission_failures", WEST, since=300, until=380), "not seen sampled for 90 s"),
    ],
)  # fmt: skip
def test_a_signal_that_is_not_there_is_unknown_and_never_held(hide, says):
    """Absent, gone since, or absent for as long as its trigger takes to fire."""
    answer = Platform(hide=hide).judged()
    assert answer.state == "unknown"
    assert any(says in line for line in answer.unknown), answer.unknown


@pytest.mark.parametrize(
    "hide",
    [
        gone("requests", WEST, since=120, until=230),
        gone("circuit_open", WEST, since=300, until=400),
        gone("admission_failures", WEST, since=300, until=340),
        gone("queue_age", WEST, since=300, until=500),
    ],
)
def test_a_gap_that_can_hide_nothing_does_not_matter(hide):
    """The near miss: shorter than any trigger takes."""
    assert Platform(hide=hide).judged().state == "held"


def test_data_that_is_lost_does_not_take_a_trip_away():
    """A trigger fired and another signal is gone: it is rolled back, and the loss is told."""
    answer = Platform(bad=west(6, 0), hide=gone("queue_age")).judged()
    assert answer.state == "roll_back"
    assert any("queue_age" in line for line in answer.unknown)


def test_no_requests_at_all_is_unknown():
    """A rate of nothing is no rate: idle regions hold nothing."""
    answer = Platform(per_s=0.0).judged()
    assert answer.state == "unknown"
    assert any("0 windows with requests" in line for line in answer.unknown)


@pytest.mark.parametrize(
    ("platform", "says"),
    [
        (Platform(bad=west(6, 0), bad_code="5xx"), "code='5xx'"),
        (Platform(bad=west(6, 0), code="status"), "code=''"),
        (Platform(bad=west(6, 0), bad_code="0"), "code='0'"),
        (Platform(bad=west(6, 0), bad_code="UNAVAILABLE"), "code='UNAVAILABLE'"),
    ],
)
def test_codes_that_say_nothing_exact_are_unknown(platform, says):
    """Grouped or no HTTP codes would read as a rate of 0 %."""
    answer = platform.judged()
    assert answer.state == "unknown"
    assert any(says in line for line in answer.unknown)


def test_a_circuit_of_another_route_does_not_stand_for_the_primary():
    """The trigger names its route: a platform that shows only others is not judged by it."""
    shown = [
        (s.signal, s.name, {**s.labels, "route": "fallback"} if "route" in s.labels else s.labels,
         s.t_s, s.v)
        for s in Platform().series(900)
    ]  # fmt: skip
    answer = judge_promotion(rules(), shown, T0, T0 + 900, [(T0, BOTH)])
    assert answer.state == "unknown"
    assert any("route primary has no samples" in line for line in answer.unknown)


def test_a_region_out_of_rotation_is_left_out():
    """Its 5xx trip nothing, and its silence is no loss."""
    only_east = frozenset({EAST})
    assert Platform(bad=west(6, 0)).judged(rotation=only_east).state == "held"
    assert Platform(hide=lambda a, r, b, s: r == WEST).judged(rotation=only_east).state == "held"
    assert Platform(bad=west(6, 0)).judged(rotation=BOTH).state == "roll_back"


def test_a_region_that_came_late_is_unknown_until_it_could_have_fired():
    """In rotation for five minutes: what takes ten could not have fired there."""
    late = [(T0, frozenset({EAST})), (T0 + 600, BOTH)]
    answer = Platform().judged(rotation=late)
    assert answer.state == "unknown"
    assert {row.region for row in answer.rows if row.state == "unknown"} == {WEST}
    assert Platform().judged(600 + 700, rotation=late).state == "held"


def test_no_region_in_rotation_is_unknown():
    """Nothing was judged, so nothing is held."""
    answer = Platform().judged(rotation=frozenset())
    assert answer.state == "unknown"
    assert answer.rows == ()


def test_a_platform_that_names_no_broken_streams_says_what_it_cannot_see():
    """Held by its codes, with a line of what was not judged."""
    shown = [
        (s.signal, s.name, s.labels, s.t_s, s.v)
        for s in Platform(hide=gone("streams_broken")).series(900)
    ]
    without = replace(rules(), streams_broken_named=False)
    answer = judge_promotion(without, shown, T0, T0 + 900, [(T0, BOTH)])
    assert answer.state == "held"
    assert "streams_broken" in answer.not_judged[0]


def test_a_breach_that_still_runs_is_told():
    """Not long enough to fire: held, with since when."""
    answer = Platform(bad=west(6, 720)).judged()
    assert answer.state == "held"
    (row,) = [r for r in answer.rows if (r.trigger, r.region) == ("rate_5xx", WEST)]
    assert "of 5 windows" in row.detail
    assert row.since_s == T0 + 720


def test_what_ended_before_the_watch_began_fires_nothing():
    """Failures for a minute until its first second: only the last sample before it is told."""
    before = Platform(failing=lambda region, reason, s: -60 <= s <= 0)
    assert before.judged().state == "held"


def test_how_long_each_trigger_takes_is_the_contract_s():
    """Ten minutes and the scrapes around them; what is shorter names the triggers."""
    needed = rules().fires_after_s
    assert needed["rate_5xx"] == 300 + 20 + 10
    assert rules().needed_s == 600 + 20 + 10
    assert too_short(rules(), 629) == ["success_2xx", "queue_age"]
    assert too_short(rules(), 630) == []
    assert set(too_short(rules(), 60)) == set(needed)
    longer = CONTRACT.model_copy(
        update={
            "triggers": CONTRACT.triggers.model_copy(
                update={"queue_age": CONTRACT.triggers.queue_age.model_copy(
                    update={"over_s_max": 1200.0})}
            )
        }
    )  # fmt: skip
    assert too_short(replace(rules(), contract=longer), 900) == ["queue_age"]


def test_the_answer_as_json_says_held_for_held_alone():
    """`held` is true for one of the three states."""
    states = {
        "held": Platform(),
        "roll_back": Platform(bad=west(6, 0)),
        "unknown": Platform(hide=gone("requests")),
    }
    for state, platform in states.items():
        told = as_json(platform.judged(), target="t")
        assert (told["state"], told["held"], told["target"]) == (state, state == "held", "t")
