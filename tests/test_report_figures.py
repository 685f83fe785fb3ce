"""What a drill cost its users, the moments of its end, and where each figure was read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from muster.reports import write_reports
from muster.reports.burn import burns
from muster.reports.chart_plan import plan
from muster.reports.distribution import distribution, stretches
from muster.reports.evidence import Evidence, read_evidence
from muster.reports.hurt import hurt
from muster.reports.line_index import index_lines
from muster.reports.loadfile import LoadSeconds, Second
from muster.reports.model import PhaseRow
from muster.reports.moments import moments
from muster.reports.references import References, linkable
from muster.reports.tallies import tallies_of
from muster.reports.timeline import timeline, trips
from muster.reports.view import build_view
from tests.report_bundle import EAST, START_S, WEST, Story, make

PHASES = [
    PhaseRow("baseline", "X", "ok", 100.0, 110.0, "", "", ""),
    PhaseRow("fault", "G", "ok", 110.0, 120.0, "", "", ""),
    PhaseRow("verify", None, "ok", 120.0, 125.0, "", "", ""),
]
TARGETS = {"success_2xx": {"G": 0.95, "X": 0.99}, "availability": {"G": 0.99}}


def load_of(
    seconds: dict[int, Second], first_token: dict[int, dict[str, float]] | None = None
) -> LoadSeconds:
    told = tallies_of({("first_token", "west"): first_token or {}})
    return LoadSeconds(100.0, 30, seconds, ("west",), 1.01, 1.0, told)


def second(n: float = 100, rejected: float = 0, **others: Any) -> Second:
    return Second(answers={"west": {"200": n - rejected, "429": rejected}}, **others)


def test_the_share_of_users_hurt_counts_each_attempt_once() -> None:
    """Rejected, failed and broken of all attempts, from the first change to the last one's end."""
    bad = Second(
        answers={"west": {"200": 60, "429": 20, "503": 10, "reset": 6, "404": 4}},
        outcomes={"west": {"success": 50, "broken": 5, "error_in_stream": 3, "empty_stream": 2}},
    )
    outside = second(rejected=100)
    tokens = {0: {"900": 9.0}, 12: {"200": 50.0, "900": 7.0, "never": 3.0}}
    found = hurt(load_of({0: outside, 12: bad, 21: outside}, tokens), PHASES, 2.5)
    assert found is not None
    assert (found.attempts, found.rejected, found.failed, found.broken) == (100, 20, 20, 10)
    assert found.share == pytest.approx(0.5)
    assert found.slow == 10
    # Of the ten seconds from 110 to 120 one is on record.
    assert found.gaps == 9


def test_without_a_record_or_a_change_nobody_is_called_unhurt() -> None:
    """Unknown is no zero."""
    assert hurt(None, PHASES, 2.5) is None
    assert hurt(load_of({}), PHASES, 2.5) is None
    assert hurt(load_of({12: second()}), PHASES[:1], 2.5) is None
    unlimited = hurt(load_of({12: second()}), PHASES, None)
    assert unlimited is not None
    assert unlimited.slow is None


def test_a_budget_burns_when_the_errors_come() -> None:
    """5 % of 1,000 attempts are 50: 25 bad ones are half of it, at five times the allowed rate."""
    seconds = {i: second(rejected=25 if i == 15 else 0) for i in range(10, 20)}
    for i, one in seconds.items():
        one.canaries = {"west": {"answered": 9, "unavailable_5xx": 1 if i == 18 else 0}}
    (success, availability) = burns(load_of(seconds), PHASES, TARGETS, 100.0)
    assert (success.tier, success.bad, success.attempts) == ("G", 25, 1000)
    assert success.share == pytest.approx(0.5)
    assert success.spent.v[:5].tolist() == [0] * 5
    assert success.fastest == pytest.approx(0.5)
    assert availability.share == pytest.approx(1 / 0.91, rel=0.01)
    assert [b.slo for b in burns(load_of(seconds), PHASES, {"success_2xx": {"X": 0.99}}, 0.0)] == []
    gap = burns(load_of({k: v for k, v in seconds.items() if k != 12}), PHASES, TARGETS, 100.0)[0]
    assert gap.gaps == 1
    assert str(gap.spent.v[2]) == "nan"


