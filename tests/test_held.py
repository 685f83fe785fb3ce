"""The load held in each phase, against what its own arrivals and lengths give."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import yaml
from test_evaluate import CONTRACT, samples_of

from muster.contract import parse_profile
from muster.judge import held as judged_held
from muster.judge.evaluate import Judging
from muster.judge.held import (
    Asked,
    Held,
    _any_survival,
    _curve,
    _failed,
    _judged,
    _present,
    _streams,
    _stretch,
    _survival,
    held,
    judge_held,
    needs_widening,
)
from muster.judge.phases import Phase
from muster.samples.series import series_of
from muster.samples.windows import Absence, Window

TARGET = Path(__file__).parent / "targets" / "test.yaml"
SHORT = parse_profile(
    "test_short", yaml.safe_load(TARGET.read_text())["profiles"]["test_short"], TARGET
)
REAL = CONTRACT.profiles["m3_20k"]
RUNS = 400


class Run:
    """Streams of a healthy platform: Poisson arrivals from 0 on, each as long as it was drawn."""

    def __init__(self, seed, profile, streams, end_s, scrape_s, lengths=lambda asked, at: asked):
        random = np.random.default_rng(seed)
        per_s = streams / profile.mean_stream_s
        self.at = np.sort(random.uniform(0.0, end_s, random.poisson(per_s * end_s)))
        shares = [float(share) for share, _ in profile.stream_tokens_quantiles]
        tokens = [float(count) for _, count in profile.stream_tokens_quantiles]
        drawn = np.interp(random.random(len(self.at)), shares, tokens)
        asked = profile.first_token_s_mean + drawn / profile.tokens_per_s
        self.until = self.at + lengths(asked, self.at)
        self.failed = np.zeros(len(self.at), dtype=bool)
        self.scrapes = np.arange(0.0, end_s + scrape_s / 2, scrape_s)
        self.scrape_s = scrape_s

    def fail(self, chosen, at_s):
        """Those `chosen` ended without success `at_s` after their start."""
        self.failed = chosen
        self.until = np.where(chosen, np.minimum(self.until, self.at + at_s), self.until)
        return self

    def count(self, moments):
        return np.searchsorted(np.sort(moments), self.scrapes, "right").astype(float)

    def samples(self, drop=()):
        good = {"outcome": "success", "kind": "scheduled"}
        bad = {"outcome": "http_429", "kind": "scheduled"}
        offered = self.count(self.at)
        rows = {
            "client_streams": [({}, offered - self.count(self.until))],
            "client_offered": [({}, offered)],
            "client_scheduled": [({}, offered)],
            "client_attempts": [
                (good, self.count(self.until[~self.failed])),
                (bad, self.count(self.until[self.failed])),
            ],
        }
        return samples_of(
            *(
                series_of(signal, signal, labels, zip(self.scrapes, v, strict=True))
                for signal, found in rows.items()
                if signal not in drop
                for labels, v in found
            )
        )


def finding(samples, start_s, end_s, asked, stale_s=3.0, scrape_s=0.2):
    judging = Judging(CONTRACT, samples, ("west",), 30.0, stale_s, (), scrape_s)
    phases = [
        Phase("baseline", "X", 0.0, start_s, True),
        Phase("dark", "G", start_s, end_s, True),
        Phase("verify", None, end_s, end_s + 1, True),
    ]
    (found,) = judge_held(judging, phases, asked)
    assert (found.slo, found.phase, found.source) == ("streams_held", "dark", "client")
    return found


def fall_short(run, start_s, end_s, asked):
    """By how many standard errors the streams are below what is expected."""
    seen = held(run.samples(), Window(start_s, end_s, 3.0), asked)
    return (seen.expected * 0.98 - seen.seen) / seen.error


@pytest.mark.parametrize(
    ("profile", "streams", "scrape_s", "length_s"),
    [
        (SHORT, 200, 0.2, 0.5),
        (SHORT, 200, 0.2, 2.0),
        (SHORT, 200, 0.2, 22.0),
        (REAL, 2000, 1.0, 10.0),
        (REAL, 1000, 15.0, 60.0),
    ],
)
def test_a_healthy_platform_is_far_from_the_floor(profile, streams, scrape_s, length_s):
    """Its shortfall scatters by so much less than the standard error taken that 3 are never met."""
    asked = Asked(profile, streams)
    start_s = 40.0 if profile is REAL else 8.0
    stale_s = max(3.0, 4 * scrape_s)
    short = []
    for seed in range(RUNS):
        run = Run(seed, profile, streams, start_s + length_s, scrape_s)
        seen = held(run.samples(), Window(start_s, start_s + length_s, stale_s), asked)
        short.append((seen.expected - seen.seen) / seen.error)
    # The floor lies 3 of these and 2 % below; as a normal deviate that is over 4: 3 in 100,000.
    assert abs(np.mean(short)) < 0.15
    assert 3 / np.std(short) > 3.9
    assert max(short) < 3


@pytest.mark.parametrize("failing", [0.04, 0.3])
def test_attempts_that_fail_lower_the_floor(failing):
    """They are judged by their own service levels; retries are not expected and only help."""
    asked = Asked(SHORT, 200, lengths_kept=True)
    for seed in range(100):
        run = Run(seed, SHORT, 200, 20.0, 0.2)
        chosen = np.random.default_rng(seed + 1).random(len(run.at)) < failing
        late_s = float(seed % 3)
        assert finding(run.fail(chosen, late_s).samples(), 8.0, 20.0, asked).status == "pass"


def test_streams_from_a_cache_are_too_short_and_say_so():
    """One token at once: a fail where lengths are kept, else unknown, in however short a phase."""
    for end_s in (10.5, 12.0, 30.0):
        cached = Run(
            1, SHORT, 200, end_s, 0.2, lambda asked, at: np.where(at > 8.0, 0.01, asked)
        ).samples()
        kept = finding(cached, 8.0, end_s, Asked(SHORT, 200, lengths_kept=True))
        assert kept.status == "fail", end_s
        assert "the target says that lengths are kept" in kept.reason
        assert kept.measured < kept.threshold
        assert kept.margin < 0
        free = finding(cached, 8.0, end_s, Asked(SHORT, 200))
        assert free.status == "unknown"
        assert "streams were shorter" in free.reason


@pytest.mark.parametrize(("part", "status"), [(0.97, "pass"), (0.8, "fail")])
def test_lengths_may_be_off_by_the_tolerance_and_not_by_a_fifth(part, status):
    """2 % and what chance does, of 2,000 streams over a minute."""
    run = Run(3, REAL, 2000, 100.0, 1.0, lambda asked, at: asked * part)
    found = finding(run.samples(), 40.0, 100.0, Asked(REAL, 2000, lengths_kept=True), 4.0, 1.0)
    assert found.status == status


def test_a_phase_remembers_the_arrivals_of_the_one_before():
    """Streams that began before it are expected in it, for as long as they were asked to last."""
    run = Run(5, SHORT, 200, 10.0, 0.2)
    run.at, run.until, run.failed = (x[run.at < 8.0] for x in (run.at, run.until, run.failed))
    seen = held(run.samples(), Window(8.0, 10.0, 3.0), Asked(SHORT, 200))
    assert seen.expected == pytest.approx(seen.seen, abs=10)
    assert 20 < seen.expected < 150


def test_a_load_that_asked_for_too_few_proves_nothing():
    """Half of the arrivals, each as long as asked: what was held is the rig's doing."""
    run = Run(7, SHORT, 100, 30.0, 0.2)
    found = finding(run.samples(), 8.0, 30.0, Asked(SHORT, 200, lengths_kept=True))
    assert found.status == "unknown"
    assert found.reason.startswith("the load asked for ")
    assert found.reason.endswith(" of 200 streams")


