"""The live view: what a running drill shows, folded from files that grow; no process is asked."""

from __future__ import annotations

import http.client
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bundle_maker import EAST, START_S, WEST, make_bundle, small
from hypothesis import given
from hypothesis import strategies as st

from muster.clock import SystemClock
from muster.drill.live.follow import LedgerTail, SampleTail, Tail
from muster.drill.live.margins import Margin
from muster.drill.live.progress import Progress
from muster.drill.live.recent import Recent
from muster.drill.live.serve import LiveServer
from muster.drill.live.shown import Follower, Process, Shown
from muster.drill.live.words import line, rows, seconds, status_lines
from muster.guard.trips import Nearing
from muster.platform.metrics import RawSeries


class Held(SystemClock):
    """The moment is set by the test."""

    def __init__(self, now_s: float) -> None:
        self.at_s = now_s

    def now_s(self) -> float:
        return self.at_s


def event(t_s: float, name: str, **fields: object) -> dict[str, object]:
    return {"t": START_S + t_s, "event": name, **fields}


STARTED = event(
    0,
    "drill_started",
    drill="region_failover",
    target="staging",
    phases=["ramp", "baseline", "verify"],
    expected_s={"ramp": 20.0, "baseline": 50.0, "verify": 5.0},
    regions=[WEST, EAST],
    weights={WEST: 50, EAST: 50},
    streams_target=2000,
)