def test_distributions_before_during_and_after() -> None:
    """Each from its own seconds; one without a stream is none."""
    load = load_of({5: Second(), 12: Second()}, {5: {"500": 95.0, "900": 5.0}, 12: {"900": 10.0}})
    assert [name for name, _, _ in stretches(PHASES)] == ["before", "during", "after"]
    before = distribution(load, "first_token", "before", 100.0, 110.0)
    assert before is not None
    assert before.quantile(0.5) == before.quantile(0.95) == pytest.approx(1.01**500 / 1000)
    assert before.quantile(0.96) == pytest.approx(1.01**900 / 1000)
    assert distribution(load, "first_token", "after", 120.0, 125.0) is None
    assert distribution(load, "first_token", "before", 100.0, 110.0, "east") is None


def events(*told: tuple[float, str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"seq": i, "t": t, "event": e, **f} for i, (t, e, f) in enumerate(told, start=1)]


TRIP = {"trigger": "rate_429", "region": "east", "t_trip": 20.0, "detail": "5 %"}
STOPPED = events(
    (1.0, "undo", {"entry_id": "u1", "subject": "route53 x", "state": "pending"}),
    (2.0, "step", {"shares": {"west": 0}, "weights": {"west": 0, "east": 100}}),
    (9.0, "fault_proof", {"fault": "power", "region": "west", "proven": True, "why": "first"}),
    (15.0, "fault_proof", {"fault": "power", "region": "west", "proven": True, "why": "held"}),
    (20.2, "trigger", TRIP),
    (20.6, "trigger", TRIP),
    (24.0, "undo", {"entry_id": "u1", "subject": "route53 x", "state": "done"}),
    (24.1, "verify", {"verified": True}),
    (27.0, "timing", {"name": "trip_to_restored_s", "value_s": 7.0}),
    (27.5, "stopped", {"by": "trigger:rate_429", "t_trip": 20.0}),
)


def test_four_moments_in_order_of_time_and_each_once() -> None:
    """The decision stands where it was made, not where the ledger records that all is over."""
    found = [(m.label, m.t_s) for m in moments(STOPPED, 0.0)]
    assert found == [
        ("Trip", 20.0),
        ("Decision", 20.2),
        ("Weights back", 24.0),
        ("Split back", 27.0),
    ]
    assert [m.line for m in moments(STOPPED, 0.0)] == [5, 10, 7, 9]


def test_a_timeline_is_in_order_and_repeats_nothing() -> None:
    """A trip and a proof recorded twice stand there once; "stopped" comes before "back"."""
    rows = timeline(STOPPED, 0.0)
    said = [row.text for row in rows]
    assert sum("rate_429 fired in east" in text for text in said) == 1
    assert [text for text in said if "took effect" in text] == [
        "Fault power in west took effect (verified): held"
    ]
    order = [next(i for i, t in enumerate(said) if part in t) for part in ("Stopped", "put back")]
    assert order == sorted(order)
    assert len(trips(STOPPED, 0.0)) == 1
    twice = [*STOPPED, {**STOPPED[4], "t_trip": 25.0, "seq": 11}]
    assert len(trips(twice, 0.0)) == 2


def test_a_proof_that_failed_once_is_not_hidden_by_a_later_one() -> None:
    """Both are told: the last of those that say the same."""
    failed = {**STOPPED[2], "proven": False, "why": "no effect"}
    said = [row.text for row in timeline([failed, STOPPED[3]], 0.0)]
    assert ["NO verified effect" in text for text in said] == [True, False]


