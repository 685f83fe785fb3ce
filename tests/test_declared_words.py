"""What may be declared none, what is then lost, and what is said of it: whole answers."""

from __future__ import annotations

import pytest

from muster.errors import BadInput
from muster.targets.declared import (
    DECLARABLE,
    NoSignal,
    check_accepted,
    declared_in,
    declared_problems,
    lines,
    reason_of,
    unguarded,
)

MAY = "only queue_age, circuit_open, admission_failures, streams_broken may be declared none"
NONE = {"none": "we have none"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (NONE, "we have none"),
        (NoSignal(none="we have none"), "we have none"),
        ({"none": " x "}, " x "),
        ({"none": " "}, None),
        ({"none": ""}, None),
        ({"none": None}, None),
        ({"none": 3}, None),
        ({"none": "x", "unit": "s"}, None),
        ({"metric": "x"}, None),
        ({}, None),
        ("none", None),
        (None, None),
        (["none"], None),
    ],
)
def test_a_reason_is_words_and_nothing_beside_them(value, reason):
    """As a document or as the model; a blank one is none."""
    assert reason_of(value) == reason


def test_only_signals_that_may_be_declared_are_in_the_order_of_their_names():
    """Others, and those without a reason, are left out."""
    signals = {"streams_broken": NONE, "queue_age": {"none": "a"}, "requests": NONE}
    found = declared_in({**signals, "circuit_open": {"metric": "x"}})
    assert list(found.items()) == [("queue_age", "a"), ("streams_broken", "we have none")]


def test_a_signal_that_may_not_be_declared_is_one_line_of_bad_input():
    """The key, the value, and whether it must be shown or may be left out."""
    signals = {"queue_age": NONE, "requests": NONE, "x_own": {"none": "y"}, "in_flight": {"m": 1}}
    told = list(declared_problems(signals, iter(["requests", "in_flight"]), "t.yaml"))
    assert [str(one) for one in told] == [
        str(
            BadInput(
                "t.yaml",
                "signals.requests",
                NONE,
                f"how it is shown: a verdict rests on it; {MAY}",
            )
        ),
        str(
            BadInput(
                "t.yaml", "signals.x_own", {"none": "y"}, f"no such key: it may be left out; {MAY}"
            )
        ),
    ]


def test_a_name_to_accept_must_be_one_that_may_be_declared():
    """The nearest one is named; those that may be are accepted, one by one."""
    check_accepted([])
    check_accepted(DECLARABLE)
    with pytest.raises(BadInput) as refused:
        check_accepted(["queue_age", "queue_aeg"])
    wanted = "one of queue_age, circuit_open, admission_failures, streams_broken"
    near = " (did you mean queue_age?)"
    assert str(refused.value) == str(BadInput("--accept", "", "queue_aeg", wanted + near))
    assert (refused.value.file, refused.value.key) == ("--accept", "")


def test_what_cannot_fire_is_told_by_signal_in_the_order_of_their_names():
    """Rules by their names; a name that nothing hangs on is left out."""
    found = unguarded(["streams_broken", "queue_age", "requests", "circuit_open"])
    assert list(found.items()) == [
        ("circuit_open", ("trigger:circuit_open",)),
        ("queue_age", ("trigger:queue_age", "limit:queue_age")),
        ("streams_broken", ()),
    ]


def test_each_declared_signal_is_one_line():
    """What is not guarded, where something is, and what is not judged."""
    assert lines({"streams_broken": "b", "queue_age": "a", "admission_failures": "c"}) == [
        'declared none: admission_failures ("c"): not guarded: trigger:hard_failure; '
        "not judged: recovery_quiet",
        'declared none: queue_age ("a"): not guarded: trigger:queue_age, limit:queue_age; '
        "not judged: queue_age, recovery_quiet",
        'declared none: streams_broken ("b"): not judged: streams_cut',
    ]