def test_streams_that_last_longer_pass_and_it_is_said():
    """Completion judges them, each past its threshold."""
    run = Run(9, SHORT, 200, 30.0, 0.2, lambda asked, at: asked * 1.5)
    found = finding(run.samples(), 8.0, 30.0, Asked(SHORT, 200))
    assert found.status == "pass"
    assert "they lasted longer" in found.reason


@pytest.mark.parametrize("signal", ["client_streams", "client_offered", "client_attempts"])
def test_without_one_of_its_series_nothing_is_known(signal):
    """Of streams, arrivals or attempts."""
    run = Run(11, SHORT, 200, 30.0, 0.2)
    found = finding(run.samples(drop=(signal,)), 8.0, 30.0, Asked(SHORT, 200))
    assert (found.status, found.reason, found.measured) == ("unknown", "no data", None)
    assert (found.threshold, found.margin, found.samples) == (None, None, None)


@pytest.mark.parametrize(("gap_s", "status"), [(2.5, "pass"), (4.0, "unknown")])
def test_a_gap_in_which_nothing_was_seen_is_unknown(gap_s, status):
    """Longer than a sample may stand for a moment."""
    run = Run(13, SHORT, 200, 30.0, 0.2)
    run.scrapes = run.scrapes[(run.scrapes < 12.0) | (run.scrapes > 12.0 + gap_s)]
    found = finding(run.samples(), 8.0, 30.0, Asked(SHORT, 200))
    assert found.status == status
    if status == "unknown":
        assert found.reason.endswith("no scrape of the load for 4 s")


