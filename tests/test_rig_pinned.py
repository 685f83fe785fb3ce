"""When the rig itself was pinned, from its own lag alone: to the scrape, and never by silence."""

from __future__ import annotations

import pytest

from muster.judge.rig_pinned import Span, blackout
from muster.samples.series import Samples, series_of
from muster.samples.windows import Absence, Window

LIMIT_S = 0.1
WINDOW = Window(0.0, 20.0, 4.0)
NAME = "muster_rig_loop_lag_seconds"
EDGES = (0.01, 0.1, 0.5, 5.0)


def process(slow=(), component="load", instance="a", region="", beats=100, until_s=21, off=0.0):
    """A process scraped once a second. `slow`: {second: beats by the edge they lie under}."""
    slow = dict(slow)
    labels = {"component": component, "instance": instance}
    labels |= {"region": region} if region else {}
    by_edge = {edge: [] for edge in EDGES}
    counts = []
    under = dict.fromkeys(EDGES, 0.0)
    total = 0.0
    for second in range(-1, until_s):
        grown = slow.get(second, {0.01: beats})
        total += sum(grown.values())
        for edge in EDGES:
            under[edge] += sum(n for at, n in grown.items() if at <= edge)
            by_edge[edge].append((second + off, under[edge]))
        counts.append((second + off, total))
    found = [
        series_of("rig_lag", f"{NAME}_bucket", {**labels, "le": f"{edge:g}"}, points)
        for edge, points in by_edge.items()
    ]
    found.append(series_of("rig_lag", f"{NAME}_bucket", {**labels, "le": "+Inf"}, counts))
    return [*found, series_of("rig_lag", f"{NAME}_count", labels, counts)]


def seen(*processes, window=WINDOW):
    series = [one for found in processes for one in found]
    return blackout(Samples({"rig_lag": tuple(series)}), window, LIMIT_S)


def test_a_calm_rig_was_never_pinned():
    """Nothing over the limit, everyone seen: no second of blackout."""
    found = seen(process(), process(component="gateway"))
    assert (found.seconds, found.spans, found.pinned, found.unseen) == (0, (), (), ())
    assert found.worst is None


@pytest.mark.parametrize(
    ("beats", "pinned_s"),
    [
        ({0.01: 100}, 0.0),
        ({0.1: 100}, 0.0),
        ({0.01: 99, 0.5: 1}, 0.5),
        ({0.01: 90, 0.5: 1, 5.0: 0}, 0.5),
        ({0.01: 50, 0.5: 3}, 1.0),
        ({0.01: 50, 5.0: 1}, 1.0),
        ({0.01: 50, 9.0: 1}, 1.0),
    ],
)
def test_each_late_beat_counts_with_its_upper_edge(beats, pinned_s):
    """Only over the limit, and together at most the time between two scrapes."""
    found = seen(process({5: beats}))
    assert found.seconds == pinned_s
    assert bool(found.spans) is (pinned_s > 0)


def test_it_says_from_when_to_when_and_how_late():
    """Scrapes that follow each other are one stretch; the worst beat's edge names the lag."""
    lag = {0.5: 10}
    found = seen(process({5: lag, 6: {5.0: 1}, 7: lag, 12: lag}))
    assert found.spans == (Span(4.0, 7.0, 3.0), Span(11.0, 12.0, 1.0))
    assert found.seconds == 4.0
    assert (found.worst.component, found.worst.instance, found.worst.lag_s) == ("load", "a", 5.0)
    assert found.within(6.5, 11.5) == 1.0


def test_processes_that_are_pinned_at_once_count_once():
    """Up to all of the time that their scrapes span; a beat past every edge has no bound."""
    found = seen(
        process({5: {0.5: 9}, 6: {0.5: 9}}),
        process({6: {9.0: 1}}, component="gateway", off=0.5),
    )
    assert found.spans == (Span(4.0, 6.5, 2.5),)
    assert [one.lag_s for one in found.pinned] == [float("inf"), 0.5]


def test_processes_that_were_briefly_late_add_up():
    """Nobody knows whether it was at the same moment."""
    late = {0.01: 99, 0.5: 1}
    found = seen(process({5: late}), process({5: late}, component="gateway", off=0.25))
    assert found.spans == (Span(4.0, 5.25, 1.0),)
    assert (found.within(4.0, 4.5), found.within(0.0, 9.0), found.within(6, 9)) == (0.5, 1.0, 0)


def test_a_loop_that_does_not_beat_is_pinned():
    """No beat at all between two scrapes is no proof of health."""
    found = seen(process({5: {}, 6: {}}))
    assert found.spans == (Span(4.0, 6.0, 2.0),)
    assert found.worst.lag_s == 1.0


def test_a_scrape_that_comes_late_stretches_what_it_shows():
    """Prometheus could not scrape a pinned process: all the time until it could counts."""
    series = process({9: {0.5: 50}})
    kept = [
        series_of(
            one.signal,
            one.name,
            one.labels,
            [(t, v) for t, v in zip(one.t, one.v, strict=True) if not 6 <= t <= 8],
        )
        for one in series
    ]
    assert seen(kept).spans == (Span(5.0, 9.0, 4.0),)


@pytest.mark.parametrize(
    ("processes", "unseen"),
    [
        ([], ("load",)),
        ([process(component="gateway")], ("load",)),
        ([process(until_s=12)], ("load a",)),
        ([process(), process(component="gateway", instance="b", until_s=12)], ("gateway b",)),
        ([process()[:-1]], ("load a",)),
        ([[one for one in process() if one.labels.get("le") not in ("0.1", "0.01")]], ("load a",)),
    ],
)
def test_who_was_not_seen_is_named(processes, unseen):
    """No series, none to the end, no count, no edge at or under the limit: unknown."""
    assert seen(*processes).unseen == unseen


def test_a_gap_within_one_series_is_unknown():
    """A bucket that a scrape does not show says nothing of that scrape."""
    series = process()
    hole = [
        series_of(one.signal, one.name, one.labels, [(t, v) for t, v in points if t != 9])
        if one.labels.get("le") == "0.1"
        else one
        for one in series
        for points in [list(zip(one.t, one.v, strict=True))]
    ]
    found = seen(hole)
    assert (found.pinned, found.unseen) == ((), ("load a",))


def test_the_lost_regions_own_processes_are_not_asked():
    """They are declared to be gone: neither pinned nor unseen."""
    window = Window(3.0, 20.0, 4.0, (Absence("west", 3.0, 30.0),))
    found = seen(
        process(), process({5: {5.0: 1}}, "gateway", "b", "west", until_s=6), window=window
    )
    assert (found.seconds, found.unseen) == (0, ())
