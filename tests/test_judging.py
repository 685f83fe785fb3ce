"""Which stretches of a drill are judged by what, and what each finding shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_evaluate import CONTRACT, EDGES, SLOS, samples_of

from muster.judge.evaluate import Judging, judge_phases, judge_slo, judge_whole
from muster.judge.phases import Phase
from muster.judge.rig_fault import RigFaults, excused
from muster.samples.rates import CANARY_OUTCOMES, OUTCOMES
from muster.samples.series import series_of
from muster.samples.windows import Absence, Window

G = CONTRACT.tiers["G"]
COMPLETION_EDGES = CONTRACT.measurement.completion_edges_s
NEVER = range(0)
BOTH = [
    (slo, source)
    for slo in SLOS
    for source in (("client",) if slo == "availability" else ("client", "server"))
]


def counter(signal, name, labels, per_s):
    """A counter, scraped each second of five minutes, from what it counts a second."""
    total, points = 0.0, [(0.0, 0.0)]
    for t in range(1, 301):
        total += per_s(t)
        points.append((float(t), total))
    return series_of(signal, name, labels, points)


def gauge(signal, labels, value=0.0):
    return series_of(signal, signal, labels, [(float(t), value) for t in range(301)])


def timed(signal, edges, typical_s, slow_s, per_s, slow):
    """A histogram: all of them `typical_s`, but for those in the seconds of `slow`."""
    found = []
    for edge in [*edges, float("inf")]:
        le = "+Inf" if edge == float("inf") else f"{edge:g}"

        def under(t, edge=edge):
            return per_s * (edge >= (slow_s if t in slow else typical_s))

        found.append(counter(signal, "x_bucket", {"le": le}, under))
    return [*found, counter(signal, "x_count", {}, lambda t: per_s)]


def platform(
    per_s=4, bad_5xx=NEVER, canaries_bad=NEVER, slow_client=NEVER, slow_server=NEVER, lag=NEVER
):
    """Two regions as one: what goes wrong, as the seconds in which everything does."""
    found = [
        counter("requests", "r", {"code": "200"}, lambda t: per_s * (t not in bad_5xx)),
        counter("requests", "r", {"code": "500"}, lambda t: per_s * (t in bad_5xx)),
        counter("client_scheduled", "s", {}, lambda t: per_s),
        counter("client_offered", "o", {}, lambda t: per_s),
        counter("client_late", "l", {}, lambda t: 0),
        *timed("rig_lag", (0.01, 0.1, 1.0), 0.01, 1.0, 100, lag),
    ]
    parts = {"success": lambda t: t not in bad_5xx, "http_5xx": lambda t: t in bad_5xx}
    for outcome in OUTCOMES:
        labels = {"outcome": outcome, "kind": "scheduled"}
        share = parts.get(outcome, lambda t: 0)
        found.append(
            counter("client_attempts", "a", labels, lambda t, share=share: per_s * share(t))
        )
    asked = {
        "answered": lambda t: 10 * (t not in canaries_bad),
        "unavailable_5xx": lambda t: 10 * (t in canaries_bad),
    }
    for outcome in CANARY_OUTCOMES:
        share = asked.get(outcome, lambda t: 0)
        found.append(counter("client_canaries", "c", {"outcome": outcome}, share))
    for prefix, slow in (("client_", slow_client), ("", slow_server)):
        found += timed(f"{prefix}first_token", EDGES, 1.0, 2.75, per_s, slow)
        found += timed(f"{prefix}completion", COMPLETION_EDGES, 14.0, 19.0, per_s, slow)
        for phase, les in (("first_token", ("2", "2.5", "3")), ("completion", ("15", "18", "20"))):
            for le in les:
                found.append(gauge(f"{prefix}open_over", {"phase": phase, "le": le}))
    found.append(gauge("queue_age", {"region": "west"}, 4.0))
    found.append(gauge("queue_age", {"region": "east"}, 31.0))
    found = [replace(one, labels={"component": "load", **one.labels}) for one in found]
    return found


def judging(series, shown=frozenset()):
    return Judging(CONTRACT, samples_of(*series), ("east", "west"), 30.0, 4.0, (), 1.0, shown)


def phases(*ends):
    starts = [0, *ends[:-1]]
    return [
        Phase(name, "G", float(start), float(end), True)
        for name, start, end in zip("abcd", starts, ends, strict=False)
    ]


def whole(*ends, **changes):
    return judge_whole(judging(platform(**changes)), phases(*ends), G)


def failed(findings):
    return {(f.slo, f.source) for f in findings if f.status == "fail"}


def test_the_whole_is_from_the_first_phase_to_the_last():
    """All six SLOs, each from every source that can tell; one phase is a whole too."""
    found = whole(10, 250, 300)
    assert [(f.slo, f.source) for f in found] == [*BOTH, ("attempts_agree", "server")]
    assert {(f.phase, f.window, f.status) for f in found} == {("a..c", (0.0, 300.0), "pass")}
    assert [f.tier for f in found] == [*["G"] * len(BOTH), None]
    assert {f.phase for f in whole(300)} == {"a..a"}
    for bad_5xx in (range(1, 4), range(298, 301)):
        assert failed(whole(10, 250, 300, bad_5xx=bad_5xx)) == {
            ("rate_5xx", "client"),
            ("rate_5xx", "server"),
        }
    assert failed(whole(10, 290, bad_5xx=range(295, 301))) == set()


SLOW = range(100, 131)


def test_a_rig_over_its_limits_excuses_every_failing_finding_of_its_window():
    """In a phase and in the whole; the reason keeps what was seen, and other phases stand."""
    changes = {"slow_client": SLOW, "slow_server": SLOW, "bad_5xx": SLOW}
    wrong = {
        (slo, source)
        for slo in ("first_token_p95", "completion_p95", "rate_5xx", "success_2xx")
        for source in ("client", "server")
    }

    def excuse(found, ends, lag):
        one = judging(platform(**changes, lag=lag))
        faults = RigFaults(one.samples, CONTRACT.load_validity, one.stale_s)
        return excused(faults, phases(*ends), found(one, phases(*ends), G))

    assert failed(whole(300, **changes)) == wrong
    found = excuse(judge_whole, (300,), SLOW)
    assert failed(found) == set()
    unknown = [f for f in found if f.status == "unknown"]
    assert {(f.slo, f.source) for f in unknown} == wrong
    assert {f.reason.partition("; ")[2] for f in unknown if "p95" in f.slo} == {
        "the rig: load lagged: p99 at or under 1000 ms"
    }
    assert {f.reason for f in unknown if f.slo == "rate_5xx"} == {
        "missed; the rig: load lagged: p99 at or under 1000 ms"
    }
    found = excuse(judge_phases, (90, 150, 300), SLOW)
    assert {f.phase for f in found if f.status == "unknown"} == {"b"}
    assert failed([f for f in found if f.slo != "queue_age"]) == set()
    found = excuse(judge_phases, (90, 150, 300), range(200, 300))
    assert failed([f for f in found if f.slo != "queue_age"]) == wrong


def stretches(slo, *ends, drop=(), **changes):
    series = [one for one in platform(**changes) if one.signal not in drop]
    found = judge_phases(judging(series), phases(*ends), G)
    return [f.phase for f in found if (f.slo, f.source) == (slo, "client")]


@pytest.mark.parametrize(
    ("slo", "wanted"),
    [
        ("availability", ["a+b+c+d"]),
        ("success_2xx", ["a", "b", "c", "d"]),
        ("rate_5xx", ["a+b+c", "d"]),
        ("rate_429", ["a+b", "c", "d"]),
        ("first_token_p95", ["a", "b", "c", "d"]),
        ("completion_p95", ["a", "b", "c", "d"]),
    ],
)
def test_a_phase_is_merged_by_what_each_slo_needs(slo, wanted):
    """20 attempts, 20, 200 and 960; 1,000 canaries are there after 100 s."""
    assert stretches(slo, 5, 10, 60, 160) == wanted


def test_latencies_are_merged_by_the_loads_own_attempts():
    """15 of them are too few for a p95; where nobody counted them, each phase is judged."""
    for slo in ("first_token_p95", "completion_p95"):
        assert stretches(slo, 5, 10, 60, per_s=3) == ["a+b", "c"]
    assert stretches("first_token_p95", 5, 10, 60, drop=("client_attempts",)) == ["a", "b", "c"]
    assert stretches("rate_5xx", 5, 10, 60, drop=("client_attempts",)) == ["a", "b", "c"]
    assert stretches("availability", 5, 10, 60, drop=("client_canaries",)) == ["a", "b", "c"]


def test_what_fails_on_however_few_is_not_merged_away():
    """Two bad ones of twenty are too many of two hundred; and two bad canaries of a thousand."""
    assert stretches("rate_5xx", 5, 10, 60, bad_5xx=(1,)) == ["a", "b+c"]
    assert stretches("availability", 5, 10, 300, canaries_bad=(1,)) == ["a", "b+c"]


def test_each_phase_has_its_queues_its_rig_and_what_is_missing():
    """Region by region, and part by part."""
    series = [one for one in platform() if one.labels.get("outcome") != "refused"]
    found = judge_phases(judging(series, frozenset({"streams_broken"})), phases(100, 300), G)
    others = [f for f in found if f.slo not in SLOS]
    assert [(f.slo, f.phase, f.region, f.source, f.status) for f in others] == [
        row
        for phase in "ab"
        for row in (
            ("queue_age", phase, "east", "server", "fail"),
            ("queue_age", phase, "west", "server", "pass"),
            ("samples_complete", phase, None, "client", "unknown"),
            ("samples_complete", phase, None, "server", "unknown"),
            ("load_offered", phase, None, "client", "pass"),
            ("load_loop_lag", phase, None, "load", "pass"),
        )
    ] + [("attempts_agree", phase, None, "server", "pass") for phase in "ab"]
    assert {f.window for f in others} == {(0.0, 100.0), (100.0, 300.0)}
    east, west = others[:2]
    assert (east.threshold, east.measured, east.margin, east.unit) == (30.0, 31.0, -1.0, "s")
    assert (west.margin, west.samples, west.tier, west.reason) == (26.0, 101, None, "")
    nobody = judge_phases(judging([]), phases(100), G)
    [queue] = [f for f in nobody if (f.slo, f.region) == ("queue_age", "west")]
    assert (queue.measured, queue.margin, queue.reason) == (None, None, "no data")


def of(slo, series, window=None):
    chosen = window or Window(0.0, 300.0, 4.0)
    return {f.source: f for f in judge_slo(judging(series), chosen, "dark", G, slo)}


def test_a_share_is_shown_in_percent_on_its_own_side():
    """What must be at least so much, and what may be at most so much."""
    series = platform(bad_5xx=range(100, 118))
    for source in ("client", "server"):
        good, bad = of("success_2xx", series)[source], of("rate_5xx", series)[source]
        assert (good.measured, good.threshold, good.margin) == (94.0, 95.0, -1.0)
        assert (bad.measured, bad.threshold, bad.margin) == (6.0, 0.5, -5.5)
        assert (good.unit, good.samples, good.status) == ("%", 1200, "fail")
        assert (bad.phase, bad.tier, bad.region, bad.window) == ("dark", "G", None, (0, 300))
        assert bad.source == source
    third = of("rate_5xx", platform(bad_5xx=(7,)))["client"]
    assert (third.measured, third.margin, third.status) == (0.3333, 0.1667, "pass")
    none = of("rate_5xx", [])["server"]
    assert (none.status, none.reason) == ("unknown", "no data")
    assert (none.measured, none.margin, none.samples, none.threshold) == (None, None, None, 0.5)
    few = of("rate_5xx", platform(), Window(0.0, 5.0, 4.0))["client"]
    assert few.reason == "20 samples, at least 200 are needed to decide"


def test_availability_shows_what_its_canaries_can_bear_out():
    """The exact bound stands beside the verdict, and beside the reason for none."""
    found = of("availability", platform())["client"]
    assert (found.measured, found.threshold, found.samples) == (100.0, 99.9, 3000)
    assert (found.status, found.reason) == ("pass", "at least 99.900 % with 95 % confidence")
    assert (found.tier, found.phase) == ("G", "dark")
    found = of("availability", platform(canaries_bad=(9,)))["client"]
    assert (found.status, found.measured) == ("fail", 99.6667)
    assert found.reason == "at least 99.435 % with 95 % confidence"
    few = of("availability", platform(), Window(0.0, 50.0, 4.0))["client"]
    assert few.reason == (
        "500 samples, at least 1000 are needed to decide; at least 99.403 % with 95 % confidence"
    )
    assert of("availability", [])["client"].reason == "no data"
    none = of("availability", platform(), Window(0.0, 0.5, 4.0))["client"]
    assert none.reason == "0 samples, at least 1000 are needed to decide"


def test_the_contract_says_how_sure_the_bound_is():
    """99 % instead of 95."""
    rules = CONTRACT.measurement
    surer = rules.availability.model_copy(update={"bound_confidence": 0.99})
    contract = CONTRACT.model_copy(
        update={"measurement": rules.model_copy(update={"availability": surer})}
    )
    one = replace(judging(platform()), contract=contract)
    [found] = judge_slo(one, Window(0.0, 300.0, 4.0), "dark", G, "availability")
    assert found.reason == "at least 99.847 % with 99 % confidence"


def test_a_declared_absence_holds_for_every_phase():
    """A queue that nobody shows is a dark region's."""
    series = [one for one in platform() if one.labels.get("region") != "west"]
    one = replace(judging(series), absences=(Absence("west", 0.0, 400.0),))
    found = judge_phases(one, phases(100, 300), G)
    west = [f for f in found if (f.slo, f.region) == ("queue_age", "west")]
    assert [(f.status, f.reason) for f in west] == [("not_judged", "the region was dark")] * 2