def test_weights_that_never_came_back_are_no_moment() -> None:
    """Nothing is said of what the ledger does not show."""
    short = STOPPED[:6]
    assert [m.label for m in moments([*short, STOPPED[-1]], 0.0)] == ["Trip", "Decision"]
    passed = events(
        (0.0, "drill_started", {"weights": {"west": 50, "east": 50}}),
        (2.0, "step", {"weights": {"west": 0, "east": 100}}),
    )
    assert [m.label for m in moments(passed, 0.0)] == ["Decision"]
    passed += events((9.0, "step", {"weights": {"west": 1, "east": 1}}))
    assert [m.label for m in moments(passed, 0.0)] == ["Decision", "Weights back"]


def _evidence(tmp_path: Path, **target: Any) -> Evidence:
    return replace(read_evidence(make(tmp_path, Story())), target=target)


def test_a_figure_leads_to_its_lines(tmp_path: Path) -> None:
    """The lines named hold the window's first and last sample, and no line outside them does."""
    evidence = _evidence(tmp_path)
    path = tmp_path / "20261116T084640Z-failover" / "samples.jsonl"
    index = index_lines(path)
    assert index is not None
    lines = path.read_text().splitlines()
    start, end = START_S + 50, START_S + 70
    low, high = index.between(start, end) or (0, 0)
    inside = [
        i
        for i, line in enumerate(lines, start=1)
        if any(start <= t <= end for t in json.loads(line).get("t", ()))
    ]
    assert (low, high) == (inside[0], inside[-1])
    assert index.between(START_S - 500, START_S - 400) is None
    assert index_lines(tmp_path / "none") is None
    row = next(r for r in build_view(evidence).findings if r.slo == "queue_age")
    assert any("samples.jsonl, lines" in ref.text for ref in row.references)


def test_links_lead_only_where_the_target_says(tmp_path: Path) -> None:
    """An address with credentials, a placeholder or another scheme is no link."""
    finding = {"slo": "queue_age", "source": "server", "window": [START_S, START_S + 60]}
    signals = {"queue_age": 'queue{a="<b>"}'}

    def urls(url: str) -> list[str]:
        target = {"prometheus": {"url": url}, "signals": signals}
        evidence = _evidence(tmp_path / str(abs(hash(url))), **target)
        return [ref.url for ref in References(evidence, None).of(finding) if ref.url]

    (url,) = urls("https://prometheus.example/")
    assert url.startswith("https://prometheus.example/graph?g0.expr=queue%7Ba%3D%22%3Cb%3E%22%7D")
    assert "g0.range_input=60s" in url
    for bad in ("https://u:secret@p.example", "${testbed.url}", "javascript:alert(1)", "https://["):
        assert not linkable(bad)
        assert urls(bad) == []


def test_a_rejected_attempt_leads_to_its_region(tmp_path: Path) -> None:
    """429s by region, and the answer that the load kept."""
    view = build_view(read_evidence(make(tmp_path, Story(verdict="FAIL", shed_share=0.06))))
    assert [row.region for row in view.rejected] == [EAST]
    assert view.rejected[0].causes == "the platform names no cause"
    assert WEST not in {row.region for row in view.rejected}


def test_streams_over_every_bucket_end_a_distribution_below_its_top(tmp_path: Path) -> None:
    """They have no place on the axis; the report is drawn all the same."""
    bundle = make(tmp_path, Story())
    path = bundle / "load-0.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        for kind in ("first_token_ms", "completion_ms"):
            for buckets in line.get(kind, {}).values():
                buckets["inf"] = 1
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_reports(bundle)
    assert (bundle / "report.html").is_file()
    evidence = read_evidence(bundle)
    charts = plan(evidence, build_view(evidence))
    curves = [one for one in charts if one.name.endswith("_distribution")]
    assert len(curves) == 2
    for curve in curves:
        for stroke in curve.strokes:
            assert np.isfinite(stroke.line.t).all()
            assert 0 < stroke.line.v[-1] < 1
