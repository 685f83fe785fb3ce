"""The contract's parts by themselves: shares, profiles, lengths, and what the refusals name."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
import yaml

from muster import home
from muster.contract import load, parse_profile, profile_named
from muster.contract.model import parse_share, per_cent
from muster.contract.parse import FILE_NAME, parse_contract
from muster.errors import BadInput

DATA = yaml.safe_load((home.root() / FILE_NAME).read_text())


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("99.5%", Fraction(199, 200)),
        (" 4 % ", Fraction(1, 25)),
        ("0%", Fraction(0)),
        ("100%", Fraction(1)),
        (Fraction(1, 3), Fraction(1, 3)),
    ],
)
def test_a_share_is_read_from_per_cent(text, share):
    """With or without a space; a share that is one already stays."""
    assert parse_share(text) == share


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("99.5", "^a share in per cent such as 99.5%$"),
        ("5%%", "per cent"),
        (0.5, "per cent"),
        (None, "per cent"),
        ("-1%", "per cent"),
        ("100.1%", "^a share from 0% to 100%$"),
        (Fraction(3, 2), "from 0% to"),
        (Fraction(-1, 2), "from 0% to"),
    ],
)
def test_what_is_no_share_is_refused(value, wanted):
    """It says what was expected."""
    with pytest.raises(ValueError, match=wanted):
        parse_share(value)


def test_a_share_is_written_as_far_as_it_goes():
    """To nine digits; zeros at its end are left out, those before the point are not."""
    shares = (Fraction(1, 3), Fraction(1, 10), Fraction(1), Fraction(0), Fraction(1, 2000))
    assert [per_cent(s) for s in shares] == ["33.333333333%", "10%", "100%", "0%", "0.05%"]


def test_a_sample_may_stand_for_four_scrapes_and_three_seconds_at_least():
    """Whichever is longer."""
    rules = load().measurement
    assert [rules.gap_s_max(scrape_s) for scrape_s in (0.25, 0.75, 1.0, 15.0)] == [3, 3, 4, 60]


def profile(**changes):
    plain = load().profiles["m1_1k"].model_dump(mode="json")
    return parse_profile("own", {**plain, **changes}, "target.yaml")


def test_streams_of_one_length_remember_themselves_for_half_of_it():
    """100 tokens at 10 a second after 2 s are 12 s; drawn anew, 6 s of one are left."""
    one = profile(
        stream_tokens_quantiles=[["0%", 100], ["100%", 100]],
        tokens_per_s=10,
        first_token_s_mean=2,
        streams=1200,
    )
    assert (one.mean_tokens, one.mean_stream_s) == (100.0, 12.0)
    assert one.residual_s == pytest.approx(6.0)
    assert one.arrivals_per_s(0.5) == 50.0
    assert [one.streams_at(scale) for scale in (1.0, 0.1, 0.0001)] == [1200, 120, 1]


def test_streams_of_many_lengths_are_drawn_between_the_quantiles():
    """From 3 to 13 s evenly, and a half of them longer than that."""
    even = profile(
        stream_tokens_quantiles=[["0%", 10], ["100%", 110]], tokens_per_s=10, first_token_s_mean=2
    )
    assert even.mean_stream_s == 8.0
    assert even.residual_s == pytest.approx((9 + 39 + 169) / 3 / 16)
    bent = profile(
        stream_tokens_quantiles=[["0%", 10], ["50%", 30], ["100%", 110]],
        tokens_per_s=10,
        first_token_s_mean=2,
    )
    assert bent.mean_tokens == 45.0
    square = (9 + 15 + 25) / 6 + (25 + 65 + 169) / 6
    assert bent.residual_s == pytest.approx(square / (2 * 6.5))


SHOWN = "less than 100%, which no sample can show"
RISING = "shares rising from 0% to 100%"


def refused(change, key, got, wanted):
    data = json.loads(json.dumps(DATA))
    change(data)
    with pytest.raises(BadInput) as caught:
        parse_contract(data, "c.yaml")
    message = str(caught.value)
    assert message.startswith(f"c.yaml: {key}: got ")
    assert got in message
    assert message.endswith(f", expected {wanted}")


def test_refusals_name_what_was_given_and_what_fits():
    """The value as it stands there, and every value that would do."""

    def first(key, value):
        return lambda data: data["tiers"]["L"].update({key: value})

    edges = DATA["measurement"]["first_token_edges_s"]
    refused(
        first("first_token_p95_s_max", 2.6),
        "tiers.L.first_token_p95_s_max",
        "2.6",
        "an edge of measurement.first_token_edges_s: " + ", ".join(f"{e:g}" for e in edges),
    )
    top = DATA["measurement"]["completion_edges_s"][-1]
    refused(
        first("completion_p95_s_max", float(top)),
        "tiers.L.completion_p95_s_max",
        f"{top}",
        "an edge of measurement.completion_edges_s above it",
    )
    refused(first("availability_min", "100%"), "tiers.L.availability_min", "'100%'", SHOWN)

    def quantiles(points):
        return lambda data: data["profiles"]["m3_20k"].update(stream_tokens_quantiles=points)

    key = "profiles.m3_20k.stream_tokens_quantiles"
    for points in (
        [["1%", 5], ["100%", 9]],
        [["0%", 5], ["99%", 9]],
        [["0%", 5], ["50%", 6], ["50%", 7], ["100%", 9]],
    ):
        refused(quantiles(points), key, "'0.5'" if len(points) > 2 else "0", RISING)
    refused(quantiles([["0%", 5], ["100%", 4]]), key, "[5.0, 4.0]", "tokens that never decrease")

    def both_edges(data):
        data["measurement"]["completion_edges_s"] = [1, 1, 20]

    refused(both_edges, "measurement.completion_edges_s", "(1", "strictly rising edges")

    def waits(data):
        data["profiles"]["m3_20k"]["retry"]["backoff_s"] = [6, 1]

    refused(waits, "profiles.m3_20k.retry.backoff_s", "[6", "a range from low to high")

    def streams(data):
        data["profiles"]["m2_5k"]["streams"] = 4000

    refused(
        streams,
        "profiles.m2_5k.streams",
        "4000",
        "5000, the streams of tier G, because gates.M2.profile names it",
    )

    def unknown(data):
        data["gates"]["M2"]["profile"] = "m9"

    refused(unknown, "gates.M2.profile", "'m9'", "one of m1_1k, m2_5k, m3_20k")
    for part, name in (("tiers", "X"), ("gates", "M3")):

        def lost(data, part=part, name=name):
            del data[part][name]

        refused(lost, f"{part}.{name}", "None", "this key to be given")


def test_a_profile_that_is_not_there_or_does_not_fit_is_refused():
    """By its name, or by the file that it stands in and its key."""
    with pytest.raises(BadInput) as caught:
        profile_named(load(), "m4")
    assert str(caught.value) == "profile: got 'm4', expected one of m1_1k, m2_5k, m3_20k"
    with pytest.raises(BadInput) as caught:
        profile(retry={"attempts_max": 1, "backoff_s": [3, 2]})
    assert str(caught.value).startswith("target.yaml: profiles.own.retry.backoff_s: got ")
    with pytest.raises(BadInput, match=r"^target\.yaml: streams: got 0"):
        profile(streams=0)


def test_equal_quantiles_of_tokens_and_equal_waits_are_allowed():
    """Streams of one length, retries after one wait."""
    one = profile(
        stream_tokens_quantiles=[["0%", 9], ["100%", 9]],
        retry={"attempts_max": 1, "backoff_s": [2, 2]},
    )
    assert one.retry.backoff_s == (2, 2)


def test_every_part_knows_its_name():
    """By which findings and gates call it."""
    contract = load()
    for items in (contract.tiers, contract.gates, contract.profiles):
        assert {name: item.name for name, item in items.items()} == {n: n for n in items}
