"""What a report says: unknowns first, numbers never rounded onto a limit, no data never zero."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.reports import lines as ln
from muster.reports.chart_model import region_styles
from muster.reports.chart_plan import plan
from muster.reports.evidence import read_evidence
from muster.reports.figures import _budget
from muster.reports.findings import finding_row
from muster.reports.lines import Line, thin
from muster.reports.model import View
from muster.reports.numbers import NO_DATA, count, epoch, number, quantity, seconds
from muster.reports.server import read_server
from muster.reports.view import build_view
from muster.reports.words import clean
from muster.samples.series import read_samples
from tests.report_bundle import EAST, START_S, WEST, Story, make


def _view(tmp_path: Path, story: Story | None = None) -> View:
    return build_view(read_evidence(make(tmp_path, story)))


def test_same_evidence_same_view(tmp_path: Path) -> None:
    """The view is a function of the bundle."""
    evidence = read_evidence(make(tmp_path))
    assert build_view(evidence) == build_view(evidence)


def test_unknowns_are_named(tmp_path: Path) -> None:
    """An unknown finding, a fault not seen and a torn ledger all stand under what is not known."""
    bundle = make(tmp_path, Story(verdict="INCONCLUSIVE", unknown=True, fault_proven=False))
    ledger = bundle / "ledger.jsonl"
    ledger.write_text(ledger.read_text()[:-30])
    unknowns = "\n".join(build_view(read_evidence(bundle)).unknowns)
    for wanted in ("800 canaries", "effect not verified", "torn", "no end of the drill"):
        assert wanted in unknowns


def test_the_verdicts_own_unknowns_come_once(tmp_path: Path) -> None:
    """A torn file that the verdict names is the reason given; a finding is not told twice."""
    bundle = make(tmp_path, Story(verdict="INCONCLUSIVE"))
    told = json.loads((bundle / "verdict.json").read_text())
    told["unknowns"] = ["samples.jsonl: a line is torn", "unknown: availability dark [client]"]
    (bundle / "verdict.json").write_text(json.dumps(told))
    view = build_view(read_evidence(bundle))
    assert "samples.jsonl: a line is torn" in view.banner.why
    assert view.unknowns == ("samples.jsonl: a line is torn",)


@pytest.mark.parametrize(
    ("story", "said"),
    [
        (Story(), "are known and hold"),
        (Story(verdict="FAIL", shed_share=0.06), "429 rate 6.07"),
        (Story(verdict="INCONCLUSIVE", fault_proven=False), "is not verified"),
        (Story(verdict="ROLLBACK_FAILED", rollback_failed=True), "weight of eu-west-1"),
        (
            Story(verdict="ABORTED", stopped={"by": "operator", "verdict": "ABORTED"}),
            "an operator stopped it",
        ),
    ],
)
def test_the_banner_says_why(tmp_path: Path, story: Story, said: str) -> None:
    """Each verdict has a plain sentence with its reason."""
    assert said in _view(tmp_path, story).banner.why


def test_a_finding_without_a_known_status_is_unknown() -> None:
    """No status, or one of another vocabulary, never reads as a pass."""
    for status in (None, "ok", "PASS", 1):
        row = finding_row({"slo": "availability", "status": status})
        assert (row.status, row.measured, row.samples) == ("unknown", NO_DATA, NO_DATA)


def test_percent_and_top_edge_read_right() -> None:
    """Shares come as per cent, margins as points, and a p95 over every edge is no "no data"."""
    row = finding_row(
        {"slo": "rate_5xx", "unit": "%", "measured": 0.5, "threshold": 0.3, "margin": -0.2}
    )
    shown = [text.replace("\N{NO-BREAK SPACE}", " ") for text in (row.measured, row.margin)]
    assert shown == ["0.50 %", "-0.20 points"]
    over = {"slo": "first_token_p95", "unit": "s", "measured": None, "bracket": [30.0, None]}
    assert finding_row(over).measured.replace("\N{NO-BREAK SPACE}", " ") == "over 30 s"


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_measure_never_reads_as_its_threshold(measured: float, threshold: float) -> None:
    """Unless they differ by less than eight digits show, the two texts differ."""
    shown = quantity(measured, "share", apart_from=threshold)
    if abs(measured - threshold) > 1e-9:
        assert shown != quantity(threshold, "share", apart_from=measured)


@pytest.mark.parametrize("value", [None, "", "x", math.nan, math.inf, True, {}, []])
def test_what_is_no_number_is_no_data(value: object) -> None:
    """Absence reads "no data" in every form of number."""
    assert number(value) is None
    assert {quantity(value, "s"), count(value), seconds(value)} == {NO_DATA}


@pytest.mark.parametrize(("unit", "factor"), [("share", 1), ("%", 100)])
def test_budget_spent_is_of_what_the_tier_allows(unit: str, factor: int) -> None:
    """0.02 % unavailable of 0.1 % allowed is a fifth of the budget, in either unit."""
    finding = {"slo": "availability", "phase": "evacuate..restore", "tier": "G", "unit": unit}
    finding |= {"measured": 0.9998 * factor, "threshold": 0.999 * factor}
    assert _budget([finding], "availability")[0].startswith("20.00")


def test_times_are_read_in_both_forms() -> None:
    """Epoch seconds and ISO 8601 name the same moment; other text names none."""
    assert epoch("1970-01-01T00:01:00Z") == epoch(60) == 60.0
    assert epoch("soon") is None


@given(st.text())
def test_clean_text_is_xml_text(text: str) -> None:
    """Whatever comes in, what goes out can be encoded and has no control character."""
    shown = clean(text)
    shown.encode()
    assert not any(ord(c) < 0x20 and c not in "\n\t" for c in shown)


@given(st.lists(st.one_of(st.floats(0, 1e6), st.just(math.nan)), min_size=1, max_size=4000))
def test_thinning_keeps_peaks_and_gaps(values: list[float]) -> None:
    """The highest and lowest values survive, and a gap is never drawn over."""
    line = Line("x", np.arange(len(values), dtype=float), np.asarray(values))
    thinned = thin(line, bins_max=20)
    if not line.empty:
        assert np.nanmax(thinned.v) == np.nanmax(line.v)
        assert np.nanmin(thinned.v) == np.nanmin(line.v)
    for left, right in zip(range(len(thinned.t)), range(1, len(thinned.t)), strict=False):
        if np.isnan(thinned.v[[left, right]]).any():
            continue
        between = line.v[int(thinned.t[left]) : int(thinned.t[right]) + 1]
        assert not np.isnan(between).any()


def test_thinning_a_long_run_is_short() -> None:
    """Two hours of seconds become less than 1,500 points, the spike among them."""
    values = np.ones(7200)
    values[4321] = 99.0
    thinned = thin(Line("x", np.arange(7200.0), values))
    assert len(thinned.t) < 1500
    assert 99.0 in thinned.v


def test_a_gap_in_the_load_is_a_gap(tmp_path: Path) -> None:
    """Seconds without every shard's line are NaN, not zero, and are said to be missing."""
    bundle = make(tmp_path, Story(gap=(150, 170)))
    evidence = read_evidence(bundle)
    assert evidence.load is not None
    for line in ln.new_streams(evidence.load, START_S):
        inside = line.v[(line.t > 150) & (line.t < 169)]
        assert np.isnan(inside).all()
    assert "missing" in " ".join(build_view(evidence).impact)