def test_a_latency_is_shown_by_its_bracket_and_claims_no_margin():
    """From the load's histogram and the platform's, each by itself, against the tier's seconds."""
    for slow in ("client", "server"):
        series = platform(**{f"slow_{slow}": SLOW})
        other = "server" if slow == "client" else "client"
        token, close = of("first_token_p95", series), of("completion_p95", series)
        assert (token[slow].status, token[other].status) == ("fail", "pass")
        assert (close[slow].status, close[other].status) == ("fail", "pass")
        one = token[slow]
        assert (one.threshold, one.measured, one.margin, one.unit) == (2.5, None, None, "s")
        assert (one.bracket, one.samples, one.tier) == ((2.5, 2.75), 1200, "G")
        assert (one.phase, one.region, one.window) == ("dark", None, (0.0, 300.0))
        assert one.reason == "89.67 % at or under 2.5 s"
        assert (close[slow].threshold, close[other].bracket) == (18.0, (13.0, 14.0))
    none = of("first_token_p95", [])["server"]
    assert (none.measured, none.margin, none.samples, none.bracket) == (None, None, None, None)
    assert none.reason == "no data"
    few = of("first_token_p95", platform(), Window(0.0, 2.0, 4.0))["server"]
    assert few.reason == "8 samples, at least 20 are needed to decide; 100.00 % at or under 2.5 s"


def test_only_the_load_must_show_what_is_open():
    """A platform may leave it to the load, for either latency."""
    series = [one for one in platform() if not one.signal.endswith("open_over")]
    for slo in ("first_token_p95", "completion_p95"):
        found = of(slo, series)
        assert (found["client"].status, found["server"].status) == ("unknown", "pass")
        assert found["client"].reason == "no data of client_open_over"
    hung = [*platform(), gauge("open_over", {"phase": "completion", "le": "18"})]
    hung[-1] = replace(hung[-1], v=hung[-1].t / 2)
    assert of("completion_p95", hung)["server"].status == "fail"
    assert of("first_token_p95", hung)["server"].status == "pass"
