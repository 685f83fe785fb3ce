"""The promotion's watch, stepped on a held clock; its server; and its command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import yaml
from click.testing import CliRunner
from fake_prometheus import FakePrometheus
from floor_fixtures import await_true, stand_in
from promotion_platform import EAST, T0, WEST, Platform, rules

from muster import home
from muster.cli import drill
from muster.drill.real_traffic.promotion import CHUNK_S, History, PromotionWatch, past
from muster.drill.real_traffic.serve import (
    BODY_BYTES_MAX,
    REQUESTS_AT_ONCE_MAX,
    AnswerServer,
    parse_address,
)
from muster.errors import BadInput
from muster.guard.promotion import SIGNALS, as_json
from muster.platform.metrics import RawSeries
from muster.platform.metrics.prometheus import Prometheus, PrometheusError
from muster.platform.steering import SteeringError


@dataclass
class HeldClock:
    """Stands still until it is moved."""

    t_s: float = T0

    def now_s(self):
        return self.t_s

    def monotonic_s(self):
        return self.t_s

    def sleep(self, seconds):
        self.t_s += seconds


@dataclass
class Scene:
    """A platform, watched by hand: `go` moves the clock and looks."""

    platform: Platform
    span_s: float | None = None
    down: bool = False
    weights: dict[str, int] | None = None

    def __post_init__(self):
        self.clock = HeldClock()
        self.given = {EAST: 50, WEST: 50} if self.weights is None else self.weights
        self.watch = PromotionWatch(
            rules(), self.poll, self.steering, 15.0, T0, self.span_s, self.clock
        )

    def poll(self):
        if self.down:
            raise PrometheusError("no answer")
        return self.platform.series(self.clock.t_s - T0)

    def steering(self):
        if isinstance(self.given, str):
            raise SteeringError(self.given)
        return self.given

    def go(self, until, step=30.0):
        answer = None
        while self.clock.t_s - T0 < until:
            self.clock.sleep(min(step, until - (self.clock.t_s - T0)))
            answer = self.watch.look()
        return answer


def from_s(value, start, until=1e9):
    return lambda region, s: value if region == WEST and start <= s <= until else 0.0


def test_it_is_unknown_until_every_trigger_could_have_fired_and_then_held():
    """Young answers name the triggers that could not have fired."""
    scene = Scene(Platform())
    young = scene.go(300)
    assert young.state == "unknown"
    assert "success_2xx, queue_age could not have fired yet" in scene.go(600).unknown[0]
    assert scene.go(660).state == "held"


def test_it_rolls_back_as_soon_as_a_trigger_fires():
    """A circuit open for two minutes: at once, also in a young watch."""
    scene = Scene(Platform(circuit=from_s(1, 60)))
    assert scene.go(170).state == "unknown"
    assert scene.go(200).state == "roll_back"


def test_a_prometheus_that_is_gone_is_unknown_and_blind_beyond_the_target_s_limit():
    """Silent for longer than `missing_s_max`; and back within it nothing is lost."""
    scene = Scene(Platform())
    assert scene.go(690).state == "held"
    scene.down = True
    assert scene.go(700, 5).state == "unknown"
    assert not scene.watch.blind
    assert scene.go(706, 5).state == "unknown"
    assert scene.watch.blind
    scene.down = False
    assert scene.go(720).state == "held"
    assert not scene.watch.blind


def test_a_span_slides_and_what_lies_before_it_is_forgotten():
    """Served for hours, a trigger of long ago does not block the next deployment."""
    scene = Scene(Platform(bad=from_s(6, 0, 400)), span_s=900.0)
    assert scene.go(450).state == "roll_back"
    assert scene.go(900).state == "roll_back"
    assert scene.go(1400).state == "held"
    kept = [t for one in scene.watch._history.series() for t in one[3]]
    assert min(kept) >= T0 + 1400 - 900 - 2 * rules().stale_s


def test_regions_without_weight_are_left_out_and_unreadable_steering_means_all():
    """Weight 0 is out of rotation; where nobody can say, every region counts."""
    bad = Platform(bad=from_s(6, 0))
    assert Scene(bad, weights={EAST: 100, WEST: 0}).go(700).state == "held"
    scene = Scene(bad)
    scene.given = "no credentials"
    assert scene.go(700).state == "roll_back"
    assert scene.watch.steering_lost == "no credentials"
    assert Scene(bad, weights={EAST: 0, WEST: 0}).go(700).state == "roll_back"


def test_a_signal_that_never_came_is_named():
    """Nobody shows a circuit: more watching will not make it known."""
    scene = Scene(Platform(hide=lambda name, *_: name == "circuit_open"))
    scene.go(60)
    assert scene.watch.missing() == ["circuit_open"]


def test_history_keeps_each_sample_once():
    """Overlapping answers add nothing twice."""
    history = History()
    one = RawSeries("s", "n", {"region": "a"}, (1.0, 2.0, 3.0), (1.0, 2.0, None))
    history.add([one])
    history.add([replace(one, t_s=(2.0, 3.0, 4.0), v=(9.0, 9.0, 4.0))])
    ((_, _, _, times, values),) = history.series()
    assert (list(times), list(values)) == ([1, 2, 3, 4], [1, 2, None, 4])
    history.forget(5.0)
    assert history.series() == []


def test_the_past_is_asked_for_in_bounded_pieces():
    """35 minutes: four questions of ten minutes at most, and every sample once."""
    fake = FakePrometheus({"requests": "r"}, [s for s in Platform().series(2100, start=0)])
    with stand_in(fake.answer) as shown:
        prometheus = Prometheus(shown.url, 5)
        found = list(past(prometheus, "requests", "r", T0, T0 + 2100))
        prometheus.close()
    assert len(fake.asked) == 4
    assert max(window_s for _, window_s, _ in fake.asked) <= CHUNK_S + 1
    history = History()
    history.add(found)
    assert {len(times) for _, _, _, times, _ in history.series()} == {421}


# The server


@pytest.fixture
def served():
    clock = HeldClock()
    server = AnswerServer("127.0.0.1", 0, stale_s=45.0, clock=clock)
    with httpx.Client(base_url=server.url, trust_env=False, timeout=10) as client:
        yield server, client, clock
    server.close()


ANSWERS = {
    "held": Platform(),
    "roll_back": Platform(circuit=from_s(1, 60)),
    "unknown": Platform(hide=lambda name, *_: name == "requests"),
}
FLAGGER = {
    "name": "podinfo",
    "namespace": "test",
    "phase": "Progressing",
    "checksum": "85d557f47b",
    "metadata": {"test": "all"},
}


def document(state):
    return as_json(ANSWERS[state].judged(), target="t")


@pytest.mark.parametrize(
    ("state", "gate", "rollback"),
    [("held", 200, 409), ("roll_back", 409, 200), ("unknown", 503, 503)],
)
def test_each_state_has_its_status_and_unknown_is_no_success(served, state, gate, rollback):
    """Argo reads the JSON; Flagger reads the status."""
    server, client, _ = served
    server.put(document(state))
    got = client.get("/promotion")
    assert (got.status_code, got.json()["state"], got.json()["held"]) == (
        200, state, state == "held",
    )  # fmt: skip
    answer = client.post("/flagger", json=FLAGGER)
    assert answer.status_code == gate
    assert answer.json()["state"] == state
    assert bool(answer.json()["why"]) is (state != "held")
    assert client.post("/flagger/rollback", json=FLAGGER).status_code == rollback


def test_before_a_first_look_and_after_the_last_it_is_unknown(served):
    """An answer that nobody renews stands for nothing."""
    server, client, clock = served
    assert client.get("/promotion").json()["state"] == "unknown"
    server.put(document("held"))
    clock.sleep(45)
    assert client.post("/flagger", json=FLAGGER).status_code == 200
    clock.sleep(1)
    assert client.post("/flagger", json=FLAGGER).status_code == 503
    stale = client.get("/promotion").json()
    assert (stale["state"], stale["held"]) == ("unknown", False)
    assert stale["unknown"][0] == "samples were last taken 46 s ago"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[1]", 400),
        (b"{", 400),
        (json.dumps({"name": "a", "namespace": "b"}).encode(), 400),
        (json.dumps({**FLAGGER, "phase": 3}).encode(), 400),
        (b"x" * (BODY_BYTES_MAX + 1), 413),
    ],
)
def test_a_body_that_is_no_webhook_s_is_refused(served, body, status):
    """Also when the answer is held."""
    server, client, _ = served
    server.put(document("held"))
    assert client.post("/flagger", content=body).status_code == status


def test_other_paths_and_too_many_requests_are_no_success(served):
    """404 for what is not served, 503 when every slot is taken."""
    server, client, _ = served
    server.put(document("held"))
    assert client.get("/healthz").status_code == 200
    assert client.get("/other").status_code == 404
    assert client.post("/promotion", json=FLAGGER).status_code == 404
    # The answers above may still be letting go of theirs.
    assert all(server.slots.acquire(timeout=30) for _ in range(REQUESTS_AT_ONCE_MAX))
    assert client.post("/flagger", json=FLAGGER).status_code == 503
    assert client.get("/promotion").status_code == 503


def test_an_address_is_loopback_unless_one_is_named():
    """A port alone listens on 127.0.0.1."""
    assert parse_address("8087") == ("127.0.0.1", 8087)
    assert parse_address("localhost:1") == ("127.0.0.1", 1)
    assert parse_address("10.0.0.5:8087") == ("10.0.0.5", 8087)
    assert parse_address("[::1]:8087") == ("::1", 8087)
    for wrong in ("", "x", "host:80", "70000", "127.0.0.1", "1.2.3.4:-1"):
        with pytest.raises(BadInput, match="--serve: got"):
            parse_address(wrong)


def test_an_address_that_is_taken_is_bad_input(served):
    """One line, nothing watched."""
    server, _, _ = served
    with pytest.raises(BadInput, match="a free address"):
        AnswerServer("127.0.0.1", server.port, stale_s=1.0)


# The command


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A staging target whose Prometheus is a stand-in; its Route 53 answers nothing."""
    document = yaml.safe_load((home.root() / "targets" / "staging.example.yaml").read_text())
    fake = FakePrometheus(
        {name: document["signals"][name] for name in SIGNALS if name in document["signals"]}
    )
    monkeypatch.setattr(
        "muster.platform.steering.route53.Route53.weights", lambda self: {EAST: 50, WEST: 50}
    )
    with stand_in(fake.answer) as shown:
        document["prometheus"] = {"url": shown.url, "scrape_interval_s": 5, "missing_s_max": 15}
        path = tmp_path / "staging.yaml"
        path.write_text(yaml.safe_dump(document))
        yield fake, str(path)


