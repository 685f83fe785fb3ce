"""Load profiles by name, and what one extends."""

from __future__ import annotations

from typing import Any

import pytest

from muster import contract, targets
from muster.contract import find_profile
from muster.errors import BadInput

CONTRACT = contract.load()
SMALL: dict[str, Any] = {"extends": "m3_20k", "streams": 60, "source": "choice: a small platform"}


def found(name: str, **own: Any) -> contract.Profile:
    """The profile of that name; it is there."""
    one = find_profile(name, own, CONTRACT, "target t")
    assert one is not None
    return one


def test_what_is_not_said_is_taken_over_from_the_contracts_profile() -> None:
    """And what is said stands instead; the name is the profile's own."""
    one, base = found("small", small=SMALL), CONTRACT.profiles["m3_20k"]
    assert (one.name, one.streams, one.source) == ("small", 60, "choice: a small platform")
    same = {"name": "small", "streams": 60, "source": one.source}
    assert one == base.model_copy(update=same)


def test_a_profile_may_extend_another_own_one() -> None:
    """What it says wins over both."""
    one = found("tiny", small=SMALL, tiny={"extends": "small", "streams": 6, "canaries_per_s": 1})
    assert (one.streams, one.canaries_per_s, one.source) == (6, 1, "choice: a small platform")


def test_a_profile_that_nobody_has_is_none() -> None:
    """Each caller names it in its own words."""
    assert find_profile("other", {"small": SMALL}, CONTRACT, "target t") is None
    assert found("m1_1k") == CONTRACT.profiles["m1_1k"]


@pytest.mark.parametrize(
    ("own", "line"),
    [
        (
            {"small": {"extends": "m3_2k"}},
            "profiles.small.extends: got 'm3_2k', expected one of the profiles m1_1k, m2_5k, "
            "m3_20k (did you mean m3_20k?)",
        ),
        (
            {"small": {"extends": ["m3_20k"]}},
            "profiles.small.extends: got ['m3_20k'], expected one of the profiles",
        ),
        (
            {"small": {"extends": "small"}},
            "profiles.small.extends: got 'small', expected a profile that is not made of this one "
            "(small -> small)",
        ),
        (
            {"small": {"extends": "a"}, "a": {"extends": "b"}, "b": {"extends": "a"}},
            "profiles.b.extends: got 'a', expected a profile that is not made of this one "
            "(a -> b -> a)",
        ),
        ({"small": {"extends": "a"}, "a": 7}, "profiles.a: got 7, expected a mapping of keys"),
        ({"small": {**SMALL, "streams": 0}}, "profiles.small: streams: got 0, expected"),
        ({"small": {**SMALL, "stream": 6}}, "profiles.small: stream: got 6, expected one of the"),
        (
            {"small": {**SMALL, "retry": {"attempts_max": 2}}},
            "profiles.small: retry.backoff_s: got nothing, expected this key to be given",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(own: dict[str, Any], line: str) -> None:
    """Unknown names with the nearest, circles with their way, and keys as everywhere."""
    with pytest.raises(BadInput) as caught:
        found("small", **own)
    assert str(caught.value).startswith(f"target t: {line}")
    assert "\n" not in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """A line for each key."""
    with pytest.raises(BadInput) as caught:
        found("small", small={**SMALL, "streams": 0, "ramp_s": -1})
    assert [one.key for one in caught.value.each] == ["streams", "ramp_s"]


def test_the_foreign_targets_profile_is_the_contracts_at_60_streams() -> None:
    """Its lengths, speed and retries; fewer resolvers and canaries."""
    own = targets.load("foreign").profiles
    one, base = found("chat_60", **own), CONTRACT.profiles["m3_20k"]
    assert (one.streams, one.resolver_caches, one.canaries_per_s) == (60, 1000, 4.5)
    assert one.stream_tokens_quantiles == base.stream_tokens_quantiles
    assert one.retry == base.retry
    both = found("chat_60_both", **own)
    assert (both.streams, both.resolver_caches, both.canaries_per_s) == (60, 1000, 9)
