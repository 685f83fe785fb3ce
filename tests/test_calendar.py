"""When a drill may run: wall time of a zone, whatever daylight saving does to it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_targets import shared_document, write_target

from muster import targets
from muster.errors import BadInput
from muster.targets.calendar import Calendar, blocked, next_start

OFFICE = Calendar.model_validate(
    {
        "time_zone": "Europe/Berlin",
        "allowed": [{"days": ["mon", "tue", "wed", "thu"], "from": "09:00", "to": "16:00"}],
        "frozen": [
            {"from": date(2026, 12, 18), "to": date(2027, 1, 6), "why": "year's end"},
            {"from": datetime(2026, 11, 25, 12), "to": datetime(2026, 11, 25, 14)},
        ],
        "minutes_left_min": 30,
    }
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("2026-11-24 08:00", ""),  # Tuesday, 09:00 in Berlin
        ("2026-11-24 07:59", "Tue 2026-11-24 08:59 CET is outside the allowed hours"),
        ("2026-11-24 14:30", ""),
        ("2026-11-24 14:31", "outside the allowed hours with 30 minutes left"),
        ("2026-11-27 10:00", "Fri 2026-11-27 11:00 CET is outside"),
        ("2026-11-25 10:29", ""),
        ("2026-11-25 10:30", "frozen from Wed 2026-11-25 12:00 CET to Wed 2026-11-25 14:00 CET"),
        ("2026-11-25 13:00", ""),
        ("2026-12-21 10:00", "to Thu 2027-01-07 00:00 CET (year's end)"),
        ("2027-01-07 08:00", ""),
        ("2026-07-07 07:00", ""),  # 09:00 CEST: the same wall time, another moment
        ("2026-07-07 06:59", "08:59 CEST is outside"),
    ],
)
def test_hours_and_freezes_are_wall_time_of_the_zone(at, why):
    """Edges to the minute, in winter and in summer, with the time that must be left."""
    found = blocked(OFFICE, utc(at))
    assert (why in found) if why else (found == "")


@pytest.mark.parametrize(
    ("at", "next_at"),
    [
        ("2026-11-24 10:00", "2026-11-24 10:00"),
        ("2026-11-24 15:00", "2026-11-25 08:00"),
        ("2026-11-25 10:30", "2026-11-25 13:00"),
        ("2026-11-26 15:00", "2026-11-30 08:00"),
        ("2026-12-17 20:00", "2027-01-07 08:00"),
        ("2026-03-26 16:00", "2026-03-30 07:00"),  # over the change of the clocks
    ],
)
def test_the_next_moment_is_the_first_that_is_allowed(at, next_at):
    """Past nights, weekends, freezes, and changes of the clocks."""
    assert next_start(OFFICE, utc(at)) == utc(next_at)


def test_an_hour_that_comes_twice_is_the_shorter_window_and_the_longer_freeze():
    """25 October 2026, 02:30 in Berlin is both 00:30 and 01:30 UTC."""
    window = {"time_zone": "Europe/Berlin", "allowed": [{"from": "02:30", "to": "12:00"}]}
    twice = Calendar.model_validate(window)
    assert blocked(twice, utc("2026-10-25 00:45"))
    assert not blocked(twice, utc("2026-10-25 01:30"))
    day = datetime(2026, 10, 25)
    frozen = [{"from": day.replace(hour=1), "to": day.replace(hour=2, minute=30)}]
    freeze = Calendar.model_validate({"time_zone": "Europe/Berlin", "frozen": frozen})
    assert blocked(freeze, utc("2026-10-25 01:29"))
    assert not blocked(freeze, utc("2026-10-25 01:30"))


def test_a_day_in_quotes_is_frozen_whole_too():
    """The last day of a freeze is a day, whether YAML read it as one or as a text."""
    for day in ("2026-12-18", date(2026, 12, 18)):
        frozen = [{"from": day, "to": day}]
        calendar = Calendar.model_validate({"time_zone": "UTC", "frozen": frozen})
        assert blocked(calendar, utc("2026-12-18 23:59"))
        assert not blocked(calendar, utc("2026-12-19 00:00"))


def test_windows_over_midnight_and_windows_that_touch_are_one():
    """From 22:00 to 04:00, and 00:00 to 24:00 of every day, leave no gap."""
    night = Calendar.model_validate(
        {
            "time_zone": "UTC",
            "allowed": [{"days": ["fri"], "from": "22:00", "to": "04:00"}],
        }
    )
    assert not blocked(night, utc("2026-11-28 03:59"))
    assert blocked(night, utc("2026-11-28 04:01"))
    always = Calendar.model_validate(
        {
            "time_zone": "America/New_York",
            "allowed": [{"from": "00:00", "to": "24:00"}],
            "minutes_left_min": 300,
        }
    )
    assert not blocked(always, utc("2026-11-01 04:00"))


def test_without_a_calendar_or_without_hours_only_freezes_count():
    """Nothing said is nothing forbidden; frozen for good has no next moment."""
    assert blocked(None, utc("2026-01-01 00:00")) == ""
    for_good = {"from": date(2020, 1, 1), "to": date(9998, 1, 1)}
    ever = Calendar.model_validate({"time_zone": "UTC", "frozen": [for_good]})
    assert next_start(ever, utc("2026-01-01 00:00")) == utc("9998-01-02 00:00")
    shut = {"time_zone": "UTC", "allowed": [{"from": "10:00", "to": "10:30"}]}
    never = Calendar.model_validate(shut | {"minutes_left_min": 60})
    assert next_start(never, utc("2026-01-01 00:00")) is None


@given(st.integers(0, 3 * 366 * 24 * 60))
def test_what_is_told_as_the_next_moment_is_allowed(minutes):
    """Whenever one asks, the answer is not before that and holds."""
    at = utc("2026-01-01 00:00") + timedelta(minutes=minutes)
    found = next_start(OFFICE, at)
    assert found is not None
    assert found >= at
    assert blocked(OFFICE, found) == ""
    assert (found == at) is (blocked(OFFICE, at) == "")


@pytest.mark.parametrize(
    ("calendar", "line"),
    [
        ({}, "calendar.time_zone: got nothing, expected this key to be given"),
        ({"time_zone": "CEST5"}, "calendar.time_zone: got 'CEST5', expected a time zone of the"),
        ({"time_zone": "../etc"}, "calendar.time_zone: got '../etc', expected a time zone of"),
        (
            {"time_zone": "UTC", "allowed": [{"from": 540, "to": "16:00"}]},
            "calendar.allowed.0.from: got 540, expected a text",
        ),
        (
            {"time_zone": "UTC", "allowed": [{"from": "9:00", "to": "16:00"}]},
            "calendar.allowed.0.from: got '9:00', expected HH:MM in quotes",
        ),
        (
            {"time_zone": "UTC", "allowed": [{"from": "09:00", "to": "24:01"}]},
            "calendar.allowed.0.to: got '24:01', expected HH:MM in quotes",
        ),
        (
            {"time_zone": "UTC", "allowed": [{"days": ["monday"], "from": "09:00", "to": "10:00"}]},
            "calendar.allowed.0.days.0: got 'monday', expected 'mon', 'tue'",
        ),
        (
            {"time_zone": "UTC", "frozen": [{"from": date(2026, 2, 2), "to": date(2026, 2, 1)}]},
            "calendar.frozen.0.to: got ",
        ),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused(tmp_path, calendar, line):
    """By the key that is off; a freeze that ends before it begins would freeze nothing."""
    data = shared_document("http://127.0.0.1:9") | {"calendar": calendar}
    with pytest.raises(BadInput) as caught:
        targets.load(write_target(tmp_path / "t.yaml", data))
    assert line in str(caught.value)