# Files that grow.


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.data())
def test_each_whole_line_is_read_once_wherever_writes_end(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    """A line that is being written comes with the look after its end."""
    path = tmp_path_factory.mktemp("tail") / "f"
    whole = b"".join(one + b"\n" for one in lines)
    cut = data.draw(st.integers(0, len(whole)))
    tail = Tail(path)
    assert tail.lines() == []
    path.write_bytes(whole[:cut])
    first = tail.lines()
    path.write_bytes(whole)
    assert first + tail.lines() == whole.split(b"\n")[:-1]
    assert tail.lines() == []


def test_lines_that_are_no_events_or_samples_are_left_out(tmp_path: Path) -> None:
    """What cannot be read is not shown, and hides nothing else."""
    (tmp_path / "ledger.jsonl").write_text('no\n[]\n{"a":1}\n{"event":"step"}\n')
    assert [one["event"] for one in LedgerTail(tmp_path).events()] == ["step"]
    (tmp_path / "samples.jsonl").write_text(
        '{"series":0,"signal":"a","name":"a","labels":{}}\n{"i":0,"t":[1],"v":[2,3]}\n'
        '{"i":7,"t":[1],"v":[2]}\nno\n{"i":0,"t":[1.0],"v":[null]}\n'
        '{"series":1,"signal":"b","name":"b","labels":{}}\n{"i":1,"t":[1.0],"v":[4.0]}\n'
    )
    found = SampleTail(tmp_path, lambda signal, labels: signal == "a").samples()
    assert found == [RawSeries("a", "a", {}, (1.0,), (None,))]


# How far it is.


def progress(*events: dict[str, object]) -> Progress:
    told = Progress()
    told.take(events)
    return told


def test_phases_are_counted_with_preflight() -> None:
    """The plan does not name preflight; it is a phase of the drill all the same."""
    told = progress(STARTED, event(1, "phase_started", phase="preflight", tier=None))
    assert (told.phases, told.number) == (["preflight", "ramp", "baseline", "verify"], 1)
    told.take([event(2, "phase_ended", phase="preflight")])
    told.take([event(3, "phase_started", phase="ramp", tier=None)])
    assert (told.number, told.phase, told.judged) == (2, "ramp", False)
    told.take([event(9, "phase_ended", phase="ramp")])
    told.take([event(9, "phase_started", phase="baseline", tier="X")])
    assert (told.number, told.tier, told.judged) == (3, "X", True)


def test_the_expected_end_counts_what_is_left_and_never_lies_in_the_past() -> None:
    """The rest of the present phase, and all later ones; unknown without an estimate."""
    told = progress(STARTED, event(2, "phase_started", phase="ramp", tier=None))
    assert told.ends_s(START_S + 7) == pytest.approx(START_S + 7 + 15 + 50 + 5)
    assert told.ends_s(START_S + 500) == pytest.approx(START_S + 500 + 50 + 5)
    assert progress(event(0, "drill_started", phases=["ramp"])).ends_s(START_S) is None
    told.take([event(600, "drill_ended")])
    assert told.ends_s(START_S + 600) is None


def test_undo_faults_and_the_stop_are_followed() -> None:
    """Pending changes, restored ones, and the first reason to stop."""
    told = progress(
        STARTED,
        event(1, "undo", entry_id="u1", subject="a", state="pending"),
        event(1, "undo", entry_id="u2", subject="b", state="pending"),
        event(2, "fault_declared", fault="f", region=WEST, expects=["series"]),
        event(3, "fault_proof", fault="f", region=WEST, proven=True),
        event(4, "stopped", by="operator", detail="smoke"),
        event(5, "stopped", by="later", detail=""),
        event(6, "undo", entry_id="u2", subject="b", state="failed"),
        event(7, "undo", entry_id="u1", subject="a", state="done"),
        event(8, "undo", state="done"),
    )
    assert (told.pending, told.undone) == ({"u2": "b"}, 1)
    assert told.stop == ("operator", "smoke")
    assert [one.proven for one in told.faults] == [True]


def test_a_trip_stops_the_drill_before_the_drill_says_so() -> None:
    """It restores first. What it says in the end counts more."""
    told = progress(STARTED, event(2, "limit", limit="queue_age", detail="31 s"))
    assert told.stop == ("limit:queue_age", "31 s")
    told.take([event(3, "phase_ended", phase="ramp", outcome="aborted")])
    told.take([event(4, "data_lost", signal="rate_5xx", detail="late")])
    assert told.stop == ("limit:queue_age", "31 s")
    told.take([event(5, "stopped", by="rig:starved", detail="why")])
    assert told.stop == ("rig:starved", "why")
    aborted = progress(STARTED, event(3, "phase_ended", phase="ramp", outcome="aborted"))
    assert aborted.stop is not None
    assert aborted.stop[0] == "being stopped"
    assert progress(STARTED, event(3, "phase_ended", phase="ramp", outcome="ok")).stop is None


# Samples.


def counter(t_s: list[float], v: list[float | None], **labels: str) -> RawSeries:
    return RawSeries("c", "c", {"region": WEST, **labels}, tuple(t_s), tuple(v))


def test_growth_is_unknown_after_a_fall_and_without_a_second_sample() -> None:
    """A region with one unknown counter is left out, never shown as less."""
    recent = Recent(["c"], stale_s=5.0)
    recent.add([counter([1, 2, 3], [10, 20, 40]), counter([3], [7], instance="new")])
    assert recent.growth("c", 10) == {WEST: 30}
    assert recent.growth("c", 1) == {WEST: 20}
    assert recent.growth("c", 10, since_s=2) == {WEST: 20}
    assert recent.growth("none", 10) == {}
    recent.add([counter([4], [5])])
    assert recent.growth("c", 10) == {}
    assert recent.growth("c", 0.5) == {}
    recent.add([counter([5, 6], [6, None])])
    assert recent.latest("c") == {WEST: 6 + 7}


# A whole drill, look by look.


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("whole") / "drill", small())


def looked(whole: Path, work: Path, until_s: float) -> Shown:
    """The look at `until_s` seconds, at a bundle that was written as far as that."""
    work.mkdir(exist_ok=True)
    (work / "contract.yaml").write_bytes((whole / "contract.yaml").read_bytes())
    for name in ("ledger.jsonl", "samples.jsonl"):
        kept = []
        for text in (whole / name).read_text().splitlines():
            record = json.loads(text)
            if name == "samples.jsonl" and "t" in record:
                pairs = [
                    (t, v)
                    for t, v in zip(record["t"], record["v"], strict=True)
                    if t <= START_S + until_s
                ]
                record["t"], record["v"] = [t for t, _ in pairs], [v for _, v in pairs]
            elif "t" in record and record["t"] > START_S + until_s:
                continue
            kept.append(json.dumps(record))
        (work / name).write_text("\n".join(kept) + "\n")
    return Follower(work, Held(START_S + until_s)).look()


