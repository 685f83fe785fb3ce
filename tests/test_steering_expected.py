"""The drill's own changes of the records told from somebody else's, step by step."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from muster.platform.steering.expected import LAG_S, Expected, changes, restoration, snapshot_from
from muster.platform.steering.parts import Shown
from muster.platform.steering.records import Owners, name_of, snapshot_of

A, B = "A eu-west-1", "A eu-central-1"
REST = "TTL 5, 192.0.2.1, health check x"


def shown(a, b, rest=REST):
    return {A: Shown(a, rest), B: Shown(b, REST)}


@pytest.fixture
def expected():
    one = Expected()
    one.begin(shown(50, 50))
    return one


def test_what_stands_from_the_start_is_no_change(expected):
    """Before the first step, in the baseline, the records must stay as they are."""
    assert expected.differs(shown(50, 50), 0) == ""
    assert expected.differs(shown(60, 50), 0) == f"{A}: weight 50 -> 60"


def test_nothing_is_judged_before_the_start_and_after_release(expected):
    """An unknown start accuses nobody, and neither does putting things back."""
    assert Expected().differs(shown(1, 2), 0) == ""
    expected.release()
    assert not expected.judges
    assert expected.differs(shown(1, 2), 0) == ""
    expected.intends({A: 0, B: 100})
    expected.accepted(1)
    assert expected.as_json() is None


def test_a_change_in_flight_may_show_either_state(expected):
    """Between the intent and the answer of the API both are the drill's own; a mix is not."""
    expected.intends({A: 0, B: 100})
    assert expected.differs(shown(50, 50), 10) == ""
    assert expected.differs(shown(0, 100), 10) == ""
    assert expected.differs(shown(0, 50), 10) == f"{B}: weight 100 -> 50"


def test_what_stood_before_is_anothers_once_no_look_can_be_late(expected):
    """A look that began before the change may be old; one that began after the lag may not."""
    expected.intends({A: 0, B: 100})
    expected.accepted(10)
    assert expected.differs(shown(50, 50), 9) == ""
    assert expected.differs(shown(50, 50), 10 + LAG_S) == ""
    late = expected.differs(shown(50, 50), 10.1 + LAG_S)
    assert late == f"{B}: weight 100 -> 50; {A}: weight 0 -> 50"


def test_a_change_that_raised_leaves_both_states_possible(expected):
    """It may have been made all the same, or may yet be."""
    expected.intends({A: 0, B: 100})
    for began_s in (1, 1000):
        assert expected.differs(shown(50, 50), began_s) == ""
        assert expected.differs(shown(0, 100), began_s) == ""
    expected.intends({A: 50, B: 50})
    expected.accepted(2000)
    assert expected.differs(shown(0, 100), 3000) != ""


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (shown(50, 50, "TTL 300, 192.0.2.1"), f"{A}: {REST} -> TTL 300, 192.0.2.1"),
        ({A: Shown(50, REST)}, f"{B}: weight 50, {REST} -> no record"),
        ({}, "no record"),
        ({**shown(50, 50), "A new": Shown(1, "x")}, "A new: no record -> weight 1, x"),
    ],
)
def test_whatever_else_of_the_records_changed_is_anothers(expected, now, said):
    """TTL, value, health check, a record that is gone or new: each is named, from what to what."""
    assert said in expected.differs(now, 0)


def test_another_process_starts_from_what_this_one_expects(expected):
    """The watchdog is told the records, and takes them for what must stand."""
    expected.intends({A: 25, B: 75})
    expected.accepted(0)
    other = Expected()
    other.begin(snapshot_from(expected.as_json()))
    assert other.differs(shown(25, 75), 100) == ""
    assert other.differs(shown(50, 50), 100) != ""


@pytest.mark.parametrize("seed", range(200))
def test_the_drills_own_steps_never_trip_it_and_anothers_always_do(seed):
    """Random steps, failures and looks of any age; then one change by another."""
    rng = random.Random(seed)
    expected, now_s = Expected(), 0.0
    steps = [(50, 50)]
    expected.begin(shown(*steps[0]))
    standing = [(0.0, steps[0])]
    for _ in range(rng.randint(1, 8)):
        now_s += rng.uniform(0, 5)
        share = rng.choice([0, 10, 25, 50])
        expected.intends({A: share, B: 100 - share})
        began_s = now_s - rng.uniform(0, 1)
        made = rng.random() < 0.8
        if made:
            standing.append((now_s, (share, 100 - share)))
            assert expected.differs(shown(*standing[-1][1]), began_s) == ""
            if rng.random() < 0.8:
                expected.accepted(now_s)
        # A look that began at any moment since the last change shows what stood then, or stands.
        for _ in range(3):
            now_s += rng.uniform(0, 2)
            began_s = now_s - rng.uniform(0, 1)
            seen = [one for (at, one), (end, _) in pairwise([*standing, (1e9, None)])
                    if end > began_s and at <= now_s]  # fmt: skip
            assert expected.differs(shown(*rng.choice(seen)), began_s) == ""
    assert expected.differs(shown(41, 59), now_s) != ""
    assert expected.differs(shown(41, 59), now_s + 100) != ""


