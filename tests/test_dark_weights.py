"""The records of a dark region in the samples: weight in them, or nobody who read them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muster.judge.dark_weights import dark_weights
from muster.judge.findings import Finding
from muster.judge.phases import Phase
from muster.samples.series import NAN, Samples, series_of

WEST = "eu-west-1"
BASELINE = Phase("baseline", "X", 0.0, 100.0, True)
DARK = Phase("dark", "G", 100.0, 160.0, True)
STALE_S = 5.0
UNKNOWN = Finding(
    slo="dark_weight",
    tier=None,
    phase="dark",
    region=WEST,
    source="steering",
    window=(100.0, 160.0),
    threshold=None,
    measured=None,
    margin=None,
    unit="",
    samples=None,
    status="unknown",
    reason="the region had weight 50 while it was dark",
)


def read(values, *, region=WEST):
    """The weight of a region's records at some moments."""
    return series_of("steering_weight", "weight", {"region": region}, values.items())


def calm(**changed):
    """Read every ten seconds, always 0; at some moments otherwise."""
    weights = {float(t_s): 0.0 for t_s in range(0, 201, 10)}
    return read(weights | {float(key[1:]): value for key, value in changed.items()})


def found(*series, phases=(BASELINE, DARK), region=WEST):
    return dark_weights(Samples({"steering_weight": series}), phases, region, STALE_S)


@pytest.mark.parametrize("at_s", ["_100", "_130", "_160"])
def test_a_weight_at_any_moment_of_the_phase_is_an_unknown_of_its_own(at_s):
    """The first and the last moment too; who, when and how much is said."""
    assert found(calm(**{at_s: 50.0})) == [UNKNOWN]


@pytest.mark.parametrize("at_s", ["_90", "_170"])
def test_a_weight_before_or_after_it_is_none_of_its(at_s):
    assert found(calm(**{at_s: 50.0})) == []


def test_the_largest_weight_is_said_and_a_negative_one_is_one():
    """Whatever stands beside it; what was not read is no weight."""
    (one,) = found(calm(_120=50.0, _130=7.5, _140=NAN))
    assert one.reason == "the region had weight 50 while it was dark"
    (one,) = found(read({100.0: -3.0, 120.0: -3.0, 140.0: -3.0}))
    assert one.reason == "the region had weight -3 while it was dark"


def test_each_record_of_the_region_is_looked_at_and_no_other_regions():
    """Two records; the second one has weight. Another region has all of it."""
    assert found(calm(), read({130.0: 50.0})) == [UNKNOWN]
    assert found(calm(), read({130.0: 50.0}, region="eu-central-1")) == []
    (one,) = found(read({float(t): 0.0 for t in range(100, 161, 10)}, region="eu-central-1"))
    assert one.reason == "the records were not read for 60 s"


@pytest.mark.parametrize(("gap_s", "seen"), [(20.0, True), (20.5, False)])
def test_records_may_be_unread_for_four_of_the_longest_gaps(gap_s, seen):
    """At the start, within it and at the end."""
    for first_s in (100.0, 120.0, 160.0 - gap_s):
        moments = [t / 2 for t in range(200, 321) if not first_s < t / 2 < first_s + gap_s]
        if first_s == 100.0:
            moments.remove(100.0)
        if first_s == 160.0 - gap_s:
            moments.remove(160.0)
        told = found(read(dict.fromkeys(moments, 0.0)))
        said = [] if seen else [replace(UNKNOWN, reason="the records were not read for 20 s")]
        assert told == said, first_s


def test_each_dark_phase_is_judged_and_no_other_phase():
    """The second is the one with weight; a drill without an evacuated region has none."""
    again = Phase("dark", "G", 160.0, 200.0, True)
    assert found(calm(_50=50.0)) == []
    series = calm(_180=50.0)
    assert found(series, phases=(BASELINE, DARK, again)) == [
        replace(UNKNOWN, window=(160.0, 200.0))
    ]
    assert len(found(calm(_130=50.0, _180=50.0), phases=(DARK, BASELINE, again))) == 2
    assert found(calm(_130=50.0), region=None) == []
