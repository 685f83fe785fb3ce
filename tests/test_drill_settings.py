"""A drill's settings, however they came in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.drill.plan.settings import DrillSettings, parse_settings
from muster.errors import BadInput


def test_nothing_given_means_the_defaults():
    """An empty configuration, or one of empty strings, is the testbed at a tenth."""
    wanted = DrillSettings("testbed", "m3_20k", 0.1, None, 1, None, None)
    assert parse_settings({}) == wanted
    empty = ("target", "profile", "scale", "time_scale", "seed", "defect", "confirm")
    assert parse_settings(dict.fromkeys(empty, "")) == wanted


def test_strings_and_typed_values_mean_the_same():
    """What the environment says in text and `--var` says typed is one setting."""
    text = {"scale": "1", "time_scale": "6.5", "seed": "42", "defect": "queue_stuck"}
    typed = {"scale": 1, "time_scale": 6.5, "seed": 42, "defect": "queue_stuck"}
    assert parse_settings(text) == parse_settings(typed)


BAD = [
    *(("scale", value) for value in (0, -1, "0", "-0.1", 1.01, "nan", "inf", "much", True, [])),
    ("scale", 10**400),
    *(("time_scale", value) for value in (0, 121, "fast", False, {}, float("nan"))),
    *(("seed", value) for value in (-1, "-1", 1.5, "1.5", True, [], "x", "9" * 5000)),
    *(("target", value) for value in (1, True, ["a"])),
    *(("profile", value) for value in (1, {})),
    ("defect", 3),
    ("confirm", True),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), BAD, ids=[f"{k}={str(v)[:20]}" for k, v in BAD])
def test_a_bad_setting_names_its_key_both_ways_in(key, value):
    """One line: `--var` and variable, key, value, and what was expected."""
    with pytest.raises(BadInput) as caught:
        parse_settings({key: value})
    line = str(caught.value)
    assert line.startswith(f"configuration (--var {key} or MUSTER_{key.upper()}): {key}: got ")
    assert ", expected a " in line
    assert len(line.splitlines()) == 1


@given(st.sampled_from(["scale", "time_scale", "seed"]), st.text() | st.floats() | st.integers())
def test_any_value_is_either_within_its_limits_or_bad_input(key, value):
    """No value brings anything but a setting or the house's line."""
    try:
        settings = parse_settings({key: value})
    except BadInput:
        return
    assert 0 < settings.scale <= 1
    assert settings.time_scale is None or 0 < settings.time_scale <= 120
    assert settings.seed >= 0
