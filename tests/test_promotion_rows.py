"""Each trigger's row of one region in a promotion: whole rows, on both sides of each border."""

from __future__ import annotations

import pytest

from muster.contract import load
from muster.guard.promotion_rows import Row, Rules, codes_wrong, rows_of
from muster.guard.rate_triggers import WindowCounts

CONTRACT = load()
REASONS = CONTRACT.triggers.hard_failure.reasons
END_S = 700
SPAN = (0.0, float(END_S))
STALE_S = 4.0
TRIGGERS = (
    "rate_5xx",
    "success_2xx",
    "queue_age",
    "circuit_open",
    *(f"hard_failure:{reason}" for reason in REASONS),
)


def rules(**changed):
    """Tier G in gate M3: 0.5 % 5xx and 95 % 2xx; scraped once a second."""
    gate, tier = CONTRACT.gates["M3"], CONTRACT.tiers["G"]
    return Rules(CONTRACT, gate, tier, ("r",), 1.0, **changed)


def shown(signal, value=0.0, *, keep=lambda t: True, **labels):
    """A series of the region, sampled each second; `value` may depend on the second."""
    times = [float(t) for t in range(END_S + 1) if keep(t)]
    values = [value(t) if callable(value) else value for t in times]
    return (signal, f"x_{signal}", {"region": "r", "instance": "a", **labels}, times, values)


def healthy(without="", *more):
    """All signals of a healthy region, as seldom as is enough, without one of them, and more."""

    def seldom(signal, value=0.0, **labels):
        return shown(signal, value, keep=lambda t: t % STALE_S == 0, **labels)

    series = [
        seldom("requests", lambda t: t, code="200"),
        seldom("streams_broken"),
        seldom("queue_age"),
        seldom("circuit_open", route="primary"),
        *(seldom("admission_failures", reason=reason) for reason in REASONS),
    ]
    return [one for one in series if one[0] != without] + list(more)


def windows(*bads, total=1000.0, region="r", source="server", slo="rate_5xx"):
    """Windows of a minute; each with so many bad attempts of one kind, None: unknown."""
    return [
        WindowCounts(
            region,
            source,
            60.0 * n,
            60.0 * n + 60,
            None if bad is None else total,
            {"rate_5xx": 0.0, "success_2xx": 0.0} | {slo: bad},
        )
        for n, bad in enumerate(bads)
    ]


def rows(own=None, closed=None, span=SPAN, **changed):
    own = healthy() if own is None else own
    closed = windows(*[0.0] * 11) if closed is None else closed
    found = rows_of(rules(**changed), "r", own, closed, span)
    assert tuple(row.trigger for row in found) == TRIGGERS
    assert {row.region for row in found} == {"r"}
    return {row.trigger: row for row in found}


def row(trigger, *arguments, **named):
    return rows(*arguments, **named)[trigger]


def unknown(trigger, detail, since_s=None):
    return Row(trigger, "r", "unknown", detail, since_s)


def held(trigger, detail="", since_s=None):
    return Row(trigger, "r", "held", detail, since_s)


def test_a_healthy_region_holds_by_every_trigger():
    """The rates by their windows; what is held and quiet needs no words."""
    judged = "11 windows judged"
    assert rows() == {
        trigger: held(trigger, judged if trigger in ("rate_5xx", "success_2xx") else "")
        for trigger in TRIGGERS
    }


def test_how_long_each_trigger_must_be_watched():
    """Its own time, and six seconds in which samples may be late."""
    assert rules().fires_after_s == {
        "rate_5xx": 306.0,
        "success_2xx": 606.0,
        "circuit_open": 126.0,
        "queue_age": 606.0,
        "hard_failure": 66.0,
    }
    assert rules().needed_s == 606.0
    assert rules().stale_s == STALE_S


# Rates