def test_what_was_seen_too_low_fails_whatever_the_gap():
    """A gap excuses nothing that was seen."""
    run = Run(13, SHORT, 200, 30.0, 0.2, lambda asked, at: np.where(at > 8.0, 0.01, asked))
    run.scrapes = run.scrapes[(run.scrapes < 12.0) | (run.scrapes > 18.0)]
    assert finding(run.samples(), 8.0, 30.0, Asked(SHORT, 200, True)).status == "fail"


def test_arrivals_that_fell_or_were_not_seen_from_the_start_are_unknown():
    """A load that began anew has counted something else."""
    samples = Run(15, SHORT, 200, 30.0, 0.2).samples()
    (offered,) = samples.of("client_offered")
    for changed in (
        replace(offered, v=np.where(offered.t > 15.0, offered.v - offered.v[75], offered.v)),
        replace(offered, t=offered.t[60:], v=offered.v[60:]),
        replace(offered, t=offered.t[:100], v=offered.v[:100]),
    ):
        by_signal = {**samples.by_signal, "client_offered": (changed,)}
        found = finding(replace(samples, by_signal=by_signal), 8.0, 30.0, Asked(SHORT, 200))
        assert found.reason == "no data"


def test_a_replayed_trace_is_held_to_the_mean_that_it_implies():
    """Lengths of its own, twice the profile's, at half the arrivals: still the target's streams."""
    run = Run(17, SHORT, 100, 60.0, 0.2, lambda asked, at: asked * 2)
    traced = Asked(SHORT, 200, lengths_kept=True, traced=True)
    assert finding(run.samples(), 10.0, 60.0, traced).status == "pass"
    short = Run(17, SHORT, 100, 60.0, 0.2, lambda asked, at: np.where(at > 8.0, 0.01, asked * 2))
    assert finding(short.samples(), 10.0, 60.0, traced).status == "fail"


@pytest.mark.parametrize(("part", "widened"), [(1.0, False), (0.93, True)])
def test_a_trace_says_where_its_streams_needed_a_wider_tolerance(part, widened):
    """They pass, and the contract's own tolerance did not hold: no gate is held by them."""
    run = Run(19, REAL, 20000, 60.0, 1.0, lambda asked, at: np.where(at > 8.0, asked * part, asked))
    judging = Judging(CONTRACT, run.samples(), ("west",), 30.0, 4.0, (), 1.0)
    phases = [Phase("dark", "G", 30.0, 60.0, True)]
    asked = Asked(REAL, 20000, traced=True)
    (found,) = judge_held(judging, phases, asked)
    assert found.status == "pass"
    assert needs_widening(judging, phases, asked) is widened
    assert not needs_widening(judging, phases, replace(asked, traced=False))


