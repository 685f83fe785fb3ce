"""The doctor itself: every check at once, bounded, none of them lost, and what is said of it."""

from __future__ import annotations

import json
import logging
import threading
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from shared_targets import shared_document, write_target

from muster.cli import drill
from muster.clock import SYSTEM_CLOCK
from muster.drill.doctor import textfile
from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Check, Seen
from muster.drill.doctor.registry import BY_USE, OWN, checks_of
from muster.drill.doctor.run import examine
from muster.drill.doctor.words import lines_of
from muster.drill.phases import preflight
from muster.drill.stop import StopFlag
from muster.errors import BadInput, DrillAborted, MusterError
from muster.redact import keep

logger = logging.getLogger("chaostoolkit")


def patient(regions=("a", "b")):
    """As much of what is examined as the runner needs."""
    target = SimpleNamespace(name="it", class_="staging", regions=dict.fromkeys(regions))
    return SimpleNamespace(
        target=target,
        plan=SimpleNamespace(drill="region_failover"),
        clock=SYSTEM_CLOCK,
        stop=StopFlag(),
    )


def check(look, name="one", seconds_max=20.0, **more):
    return Check(name, f"table of {name}", look, seconds_max, **more)


def report(*looks, accepted=(), **more):
    checks = [check(look, f"c{number}", **more) for number, look in enumerate(looks)]
    return examine(patient(), checks, accepted)


def raises(error):
    def look(examined):
        raise error

    return look


def test_all_is_listed_and_never_only_the_first():
    """Three checks refuse, one of them twice, and one holds."""
    found = report(
        lambda _: Seen(refused=("x", "y")),
        lambda _: Seen(rows=({"a": "1"},)),
        raises(MusterError("z")),
        lambda _: Seen(refused=("x",)),
    )
    assert [(one.check, one.text) for one in found.of("refused")] == [
        ("c0", "x"),
        ("c0", "y"),
        ("c2", "z"),
        ("c3", "x"),
    ]
    assert (found.ready, found.exit_code) == (False, 1)
    lines = list(lines_of(found))
    assert lines[0].startswith("NOT READY: region_failover on target it (staging): 4 blocking")
    assert "  blocking: c0, c3: x" in lines
    assert lines[-3:] == ["table of c1", "  A", "  1"]


def test_nothing_found_is_ready():
    """Exit code 0."""
    found = report(lambda _: Seen())
    assert (found.ready, found.exit_code) == (True, 0)
    assert next(lines_of(found)).startswith("READY: ")


@pytest.mark.parametrize(
    ("look", "says"),
    [
        (raises(ValueError("odd")), "the check itself failed: ValueError: odd"),
        (raises(DrillAborted("doctor:time_over", "x")), "the check did not end in time"),
        (lambda _: Seen(unknown=("nobody looked",)), "nobody looked"),
    ],
)
def test_a_check_that_cannot_look_is_no_pass(look, says):
    """Unknown: exit code 3, and 1 where another refuses."""
    found = report(look)
    (one,) = found.of("unknown")
    assert one.text == says
    assert (found.ready, found.exit_code) == (False, 3)
    assert report(look, lambda _: Seen(refused=("x",))).exit_code == 1


def test_a_check_that_only_the_doctor_makes_knows_nothing_where_it_raises():
    """A drill begins without it: unknown, not refused; preflight's refuse."""
    error = raises(MusterError("403"))
    assert [one.level for one in report(error, may_be_accepted=True).findings] == ["unknown"]
    assert [one.level for one in report(error).findings] == ["refused"]


def test_a_check_that_hangs_is_unknown_and_keeps_nobody_waiting():
    """The others' findings are there, and what waits for a fact is let go."""
    go, ended = threading.Event(), threading.Event()

    def hangs(examined):
        go.wait()
        return Seen()

    def waits(examined):
        try:
            examined.stop.wait_until(lambda: False, 3600.0)
        finally:
            ended.set()
        return Seen()

    try:
        found = examine(
            patient(),
            [
                check(hangs, "hangs", 0.1),
                check(waits, "waits", 0.1),
                check(lambda _: Seen(refused=("x",)), "quick"),
            ],
        )
        assert [(one.check, one.level) for one in found.findings] == [
            ("hangs", "unknown"),
            ("waits", "unknown"),
            ("quick", "refused"),
        ]
        assert "did not end within 0.1 s" in found.of("unknown")[0].text
        assert ended.wait(20)
    finally:
        go.set()


