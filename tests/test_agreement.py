"""Whether both sides count the same: a platform that counts right never disagrees."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from bundle_maker import make_bundle
from test_counting import FINDING

from muster.judge.agreement import (
    Agreements,
    _age,
    _canaries,
    _holds_canaries,
    _Sent,
    _verdict,
    agreed,
    compare,
    sent_of,
    slack_of,
)
from muster.judge.verdict import judge
from muster.samples.series import Samples, series_of
from muster.samples.windows import Absence, Window

TOLERANCE = Fraction(2, 100)
WEST, EAST = "eu-west-1", "eu-central-1"


def simulated(
    seed,
    *,
    per_s=180.0,
    seconds=40.0,
    scrape_s=0.2,
    late_s=0.3,
    counts_at="head",
    share=1.0,
    fails=0.0,
    canaries=0.0,
    canaries_counted=False,
    stream_s=1.1,
):
    """Samples of a platform that counts as it should, scraped by a busy machine, and of its load.

    `counts_at` is when the platform counts: accepted, head or end. `share` of them it counts.
    """
    random = Random(seed)
    rows = {"server": {}, "attempts": {}, "answers": {}, "streams": {}, "canaries": []}
    at_s = 0.0
    while at_s < seconds:
        at_s += random.expovariate(per_s)
        region = WEST if random.random() < 0.5 else EAST
        head_s, end_s = at_s + random.uniform(0.05, 0.6), at_s + random.expovariate(1 / stream_s)
        end_s = max(head_s, end_s)
        failed = random.random() < fails
        counted = {"accepted": at_s, "head": head_s, "end": end_s}[counts_at]
        if not failed and random.random() < share:
            rows["server"].setdefault(region, []).append(counted)
        outcome = random.choice(["refused", "reset", "timeout"]) if failed else "success"
        rows["attempts"].setdefault((region, outcome), []).append(end_s)
        code = outcome if failed else "200"
        rows["answers"].setdefault((region, code), []).append(head_s)
        rows["streams"].setdefault(region, []).append((at_s, end_s))
    for number in range(round(canaries * seconds)):
        rows["canaries"].append(number / canaries)
        if canaries_counted:
            rows["server"].setdefault(random.choice([WEST, EAST]), []).append(number / canaries)

    def scraped(signal, labels, value):
        offset = random.uniform(0, scrape_s)
        times = np.arange(offset, seconds + 5, scrape_s)
        # One scrape follows the other, however late each is read.
        read = np.maximum.accumulate(times + [random.uniform(0, late_s) for _ in times])
        return series_of(signal, signal, labels, zip(times, (value(t) for t in read), strict=True))

    def count(moments):
        ordered = np.sort(np.array(moments))
        return lambda t: float(np.searchsorted(ordered, t, "right"))

    found = {"requests": [], "client_attempts": [], "client_answers": [], "client_streams": []}
    for region, moments in rows["server"].items():
        labels = {"region": region, "code": "200", "instance": f"g:{region}"}
        found["requests"].append(scraped("requests", labels, count(moments)))
    for (region, outcome), moments in rows["attempts"].items():
        labels = {"region": region, "outcome": outcome, "instance": "load"}
        found["client_attempts"].append(scraped("client_attempts", labels, count(moments)))
    for (region, code), moments in rows["answers"].items():
        labels = {"region": region, "code": code, "instance": "load"}
        found["client_answers"].append(scraped("client_answers", labels, count(moments)))
    for region, spans in rows["streams"].items():
        began, ended = (count([span[n] for span in spans]) for n in (0, 1))
        labels = {"region": region, "instance": "load"}
        gauge = scraped("client_streams", labels, lambda t, a=began, b=ended: a(t) - b(t))
        found["client_streams"].append(gauge)
    answered = scraped("client_canaries", {"outcome": "answered"}, count(rows["canaries"]))
    found["client_canaries"] = [answered]
    return Samples({signal: tuple(series) for signal, series in found.items()})


def wrong(samples, start_s=5.0, end_s=38.0, scrape_s=0.2, absences=()):
    stale_s = max(4 * scrape_s, 3.0)
    return compare(samples, Window(start_s, end_s, stale_s, absences), TOLERANCE, scrape_s).wrong


@pytest.mark.parametrize("counts_at", ["accepted", "head", "end"])
@pytest.mark.parametrize("scrape_s", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("fails", [0.0, 0.3])
def test_a_platform_that_counts_right_never_disagrees(counts_at, scrape_s, fails):
    """Whenever it counts, however late it is scraped, in short windows and in long ones."""
    for seed in range(2):
        samples = simulated(
            seed, counts_at=counts_at, scrape_s=scrape_s, late_s=1.0, fails=fails, canaries=20.0
        )
        for start_s, end_s in ((5.0, 38.0), (7.3, 13.3), (20.0, 26.0), (10.0, 30.0)):
            assert wrong(samples, start_s, end_s, scrape_s) == ""


def test_a_platform_that_counts_half_is_unknown():
    """4,473 answers of 10,229 attempts."""
    samples = simulated(1, share=0.44)
    said = wrong(samples)
    assert "the platform counts" in said
    assert "do not count every answer" in said
    assert wrong(simulated(1, share=0.98)) == ""


def test_one_region_that_counts_half_is_found_beside_one_that_counts_right():
    """Each region is compared where the load knows the regions of its answers."""
    samples = simulated(2)
    halved = tuple(
        replace(one, v=np.floor(one.v * (0.5 if one.region == WEST else 1)))
        for one in samples.of("requests")
    )
    found = Samples({**samples.by_signal, "requests": halved})
    assert f"answers in {WEST}" in wrong(found) or "do not count every" in wrong(found)


def test_a_counter_that_stands_still_is_unknown():
    """The load counts, the platform does not."""
    samples = simulated(3)
    still = tuple(replace(one, v=np.full(len(one.v), 900.0)) for one in samples.of("requests"))
    assert "counts 0 answers" in wrong(Samples({**samples.by_signal, "requests": still}))


def test_more_than_was_sent_is_unknown():
    """Requests of others on a shared platform, or every series twice."""
    samples = simulated(4)
    twice = (
        *samples.of("requests"),
        *(
            replace(one, labels={**one.labels, "instance": f"{one.region}:2"})
            for one in samples.of("requests")
        ),
    )
    said = wrong(Samples({**samples.by_signal, "requests": twice}))
    assert said.endswith("it counts other clients' requests, or series twice")


def told(samples, end_s=58):
    return compare(samples, Window(5, end_s, 3.0), TOLERANCE, 0.2)


def test_canaries_in_the_platforms_figures_are_told():
    """In it: 652 answers of 442 attempts and 251 canaries; not in it; and too few to tell."""
    within = told(simulated(5, per_s=60, seconds=60, canaries=34.0, canaries_counted=True))
    assert within.wrong == ""
    assert within.canaries.endswith("are in it, and are subtracted as successful requests")
    assert set(within.taken) == {"requests", "first_token", "completion"}
    assert 1500 < within.taken["requests"] < 2100
    without = told(simulated(5, per_s=60, seconds=60, canaries=34.0))
    assert without.wrong == ""
    assert without.canaries.endswith("canaries are not in it")
    assert not without.taken
    for counted in (True, False):
        few = told(simulated(5, per_s=60, seconds=60, canaries=0.5, canaries_counted=counted))
        assert few.wrong == ""
        assert few.canaries.endswith("canaries may be in it: they are too few to tell")
        assert not few.taken
    assert told(simulated(5)).canaries == ""


def test_a_platform_that_counts_canaries_and_half_of_a_region_is_unknown():
    """Each region must hold its own canaries too."""
    load = {WEST: 100.0, EAST: 100.0}
    canaries = tuple(
        line("client_canaries", 30.0, region=region, outcome="answered") for region in load
    )

    def said(**platform):
        found = steady({WEST: platform["west"], EAST: platform["east"]}, load)
        found = Samples({**found.by_signal, "client_canaries": canaries})
        return compare(found, OVER_40_S, TOLERANCE, 1.0).wrong

    assert said(west=130.0, east=130.0) == ""
    wrong = said(west=180.0, east=80.0)
    assert wrong.startswith(f"the platform counts 3200 answers in {EAST}, the load 4000 and 1200 ")


def test_without_the_counts_of_both_nothing_is_compared():
    """No data is unknown."""
    samples = simulated(6)
    for signal, whose in (("requests", "platform"), ("client_attempts", "client")):
        without = {k: v for k, v in samples.by_signal.items() if k != signal}
        assert wrong(Samples(without)) == f"the {whose} has no count to compare with"
    # A bundle that is older than the load's count of answers is compared by what ended.
    old = {k: v for k, v in samples.by_signal.items() if k != "client_answers"}
    assert wrong(Samples(old)) == ""


def test_what_a_stopped_process_had_not_shown_is_no_disagreement():
    """Its last scrape is up to a scrape before its end."""
    samples = simulated(7, seconds=30)
    cut = tuple(
        replace(one, t=one.t[one.t < 20.0], v=one.v[one.t < 20.0]) if one.region == WEST else one
        for one in samples.of("requests")
    )
    dark = (Absence(WEST, 20.0, float("inf")),)
    assert wrong(Samples({**samples.by_signal, "requests": cut}), 2.0, 21.0, absences=dark) == ""


def test_what_rests_on_the_platforms_counts_is_unknown_where_they_disagree(tmp_path):
    """In every phase, with the reason; the load's own findings stand."""
    bundle = make_bundle(tmp_path / "good")
    verdict = judge(bundle)
    found = [f for f in verdict.findings if f.slo == "attempts_agree"]
    assert {f.status for f in found} == {"pass"}
    assert {f.phase for f in found} >= {"baseline", "evacuate", "drain", "dark", "restore"}
    assert verdict.verdict == "PASS"
    lines = (bundle / "samples.jsonl").read_text().splitlines()
    numbers = {line.split(",")[0][10:] for line in lines if '"signal":"requests"' in line}
    changed = []
    for line in lines:
        record = json.loads(line)
        if str(record.get("i")) in numbers:
            record["v"] = [v // 2 for v in record["v"]]
        changed.append(json.dumps(record))
    (bundle / "samples.jsonl").write_text("\n".join(changed) + "\n")
    verdict = judge(bundle)
    assert verdict.verdict == "INCONCLUSIVE"
    by_source = {
        source: {f.status for f in verdict.findings if f.source == source and f.tier is not None}
        for source in ("client", "server")
    }
    assert by_source == {"client": {"pass"}, "server": {"unknown"}}


def counting(stops_s):
    """A load that sends 100 a second for 60 s; from `stops_s` on the platform counts half."""
    t = [float(second) for second in range(61)]
    sent = [100.0 * second for second in t]
    served = [
        v if at <= stops_s else v - 50.0 * (at - stops_s) for at, v in zip(t, sent, strict=True)
    ]
    rows = {
        "requests": (served, {"code": "200"}),
        "client_attempts": (sent, {"outcome": "success"}),
        "client_answers": (sent, {"code": "200"}),
        "client_streams": ([0.0] * 61, {}),
    }
    return Samples(
        {
            signal: (series_of(signal, signal, {"region": WEST, **labels}, zip(t, v, strict=True)),)
            for signal, (v, labels) in rows.items()
        }
    )


def test_what_rests_on_a_stretch_in_which_the_counts_differ_is_unknown_and_no_more():
    """By each finding's own window: before it, in it, over both; what was said stays."""
    first, second = Window(2.0, 30.0, 4.0), Window(30.0, 60.0, 4.0)
    plain = replace(FINDING, slo="rate_5xx", source="server", region=None, status="pass", reason="")
    findings = [
        replace(plain, window=(2.0, 30.0)),
        replace(plain, window=(30.0, 60.0)),
        replace(plain, window=(2.0, 60.0), reason="near"),
        replace(plain, window=(30.0, 60.0), source="client"),
        replace(plain, window=(30.0, 60.0), slo="queue_age"),
        replace(plain, window=None),
    ]
    stretches = [("evacuate", first), ("dark", second)]
    found = agreed(findings, stretches, Agreements(counting(30.0), TOLERANCE, 1.0))
    assert [one.status for one in found] == [
        "pass", "unknown", "unknown", "pass", "pass", "pass", "pass", "unknown",
    ]  # fmt: skip
    wrong = ": some processes are not scraped, or do not count every answer"
    assert found[1].reason == f"the platform counts 1500 answers, the load 3000{wrong}"
    assert found[2].reason == f"near; the platform counts 4300 answers, the load 5800{wrong}"
    good, bad = found[-2:]
    assert (good.slo, good.phase, good.source, good.unit) == (
        "attempts_agree", "evacuate", "server", "%",
    )  # fmt: skip
    assert (good.measured, good.samples, good.window) == (100.0, 2800, (2.0, 30.0))
    assert good.reason == "the platform counts 2800 answers, the load 2800"
    assert (bad.phase, bad.measured, bad.samples) == ("dark", 50.0, 1500)
    assert bad.reason == found[1].reason


NORTH = "eu-north-1"
OVER_40_S = Window(10.0, 50.0, 4.0)


def steady(platform, load, begins_s=None):
    """Counters that rise as much a second as is said, by region or by region and outcome.

    `begins_s`: when the platform's counter of a region is first seen, at 0.
    """
    seconds = [float(second) for second in range(61)]
    begins_s = begins_s or {}
    requests, attempts = [], []
    for region, per_s in platform.items():
        first_s = begins_s.get(region, 0.0)
        rows = [(t, per_s * (t - first_s)) for t in seconds if t >= first_s]
        labels = {"code": "200", "instance": f"g:{region}"}
        if region:
            labels["region"] = region
        requests.append(series_of("requests", "requests", labels, rows))
    for key, per_s in load.items():
        region, outcome = key if isinstance(key, tuple) else (key, "success")
        labels = {"region": region, "outcome": outcome, "instance": "load"}
        rows = [(t, per_s * t) for t in seconds]
        attempts.append(series_of("client_attempts", "client_attempts", labels, rows))
    return Samples({"requests": tuple(requests), "client_attempts": tuple(attempts)})


def over_40_s(samples):
    return compare(samples, OVER_40_S, TOLERANCE, 1.0).wrong


@pytest.mark.parametrize("refused", [0.0, 1.0])
def test_regions_that_are_wrong_by_as_much_are_found_though_their_sum_is_right(refused):
    """What failed before an answer in no known region is no answer of nobody."""
    load = {WEST: 100.0, EAST: 100.0, ("unknown", "refused"): refused}
    said = over_40_s(steady({WEST: 130.0, EAST: 70.0}, load))
    assert said == (
        f"the platform counts 2800 answers in {EAST}, the load 4000: "
        "some processes are not scraped, or do not count every answer"
    )


@pytest.mark.parametrize("nobody", ["", "unknown"])
def test_regions_are_not_compared_where_the_load_does_not_know_those_of_its_answers(nobody):
    """Any region may have answered them; their sum is compared."""
    platform = {WEST: 130.0, EAST: 70.0}
    assert over_40_s(steady(platform, {WEST: 100.0, EAST: 70.0, nobody: 30.0})) == ""
    assert over_40_s(steady(platform, {WEST: 50.0, EAST: 20.0, nobody: 30.0})) != ""


def test_a_platform_that_names_no_region_is_compared_as_a_whole():
    """Its answers are in no region that the load knows."""
    assert over_40_s(steady({"": 200.0}, {WEST: 100.0, EAST: 100.0})) == ""


def test_a_region_whose_counter_began_in_the_window_is_compared_from_zero():
    """The others were there before it."""
    load = {WEST: 100.0, EAST: 100.0, NORTH: 100.0}
    platform = {WEST: 180.0, EAST: 82.5, NORTH: 82.5}
    said = over_40_s(steady(platform, load, {WEST: 20.0}))
    assert said.startswith(f"the platform counts 5400 answers in {WEST}, the load 4000: ")


def test_the_tolerance_is_granted_besides_what_the_scrapes_are_apart():
    """320 by the scrapes and 2 % of 4,000: 350 fewer agree, 410 do not."""
    assert over_40_s(steady({WEST: 91.25}, {WEST: 100.0})) == ""
    assert over_40_s(steady({WEST: 89.75}, {WEST: 100.0})) != ""


OTHERS = "it counts other clients' requests, or series twice"
FEWER = "some processes are not scraped, or do not count every answer"
HELD = "held"


@pytest.mark.parametrize(
    ("served", "canaries", "ends"),
    [
        (980, 200, ""), (979, 200, FEWER), (1120, 200, ""), (1121, 200, OTHERS),
        (1179, 200, OTHERS), (1180, 200, HELD), (1320, 200, HELD),
        (1321, 200, OTHERS), (1121, 20, OTHERS), (1121, 21, HELD), (1120, 21, ""),
    ],
)  # fmt: skip
def test_the_edges_of_what_agrees(served, canaries, ends):
    """Between the least and the most, 20 further, and as far again with as many canaries."""
    sent = _Sent(1000, 1100, 1050)
    held = _holds_canaries(sent, served, 20, 0.0, canaries)
    assert held is (ends == HELD)
    said = _verdict(sent, served, 20, 0.0, canaries if held else 0, " in it")
    assert said.endswith("" if held else ends)
    assert bool(said) is (ends in (OTHERS, FEWER))
    if said:
        assert said.startswith(f"the platform counts {served} answers in it, the load 1050")


def test_the_tolerance_is_a_share_of_the_larger_count():
    """A tenth of what the platform counts, where that is more; canaries must be beyond it too."""
    assert _holds_canaries(_Sent(1000, 1000, 1000), 1140, 20, 0.1, 140)
    assert not _holds_canaries(_Sent(1000, 1000, 1000), 1130, 20, 0.1, 140)
    assert _verdict(_Sent(1000, 1000, 1000), 1111, 0, 0.1, 0, "") == ""
    assert _verdict(_Sent(1000, 1000, 1000), 1112, 0, 0.1, 0, "") != ""


def test_a_count_without_its_canaries_is_too_small():
    """1,179 of 1,000 to 1,100 and 200 canaries: more than the load's own, and still too few."""
    said = _verdict(_Sent(1000, 1100, 1050), 1179, 20, 0.0, 200, "")
    assert said == f"the platform counts 1179 answers, the load 1050 and 200 canaries: {FEWER}"


def test_a_count_that_is_missing_is_told_beside_the_one_that_is_there():
    """No share of them; the platform's own count is still said."""
    samples = steady({WEST: 100.0}, {WEST: 100.0})
    for missing, counted in (("client_attempts", 4000), ("requests", None)):
        without = {k: v for k, v in samples.by_signal.items() if k != missing}
        (found,) = agreed([], [("dark", OVER_40_S)], Agreements(Samples(without), TOLERANCE, 1.0))
        assert (found.status, found.measured, found.samples) == ("unknown", None, counted)
        assert "has no count to compare with" in found.reason


def test_the_share_is_said_to_a_hundredth_of_a_per_cent():
    """2,990 of 3,000."""
    samples = steady({WEST: 74.75}, {WEST: 75.0})
    (found,) = agreed([], [("dark", OVER_40_S)], Agreements(samples, TOLERANCE, 1.0))
    assert (found.measured, found.status) == (99.67, "pass")


def line(signal, per_s, *, since_s=0.0, until_s=60.0, base=0.0, **labels):
    """A series of one sample a second that grows by `per_s`."""
    rows = [(float(t), base + per_s * (t - since_s)) for t in range(61) if since_s <= t <= until_s]
    return series_of(signal, signal, {"instance": "load", **labels}, rows)


def load_of(**cut):
    """Attempts, answers and streams of two regions; `cut`: until when one of them is seen."""

    def end(name):
        return cut.get(name, 60.0)

    attempts, answers, streams = "client_attempts", "client_answers", "client_streams"
    return Samples(
        {
            attempts: (
                line(attempts, 100.0, region=WEST, outcome="success", until_s=end("success")),
                line(attempts, 3.0, region=WEST, outcome="broken", until_s=end("broken")),
                line(attempts, 5.0, region=WEST, outcome="refused", since_s=20.0),
                line(attempts, 50.0, region=EAST, outcome="success"),
                line(attempts, 2.0, region=EAST, outcome="reset", until_s=end("reset")),
            ),
            answers: (
                line(answers, 101.0, region=WEST, code="200", until_s=end("answers")),
                line(answers, 5.0, region=WEST, code="refused"),
                line(answers, 7.0, region=WEST),
                line(answers, 49.0, region=EAST, code="200"),
            ),
            streams: (
                line(streams, 1.0, region=WEST),
                line(streams, 0.5, region=WEST, instance="load2", base=9.0),
                line(streams, 9.0, region=WEST, instance="load3", until_s=20.0),
                line(streams, -0.25, region=EAST, base=100.0),
            ),
        }
    )


def test_what_was_sent_lies_between_three_counts_and_what_failed():
    """Ended, answered and begun; less what broke or failed, and what failed once more."""
    # In the west 150 failed, 4,120 ended, 120 of them broke, 4,040 were answered, 60 opened.
    assert sent_of(load_of(), OVER_40_S, WEST) == _Sent(4040 - 270, 4330 + 150, 4040)
    # In both 230 failed, 6,120 ended, 6,000 were answered, 50 opened.
    assert sent_of(load_of(), OVER_40_S, None) == _Sent(6000 - 350, 6400 + 230, 6000)


@pytest.mark.parametrize("name", ["success", "broken", "reset", "answers"])
def test_what_was_sent_is_unknown_where_one_count_is(name):
    """Its series ended in the window."""
    assert sent_of(load_of(**{name: 30.0}), OVER_40_S, None) is None


def at_offsets(requests_s, attempts_s):
    """Series whose samples lie so much after each full second."""
    rows = {"requests": requests_s, "client_attempts": attempts_s}
    return Samples(
        {
            signal: (series_of(signal, signal, {}, [(n + after_s, 1.0) for n in range(61)]),)
            for signal, after_s in rows.items()
        }
    )


@pytest.mark.parametrize("offsets", [(0.25, 0.5), (0.5, 0.25)])
def test_the_slack_is_what_comes_between_the_scrapes(offsets):
    """15 a second at their peak: of each side's oldest sample, of lateness, of what stopped."""
    samples = at_offsets(*offsets)
    stops = [Absence(WEST, t_s, float("inf")) for t_s in (5.9, 6.0, 8.0, 50.0, 50.1)]
    window = replace(OVER_40_S, absences=tuple(stops))
    assert slack_of(samples, window, _Sent(0, 400, 0), 2.0) == 20 + 15 * (1.5 + 2 + 3 * 3)
    assert slack_of(samples, window, _Sent(0, -5, 0), 2.0) == 20
    short = Window(10.0, 10.5, 4.0)
    assert slack_of(samples, short, _Sent(0, 400, 0), 2.0) == 20 + 1200 * (0.75 + 0.25 + 2)


def test_the_age_of_a_sample_is_that_of_the_oldest_that_still_stands():
    """One that is older than a sample may stand counts as none."""
    old = series_of("requests", "requests", {}, [(5.0, 1.0), (30.0, 2.0)])
    new = series_of("requests", "requests", {"code": "200"}, [(8.0, 1.0), (30.0, 2.0)])
    ages = {t_s: _age([old, new], t_s, 4.0) for t_s in (4.0, 9.0, 9.5, 20.0)}
    assert ages == {4.0: 0.0, 9.0: 4.0, 9.5: 1.5, 20.0: 0.0}


def test_canaries_that_got_no_answer_are_not_in_the_platforms_figures():
    """80 were answered, 40 of them with an error; no series of them is none."""
    rates = {"answered": 1.0, "unavailable_http_503": 1.0, "unavailable_refused": 3.0}
    rows = tuple(line("client_canaries", per_s, outcome=name) for name, per_s in rates.items())
    assert _canaries(Samples({"client_canaries": rows}), OVER_40_S) == 80.0
    assert _canaries(Samples({}), OVER_40_S) == 0.0
