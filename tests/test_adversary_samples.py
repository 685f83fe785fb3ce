"""Samples that lie: a histogram that stands still, or times only a part, proves no latency."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from bundle_maker import FAILOVER, Story
from bundle_series import make_series

from muster.contract import load
from muster.judge.evaluate import Judging, judge_slo
from muster.judge.timed import untimed
from muster.samples.series import Samples, Series
from muster.samples.windows import Window

PHASES = tuple((n, t, 30.0 if n == "dark" else s) for n, t, s in FAILOVER)
STORY = Story(phases=PHASES, server_processes=1, shards=1)


@pytest.fixture(scope="module")
def samples():
    found: dict[str, list[Series]] = {}
    for signal, name, labels, t, v in make_series(STORY):
        found.setdefault(signal, []).append(Series(signal, name, labels, t, np.asarray(v)))
    return Samples({signal: tuple(series) for signal, series in found.items()})


@pytest.mark.parametrize(
    ("phase", "timed", "missing"),
    [
        ("baseline", 16888, False),
        ("baseline", 15000, False),  # what was open at an end may have been timed outside
        ("baseline", 5066, True),
        ("baseline", 0, True),
        ("dark", 8444, False),
        ("dark", 1408, True),
        ("baseline", None, False),  # unknown by itself
    ],
)
def test_what_succeeded_must_have_been_timed(samples, phase, timed, missing):
    """But for what was under way at the window's ends, and the counts' tolerance."""
    window = Window(*STORY.span(phase), 5.0)
    why = untimed(samples, window, timed, Fraction(2, 100), 1.0)
    assert bool(why) is missing
    if missing:
        assert why.startswith(f"{timed} requests were timed, but ")


def test_without_a_load_of_its_own_nothing_is_compared():
    """Real traffic, as a promotion and peak hours are judged by."""
    assert untimed(Samples({}), Window(0.0, 60.0, 5.0), 7, Fraction(2, 100), 1.0) == ""


@pytest.mark.parametrize("histogram", ["first_token", "completion", "client_first_token"])
def test_a_histogram_that_stands_still_is_unknown(samples, histogram):
    """It showed what had been before, and passed."""
    still_s = STORY.span("dark")[0] + 5

    def stopped(one: Series) -> Series:
        last = int(np.searchsorted(one.t, still_s, "right")) - 1
        return Series(one.signal, one.name, one.labels, one.t, np.minimum(one.v, one.v[last]))

    changed = {
        signal: tuple(map(stopped, series)) if signal == histogram else series
        for signal, series in samples.by_signal.items()
    }
    slo = f"{histogram.removeprefix('client_')}_p95"
    source = "client" if histogram.startswith("client") else "server"
    for known, status in ((samples, "pass"), (Samples(changed), "unknown")):
        window = Window(*STORY.span("dark"), 5.0)
        alone = {
            s: tuple(x for x in v if x.region != "eu-west-1") for s, v in known.by_signal.items()
        }
        judging = Judging(load(), Samples(alone), (), 30.0, 5.0, ())
        found = judge_slo(judging, window, "dark", load().tiers["G"], slo)
        assert next(one.status for one in found if one.source == source) == status