@pytest.mark.parametrize(
    ("bads", "expected"),
    [
        ([0.0] * 5, held("rate_5xx", "5 windows judged")),
        ([0.0] * 4, unknown("rate_5xx", "4 windows with requests were judged, 5 are needed")),
        ([5.0] * 9, held("rate_5xx", "9 windows judged")),  # at the limit of 0.5 %
        ([6.0] * 4, unknown("rate_5xx", "4 windows with requests were judged, 5 are needed")),
        ([11.0] * 4 + [0.0] * 2, held("rate_5xx", "6 windows judged")),
        ([0.0] * 2 + [11.0] * 4, held("rate_5xx", "in breach for 4 of 5 windows", 120.0)),
        ([0.0] * 4 + [11.0], held("rate_5xx", "in breach for 1 of 5 windows", 240.0)),
        (
            [0.0] * 3 + [11.0, None, 11.0, None, 11.0],
            unknown("rate_5xx", "2 windows without data may hide 5 in breach in a row", 180.0),
        ),
        (
            [11.0] * 3 + [None] * 2,
            unknown("rate_5xx", "2 windows without data may hide 5 in breach in a row", 0.0),
        ),
        (
            [None] * 5 + [0.0] * 9,
            unknown("rate_5xx", "5 windows without data may hide 5 in breach in a row"),
        ),
        (
            [0.0] * 5 + [None] * 4,
            held("rate_5xx", "in breach for 4 of 5 windows", 300.0),
        ),
    ],
)
def test_windows_in_breach_or_without_data_are_counted_in_a_row(bads, expected):
    """Five fire; one that held ends the run, and an unknown one may be in breach."""
    found = row("rate_5xx", closed=windows(*bads))
    if "needed" in expected.detail:
        expected = unknown("rate_5xx", expected.detail + " to fire")
    assert found == expected


def test_each_rate_has_its_own_count_its_own_limit_and_its_own_number_of_windows():
    """5 % may be no success, in ten windows; and 5xx know nothing of it."""
    bads = [0.0] * 3 + [51.0] * 9
    found = rows(closed=windows(*bads, slo="success_2xx"))
    assert found["success_2xx"] == held("success_2xx", "in breach for 9 of 10 windows", 180.0)
    assert found["rate_5xx"] == held("rate_5xx", "12 windows judged")
    at_limit = rows(closed=windows(*[50.0] * 10, slo="success_2xx"))
    assert at_limit["success_2xx"] == held("success_2xx", "10 windows judged")
    few = rows(closed=windows(*[0.0] * 9))["success_2xx"]
    assert few.detail == "9 windows with requests were judged, 10 are needed to fire"


def test_a_window_without_its_bad_count_is_unknown_and_one_without_requests_is_none():
    """The first may be in breach; the second neither counts nor ends a run."""

    def one(total, bad):
        return WindowCounts("r", "server", 300.0, 360.0, total, {"rate_5xx": bad, "success_2xx": 0})

    some = windows(*[0.0] * 5)
    found = row("rate_5xx", closed=[*some, one(900.0, None)])
    assert found == held("rate_5xx", "in breach for 1 of 5 windows", 300.0)
    found = row("rate_5xx", closed=[*some, *windows(11.0, 11.0), one(0.0, 0.0)])
    assert found == held("rate_5xx", "in breach for 2 of 5 windows", 0.0)
    for closed in ([*some, one(0.0, 0.0)], [one(0.0, 0.0), *some]):
        assert row("rate_5xx", closed=closed).detail == "5 windows judged"
    few = windows(*[0.0] * 5, total=100.0)
    assert row("rate_5xx", closed=few) == held("rate_5xx", "5 windows judged")


def test_only_the_platforms_windows_of_the_region_since_it_is_there_count():
    """Not another region's, not the load's, none that began before; one at its start does."""
    good = windows(*[0.0] * 11)
    for other in ({"region": "s"}, {"source": "client"}, {"region": None}):
        closed = [*good, *windows(*[900.0] * 6, **other)]
        assert row("rate_5xx", closed=closed) == held("rate_5xx", "11 windows judged")
        closed = [*windows(*[900.0] * 6, **other), *good]
        assert row("rate_5xx", closed=closed) == held("rate_5xx", "11 windows judged")
    late = row("rate_5xx", closed=windows(*[900.0] * 2, *[0.0] * 6), span=(120.0, 700.0))
    assert late == held("rate_5xx", "6 windows judged")
    late = row("rate_5xx", closed=windows(*[0.0] * 6), span=(60.5, 700.0))
    assert late.detail == "4 windows with requests were judged, 5 are needed to fire"