def test_the_baseline_and_what_no_tier_judges_are_left_out():
    """The baseline is judged against the target itself."""
    judging = Judging(CONTRACT, samples_of(), ("west",), 30.0, 3.0, ())
    phases = [Phase("baseline", "X", 0, 9, True), Phase("loss", None, 9, 20, True)]
    assert judge_held(judging, phases, Asked(SHORT, 200)) == []


@pytest.mark.parametrize(
    ("changes", "status", "longer"),
    [
        ({"seen": 90.0}, "pass", False),  # at the floor
        ({"seen": 89.9}, "unknown", False),
        ({"gap_s": 4.0}, "pass", False),
        ({"gap_s": 4.1}, "unknown", False),
        ({"offered": 82.5, "seen": 95.0}, "pass", False),  # 100 asked for, less an eighth and 5
        ({"offered": 82.4, "seen": 95.0}, "unknown", False),
        ({"seen": 117.5}, "pass", False),  # 100 offered, and an eighth and 5 more
        ({"seen": 117.6}, "pass", True),
        ({"seen": 107.0}, "pass", False),
    ],
)
def test_the_edges_of_what_is_held(changes, status, longer):
    """Each holds at its own value, and a tenth further no more."""
    found = replace(Held(100.0, 100.0, 100.0, 1.0, 9, 0.0), **changes)
    told, said = _judged(found, 90.0, 0.125, 5.0, 4.0, Asked(SHORT, 100))
    assert told == status
    assert ("they lasted longer" in said) is longer


@pytest.mark.parametrize(
    ("seen", "expected", "told"),
    [
        (104.26, 111.13, (105.9, 104.3, -1.6)),  # 2 % and 3 standard errors below 111.13
        (0.0, 1.0, (0.0, 0.0, 0.0)),
    ],
)
def test_a_finding_says_its_window_and_tenths_of_a_stream(monkeypatch, seen, expected, told):
    """The floor, what was seen and how far it was from it; no floor lies below 0."""
    monkeypatch.setattr(judged_held, "held", lambda *_: Held(seen, expected, 200.0, 1.0, 9, 0.0))
    found = finding(samples_of(), 8.0, 30.0, Asked(SHORT, 200))
    assert (found.threshold, found.measured, found.margin) == told
    assert (found.window, found.unit, found.samples) == ((8.0, 30.0), "streams", 9)


def test_streams_that_last_longer_are_told_beside_what_is_expected():
    """Both in one sentence."""
    found = Held(200.0, 100.0, 100.0, 1.0, 9, 0.0)
    assert _judged(found, 90.0, 0.125, 5.0, 4.0, Asked(SHORT, 100)) == (
        "pass",
        "100 are expected from the arrivals and the lengths asked for; "
        "they lasted longer, which completion is judged by",
    )


@pytest.mark.parametrize("length_s", [0.5, 1.0, 20.0])
def test_a_traces_lengths_follow_from_its_arrivals_in_a_short_phase_too(length_s):
    """200 streams of 40 arrivals a second last 5 s each."""
    rows = [(n / 2, 20.0 * n) for n in range(81)]
    samples = samples_of(series_of("client_scheduled", "client_scheduled", {}, rows))
    window = Window(10.0, 10.0 + length_s, 3.0)
    stretch = _stretch(samples, window, Asked(SHORT, 200, traced=True))
    assert stretch == pytest.approx(5.0 / SHORT.mean_stream_s)


@pytest.mark.parametrize(("gone", "reason"), [(True, False), (False, True)])
def test_arrivals_that_end_early_are_known_only_where_an_absence_is_declared(gone, reason):
    """The phase's absences are the drill's own."""
    samples = Run(17, SHORT, 200, 30.0, 0.2).samples()
    (one,) = samples.of("client_scheduled")
    cut = replace(one, labels={"region": "west"}, t=one.t[:100], v=one.v[:100])
    samples = replace(samples, by_signal={**samples.by_signal, "client_scheduled": (cut,)})
    absences = (Absence("west", 19.0, float("inf")),) if gone else ()
    judging = Judging(CONTRACT, samples, ("west",), 30.0, 3.0, absences, 0.2)
    phases = [Phase("dark", "G", 8.0, 30.0, True)]
    (found,) = judge_held(judging, phases, Asked(SHORT, 200, traced=True))
    assert (found.reason == "no data") is reason