def show(fake, platform, seconds=960):
    """The platform's last seconds end now."""
    shift_s = time.time() - T0 - seconds
    fake.series = [
        replace(s, t_s=tuple(t + shift_s for t in s.t_s)) for s in platform.series(seconds)
    ]


def ask(path, *arguments):
    past_only = ("--minutes", "0", "--look-back-minutes", "15", "--tier", "G")
    return CliRunner().invoke(drill, ["promotion", path, *past_only, *arguments])


@pytest.mark.parametrize(
    ("platform", "code", "word"),
    [
        (Platform(), 0, "HELD"),
        (Platform(bad=from_s(6, 300)), 1, "ROLL BACK"),
        (Platform(hide=lambda name, *_: name == "queue_age"), 3, "UNKNOWN"),
        (Platform(hide=lambda name, r, p, s: s > 800), 3, "UNKNOWN"),
    ],
)
def test_the_command_answers_from_the_past_at_once(place, platform, code, word):
    """0 held, 1 roll back, 3 unknown; no load's signal and no token is needed."""
    fake, path = place
    show(fake, platform)
    result = ask(path)
    assert result.exit_code == code, result.output
    assert result.output.splitlines()[0].startswith(f"{word}: staging from ")
    assert all(not selector.startswith("muster_load") for selector, _, _ in fake.asked)