def test_a_look_shows_phase_streams_split_and_the_tightest_margins(
    whole: Path, tmp_path: Path
) -> None:
    """Everything comes from the files; what they do not show is unknown."""
    start_s, end_s = small().span("baseline")
    shown = looked(whole, tmp_path / "a", (start_s + end_s) / 2 - START_S)
    assert (shown.phase, shown.tier, shown.over) == ("baseline", "X", False)
    assert shown.streams == pytest.approx(small().streams, rel=0.2)
    assert set(shown.by_region) == {WEST, EAST}
    assert shown.guard == "armed"
    assert shown.margins
    assert [one.used for one in shown.margins] == sorted(
        (one.used for one in shown.margins), reverse=True
    )
    assert shown.processes == (Process("drill", None), Process("watchdog", None))
    assert "unknown" not in line(shown).partition("split")[0]


def test_behind_a_late_server_the_countdowns_live_as_far_in_the_past_as_the_guard(
    whole: Path, tmp_path: Path
) -> None:
    """A region that is dark by now was in rotation then; what is shown of streams is the newest."""
    until_s = small().span("dark")[0] - START_S + 3
    looked(whole, tmp_path / "c", until_s)
    found = {}
    for delay_s in (0.0, 600.0):
        lines = (tmp_path / "c" / "ledger.jsonl").read_text().splitlines()
        started = {**json.loads(lines[0]), "delay_s": delay_s}
        (tmp_path / "c" / "ledger.jsonl").write_text(
            "\n".join([json.dumps(started), *lines[1:]]) + "\n"
        )
        follower = Follower(tmp_path / "c", Held(START_S + until_s))
        shown = follower.look()
        assert follower._judged is not None
        found[delay_s] = (follower._judged.rotation.regions, shown.by_region)
    assert (found[0.0][0], found[600.0][0]) == ({EAST}, {WEST, EAST})
    assert found[0.0][1] == found[600.0][1]


def test_a_look_before_the_first_event_knows_nothing(tmp_path: Path) -> None:
    """No line is missing its words, and no number is invented."""
    shown = Follower(tmp_path, Held(START_S)).look()
    assert (shown.streams, shown.elapsed_s, shown.margins, shown.over) == (None, None, (), False)
    assert line(shown) == "beginning"
    assert dict((name, text) for name, text, _ in rows(shown))["phase"] == "beginning"


def test_a_drill_that_ended_shows_its_verdict(whole: Path, tmp_path: Path) -> None:
    """And that none was made yet, where there is none."""
    shown = looked(whole, tmp_path / "b", 10_000)
    assert shown.over
    assert not shown.judged
    assert ("phase", "ended, being judged", "") in rows(shown)
    (tmp_path / "b" / "verdict.json").write_text('{"schema_version": 1, "verdict": "PASS"}')
    again = Follower(tmp_path / "b", Held(START_S + 10_000)).look()
    assert again.judged
    assert ("verdict", "PASS", "good") in rows(again)
    assert line(again).startswith("ended; verdict PASS; took ")


SHOWN = Shown(
    at_s=START_S + 125.0,
    drill_id="d",
    drill="region_failover",
    target="staging",
    regions=(WEST, EAST),
    phase="dark",
    number=6,
    phases=("a", "b", "c", "d", "e", "dark", "restore", "verify"),
    tier="G",
    elapsed_s=125.0,
    ends_s=START_S + 186.0,
    streams=1990.0,
    streams_target=2000,
    by_region={WEST: 0.0, EAST: 1990.0},
    wanted_pct={WEST: 0.0, EAST: 100.0},
    seen_pct={WEST: 0.0, EAST: None},
    margins=(Margin("rate_429", EAST, 1.9, 2.0, "%", 0.95),),
    guard="armed",
    nearing=(Nearing("limit", "queue_age", EAST, 9.6),),
    faults=(("region_power", WEST, True),),
    pending=2,
    undone=1,
    stopped_by="",
    stopped_why="",
    commands=(),
    processes=(Process("drill", 0.2), Process("watchdog", 30.0)),
    over=False,
)