def points(*rows, **labels):
    return series_of("client_streams", "client_streams", labels, rows)


def test_the_streams_are_the_sum_of_all_series_where_each_is_fresh():
    """Both edges belong to the window; a moment at which one is too old is left out."""
    window = Window(10.0, 20.0, 3.0)
    one = points((10.0, 1.0), (15.0, 2.0), (20.0, 3.0))
    for second_s, told in (
        (12.0, {10.0: 11.0, 15.0: 22.0, 20.0: 33.0}),
        (11.9, {10.0: 11.0, 20.0: 33.0}),
    ):
        other = points((10.0, 10.0), (second_s, 20.0), (20.0, 30.0), region="west")
        moments, total = _streams([one, other], window)
        assert dict(zip(moments.tolist(), total.tolist(), strict=True)) == told
    moments, total = _streams([points((8.0, 1.0), (30.0, 9.0))], Window(9.0, 10.0, 3.0))
    assert (moments.tolist(), total.tolist()) == ([10.0], [1.0])


def test_a_curve_is_the_counters_sum_at_any_moment():
    """Before its first sample a counter stood there, or at 0 where it may begin late."""
    one, other = points((10.0, 5.0), (20.0, 15.0)), points((10.0, 1.0), (17.0, 2.0))
    window, moments = Window(10.0, 20.0, 3.0), np.array([5.0, 15.0, 20.0])
    assert _curve([one], window)(moments).tolist() == [5.0, 10.0, 15.0]
    assert _curve([one, one], window)(moments).tolist() == [10.0, 20.0, 30.0]
    assert _curve([one], window, from_zero=True)(moments).tolist() == [0.0, 10.0, 15.0]
    assert _curve([other], window)(moments).tolist()[2] == 2.0
    assert _curve([other], replace(window, end_s=20.1)) is None
    assert _curve([], window) is None
    assert _curve([], window, from_zero=True)(moments).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("outcome", "kind", "failed"),
    [
        ("success", "scheduled", False),
        ("http_429", "scheduled", True),
        ("http_429", "retry", False),
        ("success", "retry", False),
    ],
)
def test_only_a_failed_attempt_that_was_expected_takes_a_stream_away(outcome, kind, failed):
    """A retry was not expected."""
    assert _failed(points((0.0, 0.0), outcome=outcome, kind=kind)) is failed


def test_where_everything_failed_nothing_is_expected():
    """And the failures' counter may begin at the first of them."""
    run = Run(21, SHORT, 200, 30.0, 0.2)
    samples = run.fail(np.ones(len(run.at), dtype=bool), 0.0).samples()
    good, bad = samples.of("client_attempts")
    window = Window(8.0, 30.0, 3.0)
    assert held(samples, window, Asked(SHORT, 200)).expected == 0.0
    late = replace(bad, t=bad.t[60:], v=bad.v[60:] - bad.v[60])
    samples = replace(samples, by_signal={**samples.by_signal, "client_attempts": (good, late)})
    assert held(samples, window, Asked(SHORT, 200)).expected < 200


@pytest.mark.parametrize("lasting", [1, 2])
@pytest.mark.parametrize("length_s", [0.5, 40.0])
@pytest.mark.parametrize("streams", [0, 200])
def test_the_standard_error_is_that_of_the_streams_the_phase_remembers(lasting, length_s, streams):
    """Of at least one stream; a share of the phase of two residual lengths and one scrape."""
    run = Run(23, SHORT, streams, 20.0 + length_s, 0.2)
    asked = Asked(SHORT, 200, traced=lasting == 2)
    window = Window(20.0, 20.0 + length_s, 3.0)
    samples = run.samples()
    if asked.traced:
        rows = [(t, 100.0 / SHORT.mean_stream_s * t) for t in run.scrapes]
        scheduled = series_of("client_scheduled", "client_scheduled", {}, rows)
        by_signal = {**samples.by_signal, "client_scheduled": (scheduled,)}
        samples = replace(samples, by_signal=by_signal)
    seen = held(samples, window, asked)
    assert seen.scrapes == sum((run.scrapes >= 20.0) & (run.scrapes <= 20.0 + length_s))
    stretch = _stretch(samples, window, asked)
    share = min(1.0, 2 * SHORT.residual_s * stretch / length_s + 1 / seen.scrapes)
    assert seen.error == pytest.approx(sqrt(max(1.0, seen.offered) * share))