BEFORE = shown(50, 50)
SETS = [{A: 10, B: 90}, {A: 0, B: 100}]


def test_what_the_drill_set_goes_back_and_anothers_stays():
    """Each record by itself: the drill's weight is put back, another's is told and left."""
    left = restoration(BEFORE, shown(40, 100), SETS)
    assert left.weights == {B: 50}
    assert left.another == f"{A}: weight 50 -> 40"


@pytest.mark.parametrize("standing", [(0, 100), (10, 90)])
def test_a_drill_that_died_between_intent_and_change_is_known(standing):
    """Both the weights set last and those before are the drill's own: all goes back."""
    left = restoration(BEFORE, shown(*standing), SETS)
    assert (left.weights, left.another) == ({A: 50, B: 50}, "")


def test_what_is_back_already_needs_nothing():
    """As before the drill, whoever put it there."""
    assert restoration(BEFORE, shown(50, 50), SETS).weights == {}
    assert restoration(BEFORE, shown(50, 50), SETS).another == ""


def test_before_the_first_intent_every_difference_is_anothers():
    """Nothing was set yet, so nothing is overwritten."""
    left = restoration(BEFORE, shown(0, 100), [])
    assert left.weights == {}
    assert left.another


def test_a_record_changed_otherwise_gets_its_weight_back_and_is_told():
    """The weight is the drill's, the TTL is another's."""
    left = restoration(BEFORE, shown(0, 100, "TTL 300"), SETS)
    assert left.weights == {A: 50, B: 50}
    assert left.another == f"{A}: {REST} -> TTL 300"


def test_a_record_that_is_gone_is_told_and_the_others_go_back():
    """Somebody took a record away: it is not made anew."""
    left = restoration(BEFORE, {B: Shown(100, REST)}, SETS)
    assert left.weights == {B: 50}
    assert left.another == f"{A}: weight 50, {REST} -> no record"


def test_no_change_says_nothing():
    """The same records differ in nothing."""
    assert changes(BEFORE, BEFORE) == ""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Chat.Example.COM", "chat.example.com."),
        ("\\052.example.com.", "*.example.com."),
        ("chat.example.com.", "chat.example.com."),
    ],
)
def test_names_are_compared_as_dns_reads_them(written, read):
    """Case, the last dot and Route 53's octal escapes mean nothing."""
    assert name_of(written) == read


OWNERS = Owners({"west": ("w1", "w2"), "east": ("e",)})


def test_several_records_of_a_region_are_summed_and_spread_in_proportion():
    """A region weighs what its records do; a share keeps their proportions; all comes back."""
    base = {"A w1": 30, "A w2": 10, "AAAA w1": 30, "AAAA w2": 10, "A e": 40}
    assert OWNERS.by_region(base) == {"west": 40, "east": 40}
    spread = OWNERS.spread({"west": 10, "east": 90}, base)
    assert spread == {"A w1": 8, "A w2": 2, "AAAA w1": 8, "AAAA w2": 2, "A e": 90}
    assert OWNERS.spread({"west": 40, "east": 40}, base) == base
    nothing = OWNERS.spread({"west": 0, "east": 1}, base)
    assert nothing["A w1"] == nothing["A w2"] == 0


@pytest.mark.parametrize("total", range(0, 256, 5))
def test_a_spread_always_adds_up(total):
    """Whole weights, none negative, their sum exactly the region's."""
    spread = OWNERS.spread({"west": total, "east": 1}, {"A w1": 7, "A w2": 13, "A e": 1})
    assert spread["A w1"] + spread["A w2"] == total
    assert min(spread.values()) >= 0


def test_types_of_one_identifier_must_agree():
    """An A record of 50 beside an AAAA record of 7 is no weight of the region."""
    with pytest.raises(ValueError, match="records of e have different weights"):
        OWNERS.by_region({"A e": 50, "AAAA e": 7})


def test_a_snapshot_holds_all_that_steers():
    """Weight apart, and TTL, values, alias and health check in one text."""
    alias = {"HostedZoneId": "Z", "DNSName": "lb.", "EvaluateTargetHealth": True}
    records = [
        {"Type": "A", "SetIdentifier": "a", "Weight": 5, "AliasTarget": alias},
        {"Type": "A", "SetIdentifier": "b", "Weight": 6, "TTL": 5, "HealthCheckId": "h",
         "ResourceRecords": [{"Value": "2"}, {"Value": "1"}]},
    ]  # fmt: skip
    found = snapshot_of(records)
    assert found["A b"] == Shown(6, "TTL 5, 1, 2, health check h")
    assert "EvaluateTargetHealth" in found["A a"].rest