def test_counts_between_whole_numbers_are_rounded():
    """A count over a window's edges is no whole number; 5.4 of 1,000.4 is 5 of 1,000."""
    closed = windows(*[5.4] * 5, total=1000.4)
    assert row("rate_5xx", closed=closed) == held("rate_5xx", "5 windows judged")
    closed = windows(*[0.0] * 5, *[5.6] * 4, total=1000.4)
    assert row("rate_5xx", closed=closed).detail == "in breach for 4 of 5 windows"


def test_no_rate_is_judged_by_codes_that_are_none():
    """The first wrong one is said; what it counts is unknown in both rates."""
    for code in ("2xx", "20", "2000", "600", "099", "", "２００"):
        own = healthy("", shown("requests", code=code))
        said = f"requests has code={code!r}, which is no three-digit HTTP status"
        assert codes_wrong(own) == said
        found = rows(own)
        assert found["rate_5xx"] == unknown("rate_5xx", said)
        assert found["success_2xx"] == unknown("success_2xx", said)
    for code in ("100", "204", "301", "429", "599"):
        assert codes_wrong([shown("requests", code=code)]) == ""
    nameless = shown("requests")
    assert "code=''" in codes_wrong([shown("requests", code="200"), nameless])
    assert codes_wrong([shown("streams_broken", code="x")]) == ""


def test_broken_streams_that_a_target_names_must_be_there():
    """Without them a stream that was cut counts as a success; 5xx need them not."""
    found = rows(healthy("streams_broken"))
    said = "streams_broken has no series, although the target names it"
    assert found["success_2xx"] == unknown("success_2xx", said)
    assert found["rate_5xx"].state == "held"
    unnamed = rows(healthy("streams_broken"), streams_broken_named=False)
    assert unnamed["success_2xx"].state == "held"


# Samples that are not there


NEEDED = {
    "rate_5xx": ("requests", {"code": "200"}, "requests"),
    "success_2xx": ("requests", {"code": "200"}, "requests"),
    "queue_age": ("queue_age", {}, "queue_age"),
    "circuit_open": ("circuit_open", {"route": "primary"}, "circuit_open of route primary"),
    TRIGGERS[4]: (
        "admission_failures",
        {"reason": REASONS[0]},
        f"admission_failures of reason {REASONS[0]}",
    ),
}


@pytest.mark.parametrize("trigger", NEEDED)
def test_a_signal_without_samples_is_unknown(trigger):
    """None at all, none with a value, none of the part that is judged, none for long."""
    signal, labels, what = NEEDED[trigger]
    none = unknown(trigger, f"{what} has no samples")

    def told(*series):
        return row(trigger, healthy(signal, *series))

    assert told() == none
    assert told(shown(signal, None, **labels)) == none
    assert told(shown(signal, keep=lambda t: False, **labels)) == none
    if signal != "requests" and labels:
        assert told(shown(signal, **dict.fromkeys(labels, "other"))) == none
    ended = told(shown(signal, keep=lambda t: t <= 691, **labels))
    assert ended == unknown(trigger, f"no sample of {what} for 9 s")
    nothing = told(shown(signal, lambda t: None if t > 691 else 0.0, **labels))
    assert nothing == unknown(trigger, f"no sample of {what} for 9 s")
    recent = told(shown(signal, keep=lambda t: t <= 692, **labels))
    assert recent.state == "held"
    both = told(
        shown(signal, keep=lambda t: t <= 600, instance="b", **labels), shown(signal, **labels)
    )
    assert both.state == "held"


def test_one_sample_is_one():
    """At the end of the span, and the only one of its series."""
    once = shown("requests", keep=lambda t: t == END_S, code="200")
    assert row("rate_5xx", healthy("requests", once)) == held("rate_5xx", "11 windows judged")


def test_samples_after_the_span_say_nothing_of_it():
    """Its end is asked for, and what was seen until then."""
    queue = shown("queue_age", keep=lambda t: t <= 600 or t == 700)
    found = row("queue_age", healthy("queue_age", queue), span=(-100.0, 650.0))
    assert found == unknown("queue_age", "no sample of queue_age for 50 s")


