"""A drill's settings: configuration values (strings or typed) parsed into one frozen value.

A value may come from the drill's JSON, from `--var` or from the environment. It is checked here in
every case, before anything starts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from muster.errors import BadInput

KEYS = ("target", "profile", "scale", "time_scale", "seed", "defect", "confirm")
"""What every drill declares."""
OPTIONAL = ("hold_connection_share",)
"""What a drill may declare besides."""
ID_VARIABLE = "MUSTER_DRILL_ID"
"""By which a game day tells a drill its id. No setting: nobody else sets it."""
SCALE_MAX = 1.0
TIME_SCALE_MAX = 120.0


@dataclass(frozen=True)
class DrillSettings:
    """The requested settings of a run. `time_scale` None: the target's own;
    `hold_connection_share` None: the profile's own.
    """

    target: str
    profile: str
    scale: float
    time_scale: float | None
    seed: int
    defect: str | None
    confirm: str | None
    hold_connection_share: float | None = None


def parse_settings(configuration: Mapping[str, Any]) -> DrillSettings:
    """The settings in Chaos Toolkit's configuration. Raises BadInput for the first bad one."""
    return DrillSettings(
        target=_text(configuration, "target", "testbed"),
        profile=_text(configuration, "profile", "m3_20k"),
        scale=_number(configuration, "scale", 0.1, SCALE_MAX),
        time_scale=_optional_number(configuration, "time_scale", TIME_SCALE_MAX),
        seed=_whole(configuration, "seed", 1),
        defect=_optional_text(configuration, "defect"),
        confirm=_optional_text(configuration, "confirm"),
        hold_connection_share=_optional_number(configuration, "hold_connection_share", 1.0),
    )


def bad_setting(key: str, value: object, expected: str) -> BadInput:
    """The error for a setting: the line says by what it was given."""
    return BadInput(f"configuration (--var {key} or MUSTER_{key.upper()})", key, value, expected)


def _given(configuration: Mapping[str, Any], key: str) -> Any:
    value = configuration.get(key)
    return None if value is None or value == "" else value


def _text(configuration: Mapping[str, Any], key: str, default: str) -> str:
    value = _given(configuration, key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise bad_setting(key, value, "a name")
    return value


def _optional_text(configuration: Mapping[str, Any], key: str) -> str | None:
    return _text(configuration, key, "") or None


def _number(configuration: Mapping[str, Any], key: str, default: float, most: float) -> float:
    value = _optional_number(configuration, key, most)
    return default if value is None else value


def _optional_number(configuration: Mapping[str, Any], key: str, most: float) -> float | None:
    value = _given(configuration, key)
    if value is None:
        return None
    expected = f"a number over 0 and at most {most:g}"
    if isinstance(value, bool):
        raise bad_setting(key, value, expected)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise bad_setting(key, value, expected) from error
    if not (math.isfinite(number) and 0 < number <= most):
        raise bad_setting(key, value, expected)
    return number


def _whole(configuration: Mapping[str, Any], key: str, default: int) -> int:
    value = _given(configuration, key)
    if value is None:
        return default
    expected = "a whole number from 0"
    if isinstance(value, (bool, float)):
        raise bad_setting(key, value, expected)
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise bad_setting(key, value, expected) from error
    if number < 0:
        raise bad_setting(key, value, expected)
    return number