def test_the_command_says_which_trigger_fired_since_when_and_where(place):
    """In the lines, and as JSON."""
    fake, path = place
    show(fake, Platform(bad=from_s(2, 300)))
    assert "roll back  rate_5xx in eu-west-1 since 20" in ask(path).output
    told = json.loads(ask(path, "--json").stdout)
    (row,) = [row for row in told["triggers"] if row["state"] == "roll_back"]
    assert (row["trigger"], row["region"]) == ("rate_5xx", WEST)
    assert row["since_s"] < time.time() - 300
    assert (told["tier"], told["gate"], told["target"]) == ("G", "M3", "staging")


@pytest.mark.parametrize(
    ("platform", "code"),
    [
        (Platform(bad=from_s(6, 300)), 1),
        (Platform(hide=lambda name, *_: name == "circuit_open"), 3),
    ],
)
def test_it_does_not_wait_for_what_cannot_change(place, monkeypatch, platform, code):
    """A trigger that fired, or a signal that nobody ever showed: the answer comes at once."""

    @contextlib.contextmanager
    def never():
        def wait(seconds):
            raise AssertionError("it waited")

        yield wait

    monkeypatch.setattr("muster.cli.promotion._until_ended", never)
    fake, path = place
    show(fake, platform)
    result = CliRunner().invoke(
        drill, ["promotion", path, "--minutes", "15", "--look-back-minutes", "15", "--tier", "G"]
    )
    assert result.exit_code == code
    assert "it waited" not in result.output


