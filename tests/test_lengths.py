"""Shorter streams as a finding: fail where lengths are kept, unknown where they may matter."""

from __future__ import annotations

import pytest
from test_consistency import RISING, WINDOW, series
from test_evaluate import samples_of

from muster.contract import load
from muster.judge.consistency import judge_consistency
from muster.judge.lengths import NOT_COUNTED, SIGNAL, Lengths, judge_lengths, lengths_of
from muster.judge.outcomes import outcomes_of
from muster.samples.rates import OUTCOMES, OUTCOMES_ALWAYS, failed_by_name

RULES = load().load_validity
SHORTER = "of 6000 successful streams were shorter than asked for"
COUNTED, KEPT = Lengths(counted=True), Lengths(counted=True, kept=True)


def growing(signal, per_s, **labels):
    return series(signal, points=[(t, per_s * v) for t, v in RISING], **labels)


def judged(short_per_s, lengths, good_per_s=100.0):
    found = [growing("client_attempts", good_per_s, outcome="success")]
    if short_per_s is not None:
        found.append(growing(SIGNAL, short_per_s))
    return judge_lengths(samples_of(*found), WINDOW, "dark", RULES, lengths)


@pytest.mark.parametrize(
    ("short_per_s", "lengths", "status"),
    [
        (0.0, KEPT, "pass"),
        (0.0, COUNTED, "pass"),
        (0.1, KEPT, "fail"),  # one in a thousand, and the target said that there is none
        (0.1, COUNTED, "pass"),
        (2.0, COUNTED, "pass"),  # at the tolerance
        (2.1, COUNTED, "unknown"),
        (100.0, COUNTED, "unknown"),
        (100.0, KEPT, "fail"),
        (None, COUNTED, "unknown"),  # a drill of now without the signal
        (None, KEPT, "unknown"),
    ],
)
def test_shorter_streams_pass_fail_or_are_unknown(short_per_s, lengths, status):
    """None: pass. Some: fail where they were ruled out, else unknown over the tolerance."""
    [finding] = judged(short_per_s, lengths)
    assert (finding.slo, finding.status, finding.phase) == ("stream_lengths", status, "dark")


@pytest.mark.parametrize(
    ("short_per_s", "lengths", "figures", "reason"),
    [
        (0.0, COUNTED, (2.0, 0.0, 2.0), ""),
        (0.0, KEPT, (0.0, 0.0, 0.0), ""),
        (
            0.111,
            KEPT,
            (0.0, 0.111, -0.111),
            f"7 {SHORTER}, and the target keeps lengths",
        ),
        (0.111, COUNTED, (2.0, 0.111, 1.889), f"7 {SHORTER}"),
        (
            0.1234567,
            COUNTED,
            (2.0, 0.1235, 1.8765),
            f"7 {SHORTER}",
        ),
        (
            3.0,
            COUNTED,
            (2.0, 3.0, -1.0),
            f"180 {SHORTER}: the load held was less than asked for",
        ),
    ],
)
def test_the_share_of_shorter_streams_is_shown_with_its_limit(
    short_per_s, lengths, figures, reason
):
    """In percent of what succeeded, by the load's count, over the phase."""
    [found] = judged(short_per_s, lengths)
    assert (found.threshold, found.measured, found.margin) == pytest.approx(figures, abs=1e-9)
    assert (found.source, found.unit, found.samples) == ("client", "%", 6000)
    assert found.window == (WINDOW.start_s, WINDOW.end_s)
    assert found.reason == reason
    assert (found.tier, found.region) == (None, None)


def test_lengths_without_figures_show_none():
    """What is missing is named: the signal, or a success to be short."""
    [found] = judged(None, COUNTED)
    assert (found.reason, found.measured, found.margin, found.samples) == (
        "no data", None, None, 6000,
    )  # fmt: skip
    [found] = judged(0.0, COUNTED, good_per_s=0.0)
    assert (found.reason, found.measured, found.samples) == ("no stream succeeded", None, 0)
    [found] = judge_lengths(samples_of(growing(SIGNAL, 1.0)), WINDOW, "dark", RULES, COUNTED)
    assert (found.status, found.reason, found.samples) == ("unknown", "no data", None)


def test_successes_that_begin_after_other_outcomes_count_from_zero():
    """A counter appears with its first event, while its process was seen before."""
    late = [(t, 100.0 * (t - 120)) for t, _ in RISING if t > 120]
    found = samples_of(
        series("client_attempts", points=late, outcome="success"),
        growing("client_attempts", 1.0, outcome="http_429"),
        growing(SIGNAL, 1.0),
    )
    [finding] = judge_lengths(found, WINDOW, "dark", RULES, COUNTED)
    assert finding.samples == 4000


def test_older_evidence_has_no_such_finding():
    """A drill whose load did not count them is judged as it was."""
    assert judged(None, NOT_COUNTED) == []


def test_without_a_success_nothing_is_known_of_lengths():
    """No success, no length: that is unknown, not held."""
    [finding] = judged(0.0, COUNTED, good_per_s=0.0)
    assert finding.status == "unknown"


@pytest.mark.parametrize(
    ("event", "load_section", "wanted"),
    [
        ({"event": "load_started", "counts": [SIGNAL]}, {"lengths_kept": True}, KEPT),
        ({"event": "load_started", "counts": [SIGNAL]}, {}, COUNTED),
        ({"event": "load_started", "pids": [1]}, {}, NOT_COUNTED),
        ({"event": "phase_started", "counts": [SIGNAL]}, {}, NOT_COUNTED),
    ],
)
def test_the_ledger_says_whether_lengths_were_counted(event, load_section, wanted):
    """The load's start names what it counts, the target whether lengths are kept."""
    assert lengths_of([event], load_section) == wanted


def test_a_drill_of_now_must_show_every_outcome_and_an_older_one_those_of_then():
    """Older evidence lacks the outcomes that its load did not know; newer evidence may not."""
    older = [growing("client_attempts", 1.0, outcome=name) for name in OUTCOMES_ALWAYS]
    newer = [growing("client_attempts", 1.0, outcome=name) for name in OUTCOMES]
    short = growing(SIGNAL, 0.0)

    def reasons(*found, shown=frozenset()):
        findings = judge_consistency(samples_of(*found), WINDOW, "dark", shown)
        return [f.reason for f in findings if f.reason.startswith("client_attempts lacks every")]

    assert reasons(*older) == []
    assert reasons(*newer, short, shown=COUNTED.signals) == []
    assert reasons(*older, short, shown=COUNTED.signals) == [
        "client_attempts lacks every empty_stream"
    ]


def test_failures_are_named_the_most_frequent_first():
    """What was no success, by name and number, for a finding's reason and for the verdict."""
    samples = samples_of(
        growing("client_attempts", 100.0, outcome="success"),
        growing("client_attempts", 1.0, outcome="http_429"),
        growing("client_attempts", 5.0, outcome="error_in_stream"),
        growing("client_attempts", 0.0, outcome="broken"),
    )
    assert failed_by_name(samples, WINDOW) == "error_in_stream 300, http_429 60"
    events = [
        {"event": "phase_started", "phase": "dark", "tier": "G", "t": 100.0},
        {"event": "phase_ended", "phase": "dark", "t": 160.0, "outcome": "complete"},
    ]
    assert outcomes_of(samples, events, 4.0)["error_in_stream"] == 300
    assert outcomes_of(samples, [], 4.0) == {}