# Gauges and counters that must be seen


def queue_row(value, *, span=SPAN, keep=lambda t: True):
    return row("queue_age", healthy("queue_age", shown("queue_age", value, keep=keep)), span=span)


def test_a_queue_is_clear_at_its_limit_and_not_over_it():
    """Thirty seconds; over it for longer than it takes to fire was not seen clear."""
    assert queue_row(30.0) == held("queue_age")
    said = "not seen at or under its limit for 700 s; it fires after 600 s"
    assert queue_row(30.1) == unknown("queue_age", said, 0.0)


@pytest.mark.parametrize(("over_s", "state"), [(602, "held"), (603, "unknown")])
def test_a_signal_may_be_unseen_for_as_long_as_it_takes_to_fire_and_two_scrapes(over_s, state):
    """From the last clear sample before to the first one after; since when is said."""
    found = queue_row(lambda t: 31.0 if 50 < t < 50 + over_s else 0.0)
    if state == "held":
        assert found == held("queue_age")
        return
    said = f"not seen at or under its limit for {over_s} s; it fires after 600 s"
    assert found == unknown("queue_age", said, 50.0)


@pytest.mark.parametrize(("over_s", "state"), [(604, "held"), (605, "unknown")])
def test_two_scrapes_are_as_long_as_the_scrapes_are(over_s, state):
    """Every two seconds: four more than it takes to fire."""
    gate, tier = CONTRACT.gates["M3"], CONTRACT.tiers["G"]
    slow = Rules(CONTRACT, gate, tier, ("r",), 2.0)
    queue = shown("queue_age", lambda t: 31.0 if 50 < t < 50 + over_s else 0.0)
    found = rows_of(slow, "r", healthy("queue_age", queue), windows(*[0.0] * 11), SPAN)
    assert [one.state for one in found if one.trigger == "queue_age"] == [state]


@pytest.mark.parametrize(("over_s", "told"), [(4, False), (5, True)])
def test_a_signal_that_is_not_clear_at_the_end_is_held_and_said(over_s, told):
    """Longer than a sample may be old; since its last clear sample."""
    found = queue_row(lambda t: 31.0 if t > 700 - over_s else 0.0)
    since_s = 700.0 - over_s
    said = held("queue_age", f"not at or under its limit for {over_s} s", since_s)
    assert found == (said if told else held("queue_age"))


def test_a_signal_that_was_never_clear_but_not_for_too_long_counts_from_the_start():
    """601 s of watching; and a region that is there for less than it takes is unknown."""
    found = queue_row(31.0, span=(99.0, 700.0))
    assert found == held("queue_age", "not at or under its limit for 601 s", 99.0)
    short = queue_row(0.0, span=(100.0, 700.0))
    said = "in rotation and watched for 600 s, over 600 s are needed"
    assert short == unknown("queue_age", said)


def test_what_was_seen_before_the_span_or_at_its_start_is_not_of_it():
    """A clear sample at the end is."""
    found = queue_row(lambda t: 0.0 if t in (97, 98) else 31.0, span=(97.0, 700.0))
    said = "not seen at or under its limit for 602 s; it fires after 600 s"
    assert found == held("queue_age", "not at or under its limit for 602 s", 98.0)
    found = queue_row(lambda t: 0.0 if t == 96 else 31.0, span=(97.0, 700.0))
    assert found == unknown("queue_age", said.replace("602", "603"), 97.0)
    assert queue_row(lambda t: 0.0 if t == 700 else 31.0, span=(98.0, 700.0)) == held("queue_age")


def test_a_circuit_is_closed_at_zero_and_open_above():
    """Of the judged route alone; two minutes and two scrapes."""

    def told(value, **labels):
        circuit = shown("circuit_open", value, **{"route": "primary", **labels})
        return row("circuit_open", healthy("circuit_open", circuit))

    assert told(0.0) == held("circuit_open")
    assert told(-1.0) == held("circuit_open")
    said = "not seen closed for 123 s; it fires after 120 s"
    assert told(lambda t: 1.0 if 50 < t < 173 else 0.0) == unknown("circuit_open", said, 50.0)
    assert told(lambda t: 0.5 if 50 < t < 172 else 0.0) == held("circuit_open")
    late = told(lambda t: 1.0 if t > 600 else 0.0)
    assert late == held("circuit_open", "not closed for 100 s", 600.0)
    other = healthy("", shown("circuit_open", 1.0, route="fallback"))
    assert row("circuit_open", other) == held("circuit_open")