def test_arrivals_come_from_the_record_where_the_verdict_has_none(tmp_path: Path) -> None:
    """Offered, scheduled and the first-token error are summed from the load's own lines."""
    bundle = make(tmp_path)
    told = json.loads((bundle / "verdict.json").read_text())
    told["load"] = {"target_streams": 2000, "achieved_streams": None, "loop_lag_ms_p99": None}
    (bundle / "verdict.json").write_text(json.dumps(told))
    shown = {fact.label: fact.value for fact in build_view(read_evidence(bundle)).load}
    assert shown["Arrivals scheduled"] == shown["Arrivals offered"] == f"{2 * 143 * 285:,}"
    assert shown["First-token error p95"].startswith("1.1")
    assert shown["Streams, achieved"] == shown["Loop lag p99"] == NO_DATA


def test_one_shard_missing_is_a_gap(tmp_path: Path) -> None:
    """The sum of some shards is never shown as the sum of all."""
    bundle = make(tmp_path)
    shard = bundle / "load-1.jsonl"
    kept = shard.read_text().splitlines()[:100]
    shard.write_text("\n".join(kept) + "\n")
    load = read_evidence(bundle).load
    assert load is not None
    assert max(load.seconds) < 110


def test_client_p95_is_the_buckets_edge(tmp_path: Path) -> None:
    """The client's p95 is within a bucket of the drawn one; too few answers show none."""
    load = read_evidence(make(tmp_path)).load
    assert load is not None
    lines = {line.name: line for line in ln.client_p95(load, "first_token", START_S)}
    held = ln.mean_between(lines[EAST], 30, 80)
    assert held == pytest.approx(0.62 * math.exp(1.645 * 0.3), rel=0.05)
    dark = lines[WEST].v[(lines[WEST].t > 150) & (lines[WEST].t < 240)]
    assert np.isnan(dark).all()


