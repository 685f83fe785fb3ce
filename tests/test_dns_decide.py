"""Which record may answer and which one does, as Route 53 decides it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from muster.testbed.dns.decide import AddressRecord, choose, eligible
from muster.testbed.dns.health import Health, after

REGIONS = ("a", "b", "c", "d")


def record(region: str, weight: int) -> AddressRecord:
    """A record whose health check is named as its region."""
    return AddressRecord("chat.", region, (f"127.0.0.{len(region)}",), weight, 5, region)


@st.composite
def zones(draw: st.DrawFn) -> tuple[tuple[AddressRecord, ...], dict[str, bool]]:
    """Some weighted records and the health of each."""
    regions = draw(st.lists(st.sampled_from(REGIONS), unique=True, min_size=1))
    records = tuple(record(region, draw(st.integers(0, 255))) for region in regions)
    return records, {region: draw(st.booleans()) for region in regions}


@given(zones(), st.floats(0, 1, exclude_max=True))
def test_an_unhealthy_region_never_answers_while_a_healthy_weighted_one_is_there(
    zone: tuple[tuple[AddressRecord, ...], dict[str, bool]], draw: float
) -> None:
    """Healthy and weighted first, healthy with weight 0 next, all of them last."""
    records, healthy = zone
    chosen = choose(records, healthy, draw)
    assert chosen is not None
    well = [entry for entry in records if healthy[entry.region]]
    weighted = [entry for entry in well if entry.weight > 0]
    if weighted:
        assert chosen in weighted
    elif well:
        assert chosen in well
    else:
        assert set(eligible(records, healthy)) == set(records)


@given(zones())
def test_answers_are_shared_exactly_by_weight(
    zone: tuple[tuple[AddressRecord, ...], dict[str, bool]],
) -> None:
    """Over draws spread evenly, each candidate answers in exact proportion to its weight."""
    records, healthy = zone
    candidates = eligible(records, healthy)
    total = sum(entry.weight for entry in candidates)
    steps = total or len(candidates)
    counted: Counter[str] = Counter()
    for step in range(steps):
        chosen = choose(records, healthy, (step + 0.5) / steps)
        assert chosen is not None
        counted[chosen.region] += 1
    wanted = {entry.region: entry.weight if total else 1 for entry in candidates}
    assert counted == Counter({region: count for region, count in wanted.items() if count})


def test_weight_zero_answers_only_when_no_weighted_record_is_healthy() -> None:
    """Each case of weights and health, one by one."""
    records = (record("a", 100), record("b", 0))

    def answers(**healthy: bool) -> set[str]:
        found = {choose(records, healthy, step / 50) for step in range(50)}
        return {entry.region for entry in found if entry}

    assert answers(a=True, b=True) == {"a"}
    assert answers(a=False, b=True) == {"b"}
    assert answers(a=True, b=False) == {"a"}
    # Nothing healthy: all records as if healthy, so the weights decide again.
    assert answers(a=False, b=False) == {"a"}
    assert answers() == {"a"}  # not probed yet: healthy until there is reason to doubt it


def test_all_weights_zero_is_each_alike() -> None:
    """Route 53: when every weight is 0, each record answers with the same likelihood."""
    records = (record("a", 0), record("b", 0))
    answered = [choose(records, {}, step / 4) for step in range(4)]
    assert [entry.region for entry in answered if entry] == ["a", "a", "b", "b"]


def test_no_records_is_no_answer() -> None:
    """Nothing to choose from."""
    assert choose((), {}, 0.5) is None


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 10))
def test_health_turns_after_threshold_probes_in_a_row(probes: list[bool], threshold: int) -> None:
    """The state turns exactly when the last `threshold` probes all disagree with it."""
    health = Health()
    for index, passed in enumerate(probes):
        before = health.healthy
        health = after(health, passed, threshold)
        recent = probes[max(0, index + 1 - threshold) : index + 1]
        turned = health.healthy != before
        if turned:
            assert len(recent) == threshold
            assert set(recent) == {not before}
        assert health.streak < threshold


def test_one_failed_probe_is_enough_at_threshold_one() -> None:
    """The testbed's own setting: one probe takes a region out, one brings it back."""
    assert after(Health(), False, 1) == Health(False, 0)
    assert after(Health(False), True, 1) == Health(True, 0)
    assert after(Health(), False, 3) == Health(True, 1)