def lasting(*quantiles, first_token_s=1.0):
    """A profile of ten tokens a second."""
    own = {"tokens_per_s": 10, "first_token_s_mean": first_token_s}
    return SHORT.model_copy(update={"stream_tokens_quantiles": quantiles, **own})


EVEN = lasting((0, 5), (1, 35))
"""1.5 to 4.5 s, each as often: 3 s in the mean."""


def test_the_share_that_lasts_longer_follows_from_the_quantiles():
    """All until the shortest, none after the longest, evenly between two quantiles."""
    ages = np.array([0.0, 1.4, 1.5, 2.25, 3.0, 4.5, 9.0])
    assert _survival(EVEN, ages).tolist() == pytest.approx([1, 1, 1, 0.75, 0.5, 0, 0])


def test_what_is_left_of_a_stream_under_way_is_the_time_beyond_that_age():
    """Nine of ten last up to 0.3 s, and the tenth evenly up to 20.1 s: most open ones are long."""
    rare = lasting((0, 1), (0.9, 2), (1, 200), first_token_s=0.1)
    ages = np.arange(0.025, 20.2, 0.05)
    left = 0.1 * np.maximum(20.1 - ages, 0.0) ** 2 / (2 * 19.8) / rare.mean_stream_s
    new = _survival(rare, ages)
    found = _any_survival(rare, ages)
    late = ages > 0.3
    # Of the last seconds a new stream's share is the larger one again.
    assert found[late] == pytest.approx(np.maximum(left, new)[late], rel=0.01, abs=1e-4)
    assert found[0] == 1.0
    assert (found >= new).all()


@pytest.mark.parametrize("stretch", [1.0, 2.0])
def test_what_is_open_is_what_began_and_is_not_over(stretch):
    """Ten a second for 3 s each are 30; twice as long asked for are twice as many."""
    moments = np.array([10.0, 20.0])
    found = _present(lambda at: 10.0 * at, moments, EVEN, stretch, _survival)
    assert found.tolist() == pytest.approx([30.0 * stretch, 30.0 * stretch], rel=1e-9)


def test_arrivals_are_looked_at_back_to_the_longest_stream():
    """A twentieth of a mean stream apart, and no further back than anything lasts."""
    asked = []

    def begun(at):
        asked.append(10.0 - at[0])
        return np.where(at >= 0.0, 100.0, 0.0)

    [found] = _present(begun, np.array([10.0]), EVEN, 1.0, _survival)
    [ages] = asked
    assert found == 0.0
    assert np.diff(ages) == pytest.approx(3.0 / 20)
    assert (ages[0], 4.5 <= ages[-1] <= 4.5 + 2 * 3.0 / 20) == (0.0, True)
    # A hundred that began at 0, looked at after 3 s: half of them are open.
    [found] = _present(lambda at: 100.0 * (at >= 0), np.array([3.0]), EVEN, 1.0, _survival)
    assert found == pytest.approx(50.0, abs=3.0)


def test_the_standard_error_of_half_a_second_takes_its_own_length():
    """Streams of a tenth of a second remember less than such a phase."""
    brief = lasting((0, 0.5), (1, 1.5), first_token_s=0.01)
    run = Run(25, brief, 200, 20.5, 0.1)
    seen = held(run.samples(), Window(20.0, 20.5, 3.0), Asked(brief, 200))
    share = 2 * brief.residual_s / 0.5 + 1 / seen.scrapes
    assert share < 0.5
    assert seen.error == pytest.approx(sqrt(seen.offered * share))