def test_what_a_check_warns_of_is_a_finding_and_not_on_the_log(caplog):
    """Preflight's warnings are listed with the rest; another thread's lines stay on the log."""

    def warns(examined):
        logger.warning("preflight: %s is small", "it")
        logger.info("nothing")
        return Seen()

    found = report(warns)
    assert [one.text for one in found.of("warning")] == ["it is small"]
    assert found.ready
    logger.warning("after")
    assert [one.getMessage() for one in caplog.records] == ["after"]


def test_what_a_person_accepts_is_shown_and_does_not_count():
    """Only of checks that preflight does not make, and by a name that exists."""
    look = lambda _: Seen(refused=("x",))  # noqa: E731
    found = examine(patient(), [check(look, "resolver", may_be_accepted=True)], ["resolver"])
    assert found.ready
    assert "  accepted: resolver: x" in list(lines_of(found))
    assert found.as_json()["findings"][0]["accepted"] is True
    with pytest.raises(BadInput, match="did you mean resolver"):
        examine(patient(), [check(look, "resolver", may_be_accepted=True)], ["resolvr"])
    with pytest.raises(BadInput, match="preflight makes all other checks"):
        examine(patient(), [check(look, "preflight:lock")], ["preflight:lock"])


def test_no_secret_shows_in_table_or_json():
    """Neither in what a check says nor in what it saw."""
    keep("hunter-2-hunter")
    found = report(
        lambda _: Seen(
            rows=({"url": "http://me:pw-of-mine@host/"}, {"url": "hunter-2-hunter"}),
            refused=("it said hunter-2-hunter", "http://me:pw-of-mine@host/ is off"),
        )
    )
    for text in ("\n".join(lines_of(found)), json.dumps(found.as_json())):
        assert "hunter" not in text
        assert "pw-of-mine" not in text
        assert "***" in text


def test_every_check_of_preflight_is_made():
    """The lock's is made while the doctor holds the lock; no other is left out."""
    names = [one.name for one in checks_of(patient())]
    assert len(set(names)) == len(names)
    own = {one.name for one in OWN}
    for one in preflight.CHECKS:
        assert f"preflight:{one.name}" in names or one.name in BY_USE
    assert own >= BY_USE
    assert names[:2] == ["stream:a", "stream:b"]


