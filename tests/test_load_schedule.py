"""The load before it runs: schedule, shards, trace, buckets."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from load_peers import config, traffic

from muster import contract
from muster.errors import BadInput
from muster.load.buckets import (
    BUCKET_RATIO,
    bucket_edge_ms,
    bucket_index,
    quantile_ms,
)
from muster.load.schedule import Ramp, Schedule, canary_times, ramp_seconds
from muster.load.shard import _traced
from muster.load.starter import shards_for
from muster.load.trace import TraceSource
from muster.load.traffic import traffic_of


def first(count, **options):
    profile = options.pop("profile", traffic(ramp_s=2))
    return list(islice(Schedule(profile, scale=1, **options), count))


def test_the_same_seed_gives_the_same_load():
    """Moments, lengths and choices are all fixed by the seed; another seed gives others."""
    assert first(6000, seed=5) == first(6000, seed=5)
    assert first(10, seed=5) != first(10, seed=6)


@settings(max_examples=20, deadline=None)
@given(shards=st.integers(1, 7), seed=st.integers(0, 2**32))
def test_shards_offer_together_what_one_process_would(shards, seed):
    """Shard k of n takes arrivals k mod n of the one sequence, also across blocks."""
    whole = first(5000, seed=seed)
    parts = [first(5000 // shards, seed=seed, shard=k, shards=shards) for k in range(shards)]
    merged = sorted((a for part in parts for a in part), key=lambda a: a.number)
    assert merged == whole[: len(merged)]


def test_arrivals_hold_the_streams_that_the_profile_asks_for():
    """Little's law with the mean of the drawn lengths: rate x mean length is the target."""
    profile = traffic_of(contract.load().profiles["m1_1k"])
    arrivals = list(islice(Schedule(profile, scale=1, seed=1), 60_000))
    span_s = arrivals[-1].at_s - profile.ramp_s / 2
    mean_s = profile.first_token_s_mean + np.mean([a.tokens for a in arrivals]) / 33
    assert len(arrivals) / span_s * mean_s == pytest.approx(1000, rel=0.02)
    assert profile.mean_tokens == pytest.approx(214.7, abs=0.5)


def test_arrivals_are_poisson_and_not_a_beat():
    """Gaps vary as much as they are long on the mean."""
    at_s = np.array([a.at_s for a in first(20_000, seed=3, profile=traffic())])
    gaps = np.diff(at_s)
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.03)


@given(
    rate=st.floats(0.1, 5000),
    ramp_s=st.floats(0, 120),
    at=st.lists(st.floats(0, 1e6), min_size=1, max_size=20),
)
def test_the_ramp_is_a_change_of_time(rate, ramp_s, at):
    """What is expected by the moment of an operational time is that operational time."""
    ramp = Ramp(rate, ramp_s)
    operational = np.sort(np.array(at))
    seconds = ramp.seconds(operational)
    assert (np.diff(seconds) >= -1e-9).all()
    for when, wanted in zip(seconds, operational, strict=True):
        assert ramp.expected(float(when)) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_canaries_keep_one_beat_over_all_shards():
    """Fixed rate: the shards' canaries together are one every 1 / rate seconds."""
    parts = [list(islice(canary_times(50, k, 4), 25)) for k in range(4)]
    assert sorted(t for part in parts for t in part) == pytest.approx([i / 50 for i in range(100)])
    assert list(canary_times(0)) == []


@given(value=st.floats(1e-3, 1e7))
def test_a_bucket_holds_what_it_says_within_one_percent(value):
    """Bucket i covers (ratio^(i-1), ratio^i] milliseconds; 0 all up to 1 ms."""
    index = bucket_index(value)
    assert value <= bucket_edge_ms(index) * (1 + 1e-9)
    if index:
        assert value > bucket_edge_ms(index) / BUCKET_RATIO * (1 - 1e-9)


def test_a_percentile_of_what_never_came_is_infinite():
    """One of two never came: the p95 is no number of milliseconds."""
    assert quantile_ms({"inf": 1, 10: 1}, 0.95) == float("inf")
    assert quantile_ms({}, 0.95) is None


def test_the_lengths_are_those_of_the_public_trace():
    """The quantiles of the conversation trace of 2023, exactly, in every profile."""
    shares = (0, 5, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99, 100)
    tokens = (7, 41, 54, 77, 85, 91, 103, 129, 177, 384, 395, 400, 424, 451, 601, 1000)
    for profile in contract.load().profiles.values():
        drawn = traffic_of(profile).tokens_quantiles
        assert drawn == tuple(zip((share / 100 for share in shares), tokens, strict=True))
        assert "CC BY 4.0" in profile.source