def test_a_prometheus_that_does_not_answer_exits_3(place):
    """Not 1, which would say that a trigger fired."""
    fake, path = place
    fake.down = True
    result = ask(path)
    assert result.exit_code == 3
    assert "UNKNOWN" in result.output


def test_anything_unforeseen_exits_3(place, monkeypatch):
    """A bug is no trigger."""
    fake, path = place
    show(fake, Platform())

    def broken(self):
        raise ZeroDivisionError("x")

    monkeypatch.setattr("muster.platform.steering.route53.Route53.weights", broken)
    result = ask(path)
    assert (result.exit_code, "ZeroDivisionError" in result.output) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--minutes", "10"], r"at least 11, .*success_2xx, queue_age could not fire"),
        (["--minutes", "-1"], "minutes from 0 to"),
        (["--minutes", "15", "--gate", "M9"], "--gate: got 'M9', expected one of M1, M2, M3"),
        (["--minutes", "15", "--tier", "Z"], "--tier: got 'Z', expected one of L, G, X"),
        (["--minutes", "15", "--serve", "x"], "--serve: got 'x'"),
    ],
)
def test_bad_input_is_one_line_and_exits_2(place, arguments, says):
    """Nothing is asked of Prometheus."""
    import re

    fake, path = place
    result = CliRunner().invoke(drill, ["promotion", path, *arguments])
    assert result.exit_code == 2
    assert re.search(says, result.output)
    assert len(result.output.splitlines()) == 1
    assert fake.asked == []


def started(path, *arguments, **environment):
    """The command as a process; what it serves."""
    chaos = Path(sys.executable).with_name("chaos")
    process = subprocess.Popen(
        [str(chaos), "drill", "promotion", path, *arguments],
        env={**os.environ, "MUSTER_HOME": str(home.root()), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Who starts the tests in the background of a shell has them, and their children, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return process


@pytest.fixture
def far(place, tmp_path):
    """The same target for a process of its own: its Route 53 is an address where nobody is."""
    fake, path = place
    document = yaml.safe_load(Path(path).read_text())
    document["steering"] |= {"endpoint_url": "http://127.0.0.1:9", "timeout_s": 0.2}
    Path(path).write_text(yaml.safe_dump(document))
    return fake, path


def test_it_serves_until_it_is_ended_and_never_exits_0_for_that(far):
    """SIGTERM ends it, with 3; its port is free again."""
    fake, path = far
    show(fake, Platform())
    process = started(
        path, "--minutes", "0", "--look-back-minutes", "15", "--tier", "G", "--serve", "0"
    )
    try:
        url = process.stderr.readline().split()[-1]

        def held():
            try:
                return httpx.get(url, trust_env=False).json()["state"] == "held"
            except httpx.HTTPError:
                return False

        await_true(held, "a held answer", 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 3
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False)
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_a_watch_with_3_and_a_pipe_gets_plain_lines(far):
    """Interrupted is unknown; no escape sequence goes into a pipe."""
    fake, path = far
    show(fake, Platform())
    process = started(path, "--minutes", "15")
    try:
        first = process.stderr.readline()
        assert "unknown so far, 15.0 minutes left" in first
        assert "\x1b" not in first
        assert "\r" not in first
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 3
    finally:
        process.kill()
        process.communicate()


def test_it_ends_when_its_parent_is_gone(far, tmp_path):
    """A pipeline that was killed leaves no watch behind."""
    fake, path = far
    show(fake, Platform())
    chaos = Path(sys.executable).with_name("chaos")
    arguments = [str(chaos), "drill", "promotion", path, "--minutes", "15", "--serve", "0"]
    script = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen({arguments!r}, stderr=subprocess.PIPE, text=True)\n"
        "print(p.pid, p.stderr.readline().split()[-1], flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "MUSTER_HOME": str(home.root())},
        stdout=subprocess.PIPE,
        text=True,
    )
    pid, url = parent.stdout.readline().split()
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def gone():
        try:
            httpx.get(url, trust_env=False, timeout=1)
        except httpx.ConnectError:
            return True
        except httpx.HTTPError:
            pass
        return False

    try:
        await_true(gone, "its end", 60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