def test_hard_failures_must_be_sampled_reason_by_reason():
    """Any value is one; a minute and two scrapes without any could hide one."""
    first, *others = REASONS

    def told(keep):
        failures = [shown("admission_failures", lambda t: t, reason=first, keep=keep)]
        failures += [shown("admission_failures", 9.0, reason=reason) for reason in others]
        found = rows(healthy("admission_failures", *failures))
        for reason in others:
            assert found[f"hard_failure:{reason}"] == held(f"hard_failure:{reason}")
        return found[f"hard_failure:{first}"]

    name = f"hard_failure:{first}"
    assert told(lambda t: not 50 < t < 112) == held(name)
    said = "not seen sampled for 63 s; it fires after 60 s"
    assert told(lambda t: not 50 < t < 113) == unknown(name, said, 50.0)
    assert told(lambda t: t <= 694) == held(name, "not sampled for 6 s", 694.0)


# Several processes


@pytest.mark.parametrize(("gone_s", "state"), [(95, "held"), (700, "unknown")])
def test_a_signal_is_clear_where_every_process_that_is_seen_is_clear(gone_s, state):
    """One is over the limit until it is gone; another one is clear all the time."""
    over = shown("queue_age", 31.0, instance="b", keep=lambda t: t <= gone_s)
    found = row("queue_age", healthy("", over))
    assert found.state == state
    if state == "unknown":
        assert found.since_s == 0.0


@pytest.mark.parametrize(("gone_s", "state"), [(688, "held"), (689, "unknown")])
def test_what_a_process_showed_stands_until_it_is_stale(gone_s, state):
    """Over the limit from second 91 on: it counts for four seconds after its last sample."""
    over = shown(
        "queue_age", lambda t: 31.0 if t > 90 else 0.0, instance="b", keep=lambda t: t <= gone_s
    )
    found = row("queue_age", healthy("queue_age", shown("queue_age"), over))
    assert found.state == state
    if state == "unknown":
        said = "not seen at or under its limit for 603 s; it fires after 600 s"
        assert found == unknown("queue_age", said, 91.0)


def test_processes_without_a_name_are_one_and_nan_says_nothing():
    """Its newest sample counts; one that is no number changes nothing."""
    series = shown("queue_age", lambda t: None if t % 2 else 0.0)
    assert row("queue_age", healthy("queue_age", series)) == held("queue_age")
    signal, name, _, times, _ = series
    nameless = (signal, name, {"region": "r"}, times, [0.0] * len(times))
    assert row("queue_age", healthy("queue_age", nameless)) == held("queue_age")
    assert row("queue_age", healthy("", nameless)) == held("queue_age")


# Declared signals


@pytest.mark.parametrize(
    ("signal", "triggers"),
    [
        ("queue_age", ("queue_age",)),
        ("circuit_open", ("circuit_open",)),
        ("admission_failures", TRIGGERS[4:]),
        ("streams_broken", ()),
    ],
)
def test_a_trigger_that_hangs_on_a_declared_signal_is_declared(signal, triggers):
    """With the reason; seen all the same it is unknown, and the other triggers stay as they are."""
    named = {"streams_broken_named": False} if signal == "streams_broken" else {}
    found = rows(healthy(signal), declared={signal: "we have none"}, **named)
    for trigger in TRIGGERS:
        if trigger in triggers:
            said = f'{signal}: declared none: "we have none"'
            assert found[trigger] == Row(trigger, "r", "declared", said)
        else:
            assert found[trigger].state == "held"
    for trigger in triggers:
        found = row(trigger, healthy(), declared={signal: "we have none"})
        assert found == unknown(trigger, f"{signal} is declared none, and shows samples")