def test_a_shard_stays_below_its_open_files():
    """20,000 streams take two processes, a rehearsal one."""
    assert [shards_for(n) for n in (1, 2000, 10_000, 20_000)] == [1, 1, 1, 2]


def trace_file(tmp_path, *rows):
    path = tmp_path / "trace.csv"
    path.write_text("\n".join(("TIMESTAMP,ContextTokens,GeneratedTokens", *rows)) + "\n")
    return path


def test_a_trace_keeps_its_lengths_and_proportions_and_begins_anew(tmp_path):
    """Two gaps of 1 and 3 stay 1 to 3, at the profile's rate, round after round."""
    path = trace_file(
        tmp_path,
        "2023-11-16 18:00:00.0000000,100,10",
        "2023-11-16 18:00:01.0000000,100,20",
        "2023-11-16 18:00:04.0000000,100,30",
    )
    source = TraceSource(path)
    profile = traffic(streams=50)
    arrivals = list(islice(Schedule(profile, scale=1, seed=1, source=source), 300))
    assert [a.tokens for a in arrivals[:6]] == [10, 20, 30, 10, 20, 30]
    gaps = np.diff([a.at_s for a in arrivals[:3]])
    assert gaps[1] / gaps[0] == pytest.approx(3)
    # 20 tokens at 50/s after 0.1 s are 0.5 s a stream: 50 streams are 100 arrivals a second.
    assert arrivals[-1].at_s == pytest.approx(3.0, rel=0.05)


def test_a_stream_of_a_trace_may_last_as_long_as_the_trace_says(tmp_path):
    """The bound on a stream grows with the longest of the trace, so that none is cut for it."""
    path = trace_file(tmp_path, "2023-11-16 18:00:00,1,4000", "2023-11-16 18:00:01,1,10")
    given = config(9, trace=str(path))
    source, bounded = _traced(given, path)
    assert source.tokens_max == 4000
    assert bounded.stream_bound_s > 4000 / given.traffic.tokens_per_s > given.stream_bound_s
    _, told = _traced(given.model_copy(update={"stream_s_max": 7.0}), path)
    assert told.stream_bound_s == 7.0


@pytest.mark.parametrize(
    "text",
    [b"", b"when,in,out\n2023-11-16 18:00:00,1,1\n", b"\xff\xfe\x00", None],
    ids=["empty", "header", "binary", "missing"],
)
def test_a_file_that_is_no_trace_is_refused_in_one_line(tmp_path, text):
    """Empty, another table, no text, not there: the file and what was expected."""
    path = tmp_path / "trace.csv"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(BadInput, match="expected") as caught:
        TraceSource(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        (["2023-11-16 18:00:00,1,1", "yesterday,1,1"], "line 3"),
        (["2023-11-16 18:00:00,1,1", "2023-11-16 17:00:00,1,1"], "line 3"),
        (["2023-11-16 18:00:00,1,0"], "line 2"),
        (["2023-11-16 18:00:00,1"], "line 2"),
        (["2023-11-16 18:00:00,1,1", "2023-11-16 18:00:00,1,1e3"], "line 3"),
        (["2023-11-16 18:00:00,-1,1"], "ContextTokens from 0 to"),
        (["2023-11-16 18:00:00,1," + "9" * 30], "GeneratedTokens from 1 to 1000000"),
        (["2023-11-16 18:00:00,1,1"] * 2, "arrivals over some time"),
        ([], "0 requests"),
        (["2023-11-16 18:00:00,1,1"], "1 requests"),
    ],
)
def test_a_bad_line_of_a_trace_is_named(tmp_path, rows, where):
    """One line with the file and the number of the line."""
    with pytest.raises(BadInput) as caught:
        TraceSource(trace_file(tmp_path, *rows))
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_streams_climb_slower():
    """At most 150 streams more a second: opening their connections must not fill the machine."""
    assert ramp_seconds(20, 2_000) == 20
    assert ramp_seconds(20, 3_000) == 20
    assert ramp_seconds(20, 20_000) == pytest.approx(133.3, abs=0.1)
    assert ramp_seconds(0, 20_000) == 0, "no ramp was asked for"