def test_rows_say_what_a_person_needs() -> None:
    """Phase n of m, time, streams against target, split, margin, countdown, fault, watchdog."""
    told = {name: (text, state) for name, text, state in rows(SHOWN)}
    assert told["phase"][0] == "phase 6 of 8: dark, judged by Tier G"
    assert told["time"][0] == "2 min 05 s so far, about 1 min 01 s left (ends at 14:16 UTC)"
    assert told["streams"][0] == f"1,990 of 2,000 ({EAST} 1,990, {WEST} 0)"
    assert f"{EAST} unknown (wanted 100 %)" in told["split"][0]
    assert told["margin"] == (f"rate_429 in {EAST}: 1.9 of 2 %, 95 % used", "warn")
    assert told["guard"][0] == f"armed; limit queue_age in {EAST} fires in 10 s if it goes on"
    assert told["fault"][0] == f"region_power in {WEST}: took effect (verified)"
    assert told["watchdog"] == ("SILENT for 30 s", "bad")


def test_between_its_phases_a_drill_says_what_it_does() -> None:
    """Beginning, between two phases, restoring after a stop, done."""
    between = replace(SHOWN, phase="", tier=None)
    assert line(replace(between, number=0)).startswith("beginning; ")
    assert line(between).startswith("phase 6 of 8: between two phases; ")
    assert line(replace(between, stopped_by="x")).startswith("phase 6 of 8: restoring; ")
    assert line(replace(between, number=8)).startswith("all 8 phases are done; ")


def test_streams_of_no_region_yet_are_told() -> None:
    """Else the regions would not add up to the sum."""
    shown = replace(SHOWN, by_region={WEST: 0.0, EAST: 1980.0, "unknown": 10.0})
    assert f"({EAST} 1,980, {WEST} 0, 10 not answered yet)" in line(shown)


def test_a_stopped_drill_counts_what_is_restored() -> None:
    """`1 of 3`, the reason, and no countdown any more."""
    shown = replace(SHOWN, stopped_by="operator", stopped_why="smoke", guard="the drill is stopped")
    assert "stopped by operator; 1 of 3 changes restored" in line(shown)
    assert ("stopped", "operator: smoke", "bad") in rows(shown)
    assert list(status_lines(shown))[1] == "guard: the drill is stopped"


@pytest.mark.parametrize(
    ("value_s", "text"), [(-1, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3725, "1 h 02 min")]
)
def test_lengths_are_short(value_s: float, text: str) -> None:
    assert seconds(value_s) == text


# The page.


def ask(url: str, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read().decode()
    finally:
        connection.close()


def test_nobody_without_the_token_or_by_a_foreign_name_sees_anything() -> None:
    """Another user of the machine, and a foreign page whose name points to loopback."""
    server = LiveServer(0)
    try:
        token = f"?token={server.token}"
        for path in ("/", "/events", "/?token=", "/?token=wrong", "/events?token=wrong"):
            assert ask(server.url, path)[0] == 403
        assert ask(server.url, f"/{token}", Host="evil.example")[0] == 403
        assert ask(server.url, f"/other{token}")[0] == 404
        status, headers, body = ask(server.url, f"/{token}")
        assert (status, headers["Cache-Control"]) == (200, "no-store")
        nonce = headers["Content-Security-Policy"].partition("'nonce-")[2].partition("'")[0]
        assert f'<script nonce="{nonce}">' in body
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert server.token not in body
    finally:
        server.close()


def test_looks_arrive_as_events_also_those_from_before_the_page_was_open() -> None:
    """A page that opens late gets every look, in order, and is told when the view ends."""
    server = LiveServer(0)
    server.put(SHOWN)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("GET", f"/events?token={server.token}")
        answer = connection.getresponse()
        server.put(replace(SHOWN, phase="<b>restore</b>"))
        server.close()
        text = answer.read().decode()
    finally:
        connection.close()
    looks = [json.loads(one[6:]) for one in text.splitlines() if one.startswith('data: {"')]
    assert [one["phase"] for one in looks] == ["dark", "<b>restore</b>"]
    assert looks[0]["rows"][1][1] == "phase 6 of 8: dark, judged by Tier G"
    assert text.rstrip().endswith("event: end\ndata: {}")
