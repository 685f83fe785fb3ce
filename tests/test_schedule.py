"""When a drill may begin, as spans and as iCalendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.cli.schedule import schedule
from muster.targets.calendar import Calendar, blocked, next_start
from muster.targets.schedule import LINE_BYTES_MAX, Opening, icalendar, openings

OFFICE = Calendar.model_validate(
    {
        "time_zone": "Europe/Berlin",
        "allowed": [
            {"days": ["mon", "tue"], "from": "09:00", "to": "16:00"},
            {"days": ["tue"], "from": "15:00", "to": "18:00"},
            {"days": ["fri"], "from": "22:00", "to": "02:00"},
        ],
        "frozen": [{"from": date(2026, 12, 18), "to": date(2027, 1, 6), "why": "year's end"}],
        "minutes_left_min": 60,
    }
)
MOMENTS = st.datetimes(datetime(2026, 9, 1), datetime(2027, 4, 30)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_hours_that_adjoin_are_one_span_and_the_last_hour_begins_none():
    """In UTC: Monday to 15:00 in Berlin, Tuesday to 17:00, Friday over midnight."""
    assert openings(OFFICE, at("2026-11-09 00:00"), 7) == [
        Opening(at("2026-11-09 08:00"), at("2026-11-09 14:00")),
        Opening(at("2026-11-10 08:00"), at("2026-11-10 16:00")),
        Opening(at("2026-11-13 21:00"), at("2026-11-14 00:00")),
    ]


def test_a_freeze_leaves_nothing_and_none_begins_just_before_it():
    """The hour that must be left is left before a freeze too."""
    found = openings(OFFICE, at("2026-12-16 00:00"), 24)
    assert found == [Opening(at("2027-01-08 21:00"), at("2027-01-09 00:00"))]


def test_without_a_calendar_every_moment_will_do():
    """Up to the end of what was asked."""
    begin = at("2026-11-09 00:00")
    assert openings(None, begin, 3) == [Opening(begin, begin + timedelta(days=3))]


@settings(max_examples=25, deadline=None)
@given(MOMENTS, st.integers(1, 40), st.integers(0, 40 * 24 * 60))
def test_the_spans_are_what_the_calendar_says(begin, days, minutes):
    """At any moment but the edges; and the first one begins when the calendar says next."""
    found = openings(OFFICE, begin, days)
    moment = begin + timedelta(minutes=minutes % (days * 24 * 60), seconds=17)
    edges = {edge for one in found for edge in (one.start, one.end)}
    if moment not in edges:
        inside = any(one.start < moment < one.end for one in found)
        assert inside == (not blocked(OFFICE, moment))
    if found:
        assert found[0].start == next_start(OFFICE, begin)


def test_icalendar_is_whole_and_its_lines_are_short():
    """Every event with its own name; a name with signs of the format stays text."""
    found = openings(OFFICE, at("2026-11-09 00:00"), 7)
    text = icalendar("a;b," + "x" * 90, found, at("2026-11-09 00:00"))
    lines = text.split("\r\n")
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 3
    assert all(len(line.encode()) <= LINE_BYTES_MAX for line in lines)
    unfolded = text.replace("\r\n ", "")
    assert "SUMMARY:A drill may begin on a\\;b\\," in unfolded
    assert "DTSTART:20261109T080000Z\r\nDTEND:20261109T140000Z" in text
    assert len({line for line in lines if line.startswith("UID:")}) == 3
    assert text.endswith("END:VCALENDAR\r\n")


@pytest.mark.parametrize("ics", [[], ["--ics"]])
def test_the_command_shows_the_example_target(ics):
    """Staging's calendar allows working days, so some day of the next thirty will do."""
    from muster import home

    example = str(home.root() / "targets/staging.example.yaml")
    run = CliRunner().invoke(schedule, ["--target", example, *ics])
    assert run.exit_code == 0
    assert ("BEGIN:VEVENT" in run.output) == bool(ics)


def test_a_target_that_is_never_free_is_told_in_the_exit_code(tmp_path):
    """For a pipeline that plans the next game day."""
    from muster import home

    text = (home.root() / "targets/staging.example.yaml").read_text()
    frozen = '{from: "2000-01-01", to: "2999-01-01"}'
    file = tmp_path / "t.yaml"
    file.write_text(
        text.replace('{from: "2026-12-18", to: "2027-01-06", why: end of the year}', frozen)
    )
    run = CliRunner().invoke(schedule, ["--target", str(file)])
    assert (run.exit_code, "no drill may begin" in run.output) == (1, True)