def test_server_p95_survives_resets_and_says_when_over(tmp_path: Path) -> None:
    """A restarted counter gives no negative count, and a p95 over the top edge is infinite."""
    heads = [("1", [0, 10, 0, 10]), ("+Inf", [0, 100, 0, 200])]
    lines = []
    for i, (le, values) in enumerate(heads):
        labels = {"le": le, "region": EAST}
        lines.append({"series": i, "signal": "first_token", "name": "x_bucket", "labels": labels})
        lines.append({"i": i, "t": [0, 5, 10, 15], "v": values})
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    server, faults = read_server(path)
    assert server is not None
    assert faults == []
    found = server.p95("first_token", EAST, np.asarray([0.0, 5, 10, 15]), 5, 20)
    assert np.isinf(found[[0, 2]]).all()
    assert np.isnan(found[1])


def test_server_samples_are_read_as_the_judge_reads_them(tmp_path: Path) -> None:
    """One edge written two ways is one series; a torn line is named; no sample is no server."""
    lines = []
    for i, (le, t, v) in enumerate(
        [("1", [0, 5], [0, 90]), ("1.0", [10, 15], [95, 190]), ("+Inf", [15, 0, 5], [200, 0, 100])]
    ):
        labels = {"le": le, "region": EAST, "instance": "a"}
        lines.append({"series": i, "signal": "first_token", "name": "x_bucket", "labels": labels})
        lines.append({"i": i, "t": t, "v": v})
    path = tmp_path / "samples.jsonl"
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_text(text + '{"i": 0, "t": [20], "v"')
    server, faults = read_server(path)
    assert server is not None
    assert faults == ["samples.jsonl: a line cannot be read and is left out"]
    assert read_samples(path).torn
    assert server.regions() == (EAST,)
    found = server.p95("first_token", EAST, np.asarray([0.0, 5, 15]), 5, 20)
    # 90 of 100 within the top edge, then all of 100.
    assert found.tolist() == [math.inf, pytest.approx(0.95)]
    path.write_text("")
    assert read_server(path) == (None, ["samples.jsonl: holds no server sample"])
    path.unlink()
    assert read_server(path) == (None, ["samples.jsonl: No such file or directory"])


def test_regions_differ_by_dash_as_well_as_colour() -> None:
    """A print in grey tells the regions apart, the evacuated one with a dash of its own."""
    styles = region_styles([EAST, WEST, "ap-south-1", "us-east-1"], WEST)
    assert len({dash for _, dash in styles.values()}) == 4
    assert len({color for color, _ in styles.values()}) == 4


def test_titles_say_what_was_found(tmp_path: Path) -> None:
    """A chart's title is a finding of fact, and its text alternative gives means by phase."""
    bundle = make(tmp_path)
    evidence = read_evidence(bundle)
    charts = {chart.name: chart for chart in plan(evidence, build_view(evidence))}
    assert "0% in dark" in charts["traffic_split"].title
    assert "within" in charts["first_token"].title
    assert "dark" in charts["open_streams"].alt
    none = replace(evidence, load=None, server=None)
    for chart in plan(none, build_view(none)):
        assert "no data" in chart.title
        assert "no data" in chart.alt


LOSS = {
    "region": WEST,
    "rto_s": 14.0,
    "streams_open": 2000.0,
    "streams_broken": 900.0,
    "streams_broken_elsewhere": 0.0,
    "attempts": 5000.0,
    "attempts_failed": 1400.0,
    "rig": {
        "blackout_s": 1.25,
        "spans": [{"from": START_S + 90, "to": START_S + 92, "pinned_s": 1.25}],
        "pinned": [{"component": "load", "instance": "a"}, {"component": "provider"}],
        "unseen": [],
    },
}


def lost(tmp_path: Path, loss: dict, *events: dict) -> View:
    """A report whose verdict tells of a loss."""
    bundle = make(tmp_path)
    told = json.loads((bundle / "verdict.json").read_text())
    (bundle / "verdict.json").write_text(json.dumps({**told, "loss": loss}))
    ledger = bundle / "ledger.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    lines[-1:-1] = events
    ledger.write_text(
        "".join(json.dumps({**one, "seq": i}) + "\n" for i, one in enumerate(lines, start=1))
    )
    return build_view(read_evidence(bundle))