@pytest.mark.parametrize("refusing", [one.name for one in preflight.CHECKS])
def test_what_preflight_refuses_the_doctor_lists(monkeypatch, tmp_path, refusing):
    """Whichever check it is, every line of it; also where the check raises."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path))
    planted = {
        one.name: preflight.Check(one.name, lambda _: "first\nsecond") for one in preflight.CHECKS
    }
    monkeypatch.setattr(preflight, "CHECKS", (planted[refusing],))
    if refusing in BY_USE:
        monkeypatch.setattr("muster.drill.doctor.keeping.lock_kept", planted[refusing].look)
    from muster.drill.lock.held import TargetLock

    one = patient()
    one.target.shared = None
    one.lock = TargetLock(one.target, "doctor")
    wanted = refusing if refusing in BY_USE else f"preflight:{refusing}"
    (only,) = [made for made in checks_of(one) if made.name == wanted]
    found = examine(one, [only])
    assert [(line.check, line.text) for line in found.of("refused")] == [
        (wanted, "first"),
        (wanted, "second"),
    ]


def test_the_textfile_is_replaced_whole(tmp_path):
    """Readiness, findings by check and level, the time; nothing else is left in the directory."""
    path = tmp_path / "muster.prom"
    path.write_text("old")
    found = report(lambda _: Seen(refused=("x", "y")), lambda _: Seen(warnings=("w",)))
    textfile.write(path, textfile.text_of(found))
    text = path.read_text()
    labels = 'target="it",drill="region_failover"'
    assert f"muster_doctor_ready{{{labels}}} 0\n" in text
    assert f'muster_doctor_findings{{{labels},check="c0",level="refused"}} 2\n' in text
    assert f'muster_doctor_findings{{{labels},check="c1",level="refused"}} 0\n' in text
    assert f'muster_doctor_findings{{{labels},check="c1",level="warning"}} 1\n' in text
    assert f"muster_doctor_timestamp_seconds{{{labels}}} {found.at_s:.3f}\n" in text
    assert [one.name for one in tmp_path.iterdir()] == ["muster.prom"]
    assert f"muster_doctor_ready{{{labels}}} 1\n" in textfile.text_of(report(lambda _: Seen()))


def test_a_textfile_that_cannot_be_written_is_bad_input(tmp_path):
    """One line; the old file stands, and no half of a new one."""
    with pytest.raises(BadInput, match="--textfile"):
        textfile.write(tmp_path / "none" / "m.prom", "x")
    folder = tmp_path / "m.prom"
    folder.mkdir()
    with pytest.raises(BadInput, match="can be written"):
        textfile.write(folder, "x")
    assert [one.name for one in tmp_path.iterdir()] == ["m.prom"]
    with pytest.raises(BadInput, match=r"ends in \.prom"):
        textfile.check_path(tmp_path / "m.txt")


# The command


@pytest.fixture
def say(tmp_path, monkeypatch):
    """One command, with a state of its own."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    return lambda *words: CliRunner().invoke(drill, ["doctor", *map(str, words)])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["mars"], "target: got 'mars', expected"),
        (["testbed", "--var", "scale=7"], "scale: got '7', expected"),
        (["testbed", "--var", "target=x"], "expected the target as the argument alone"),
        (["testbed", "--drill", "none.json"], "none.json"),
        (["testbed", "--textfile", "x.txt"], "ends in .prom"),
        (["testbed"], "testbed testbed: got 'down', expected a testbed that is up"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(say, words, line):
    """Nothing is asked."""
    result = say(*words)
    assert result.exit_code == 2, result.output
    assert line in result.output
    assert result.output.count("\n") == 1


def test_every_placeholder_without_a_value_is_named_and_the_metrics_say_not_ready(
    say, tmp_path, monkeypatch
):
    """All in one run; an older answer of another run does not stand for this one."""
    data = shared_document("http://127.0.0.1:9")
    data["load"] |= {"token": "${env.IT_ONE}", "canary_token": "${env.IT_TWO}"}
    file = write_target(tmp_path / "staging.yaml", data)
    metrics = tmp_path / "m.prom"
    metrics.write_text('muster_doctor_ready{target="staging",drill="region_failover"} 1\n')
    result = say(file, "--textfile", metrics)
    assert result.exit_code == 2
    assert "load.token: got '${env.IT_ONE}'" in result.output
    assert "load.canary_token: got '${env.IT_TWO}'" in result.output
    text = metrics.read_text()
    assert 'muster_doctor_ready{target="staging",drill="region_failover"} 0\n' in text
    assert 'check="input",level="refused"} 1\n' in text


def test_a_platform_that_answers_nothing_is_told_check_by_check(say, tmp_path):
    """Nothing is there at all: exit 1, JSON, and each check has its finding."""
    data = shared_document("http://127.0.0.1:9")
    data["public_url"] = "http://chat.staging.example.com:9/v1"
    for section in ("steering", "shared", "prometheus"):
        data[section]["timeout_s"] = 1
    file = write_target(tmp_path / "staging.yaml", data)
    result = say(file, "--json", "--var", "scale:float=0.01")
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    assert (document["ready"], document["target"], document["exit_code"]) == (False, "staging", 1)
    wrong = {one["check"] for one in document["findings"] if one["level"] != "warning"}
    for name in (
        "stream:eu-west-1",
        "stream:eu-central-1",
        "names",
        "resolver",
        "signals",
        "clock",
        "lock",
        "store",
        "preflight:regions_ready",
        "preflight:steering",
        "preflight:undo_known",
        "preflight:prometheus",
        "preflight:signals",
        "preflight:headroom",
    ):
        assert name in wrong
    assert not {"room", "permit", "testbed", "samples", "preflight:calendar"} & wrong
    assert document["looked_at"]["samples"]


def test_what_is_examined_is_what_preflight_looks_at():
    """The same parts as a session has before its first effect."""
    from muster.drill.sight.looking import Looking

    wanted = {name for name in vars(Looking) if not name.startswith("_")}
    held = {*Examined.__dataclass_fields__, *dir(Examined)}
    assert wanted <= held