def test_a_loss_is_told_by_what_it_broke(tmp_path: Path) -> None:
    """Streams, attempts and the time of recovery; the rig's own stretch stands apart from it."""
    view = lost(tmp_path, LOSS)
    said = " ".join(view.impact)
    assert (
        f"The loss of {WEST} broke 900 of 2,000 open streams (45.0%), 0 of them elsewhere" in said
    )
    assert "1,400 of 5,000 attempts failed" in said
    assert "The rig itself was pinned for 1.25" in said
    (recovery,) = [fact for fact in view.timings if fact.label == "Recovery time"]
    assert recovery.value == seconds(14.0)
    (rig,) = [fact for fact in view.load if fact.label == "Rig pinned by the loss"]
    assert rig.value == seconds(1.25)
    assert "not the platform's" in rig.note
    assert "(load, provider)" in rig.note


def test_what_is_not_known_of_a_loss_is_no_data(tmp_path: Path) -> None:
    """Nothing is made up, and who was not seen is named."""
    rig = {"blackout_s": None, "spans": [], "pinned": [], "unseen": ["load"]}
    view = lost(tmp_path, {"region": WEST, "rto_s": None, "rig": rig})
    assert f"The loss of {WEST} broke {NO_DATA} of {NO_DATA} open streams" in " ".join(view.impact)
    assert [fact.value for fact in view.timings if fact.label == "Recovery time"] == [NO_DATA]
    assert [f.note for f in view.load if f.label == "Rig pinned by the loss"] == [
        "not observed: load"
    ]
    assert "pinned" not in " ".join(view.impact)
    plain = _view(tmp_path / "plain")
    assert not [f for f in (*plain.timings, *plain.load) if "loss" in f.label or "Recov" in f.label]


def test_the_rigs_own_spikes_stand_in_the_timeline_and_on_the_charts(tmp_path: Path) -> None:
    """Marked as the rig's; one without a bound says so."""
    at = {"t": START_S + 95}
    pinned = {**at, "event": "rig_pinned", "component": "load", "instance": "a:1"}
    view = lost(
        tmp_path,
        LOSS,
        {**at, "event": "fault_applied", "fault": "region_loss", "region": WEST},
        {**at, "event": "loss_detected", "region": WEST, "after_s": 4.5},
        {**pinned, "pinned_s": 1.0, "lag_s": 0.5},
        {**pinned, "pinned_s": 1.0, "lag_s": None},
        {**at, "event": "rig_blackout", "seconds": 1.25, "spans": LOSS["rig"]["spans"]},
    )
    said = "\n".join(row.text for row in view.timeline)
    assert "The rig itself was pinned: load a:1 for 1.00" in said
    assert "late by more than the highest bucket edge. Not the platform's fault." in said
    assert f"{WEST} was out of the DNS answers 4.50" in said
    assert {(mark.label, mark.t_s) for mark in view.marks} >= {
        (f"region_loss applied, {WEST}", START_S + 95),
        ("rig pinned 1.2 s", START_S + 90),
    }


def test_the_report_says_what_the_machine_holds(tmp_path: Path) -> None:
    """Limit by limit, and the testbed's processes; nothing where the ledger is silent."""
    assert not [fact for fact in _view(tmp_path / "none").facts if "holds" in fact.label]
    event = {
        "t": START_S + 1,
        "event": "capacity",
        "holds_streams": 14_000,
        "streams_by": {"memory": 90_000, "cores": 14_000},
        "shape": {"streams": 2000, "gateways_per_region": 2},
    }
    facts = {fact.label: fact for fact in lost(tmp_path, {}, event).facts}
    assert facts["Streams this machine holds"].value == "14,000"
    assert facts["Streams this machine holds"].note == "memory 90,000, cores 14,000"
    assert facts["Testbed"].value == "gateways per region 2"


@pytest.mark.parametrize(
    ("verified", "said"), [(True, "by the rollback (see Undo)"), (False, NO_DATA)]
)
def test_a_fault_that_its_own_step_did_not_revert(
    tmp_path: Path, verified: bool, said: str
) -> None:
    """The rollback did, if everything was read back; otherwise nobody knows."""
    bundle = make(tmp_path, Story())
    path = bundle / "ledger.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        if event["event"] == "verify":
            event["verified"] = verified
    left = [event for event in events if event["event"] != "fault_reverted"]
    path.write_text("".join(json.dumps(event) + "\n" for event in left))
    (fault, *_) = build_view(read_evidence(bundle)).faults
    assert fault.reverted == said
