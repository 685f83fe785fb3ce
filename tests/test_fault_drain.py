"""A region asked to let go of its clients, through a stand-in for its drain hook."""

from __future__ import annotations

import time

import pytest
from by_hand_lines import paste
from floor_fixtures import REGION, a_target, free_port, stand_in

from muster.faults import fault_of
from muster.faults.drain import Drain
from muster.platform import platform_of
from muster.platform.port import PortError
from muster.undo import UndoEntry


class Hook:
    """A stand-in drain hook; `deaf` ones say yes and change nothing."""

    def __init__(self, *, deaf=False):
        self.state = "serving"
        self.deaf = deaf

    def answer(self, call):
        if call.headers.get("Authorization") != "Bearer secret":
            return 401, {"error": "unauthorized"}
        if call.method == "POST" and not self.deaf:
            self.state = call.json["state"]
        return 200, {"state": self.state}


def drain_at(url, state="closing", token="secret", timeout_s=2.0):
    hook = {"url": f"{url}/drain", "token": token, "timeout_s": timeout_s}
    return Drain(platform_of(a_target(region={"drain": hook})), REGION, state)


@pytest.mark.parametrize("state", ["closing", "draining"])
def test_it_bites_is_seen_and_goes_away(state):
    """The region says that it lets go, and that it serves again after revert."""
    with stand_in(Hook().answer) as shown:
        fault = drain_at(shown.url, state)
        assert not fault.observe().proven
        assert fault.undo_params() == {}
        fault.apply()
        assert fault.observe().proven
        assert not fault.read_back().ok
        restored = fault_of(fault.platform, UndoEntry("u1", "drain", fault.subject, REGION, {}))
        for _ in range(2):
            restored.revert()
            assert restored.read_back().ok
    assert len(shown.paths("POST")) == 2, "a second revert asks nothing"


def test_a_region_that_does_not_listen_is_not_proven():
    """A hook that says yes and goes on serving: the drain did not bite."""
    with stand_in(Hook(deaf=True).answer) as shown:
        fault = drain_at(shown.url)
        fault.apply()
        proof = fault.observe()
        assert (proof.proven, proof.why) == (False, f"{REGION} says serving")


def test_a_wrong_token_is_an_error_without_the_token():
    """The refusal is told; the secret is not."""
    with stand_in(Hook().answer) as shown:
        with pytest.raises(PortError, match="HTTP 401") as caught:
            drain_at(shown.url, token="hunter2").apply()
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("answer", [(500, "no"), (200, "text"), (200, [1]), (204, "")])
def test_any_other_answer_is_an_error(answer):
    """What is no JSON object in time is no state."""
    with stand_in(lambda call: answer) as shown:
        for step in (drain_at(shown.url).apply, drain_at(shown.url).observe):
            with pytest.raises(PortError, match="/drain: "):
                step()


def test_an_answer_without_a_state_is_not_serving():
    """An object that does not say is unknown, never back."""
    with stand_in(lambda call: (200, {})) as shown:
        back = drain_at(shown.url).read_back()
        assert (back.ok, back.actual) == (False, "unknown")


def test_a_silent_hook_is_an_error_in_time():
    """Hanging or gone, the step ends within the time-out."""
    with pytest.raises(PortError, match="Connection refused"):
        drain_at(f"http://127.0.0.1:{free_port()}").apply()
    with stand_in(lambda call: (time.sleep(1), (200, {}))[1]) as shown:
        with pytest.raises(PortError, match="timed out"):
            drain_at(shown.url, timeout_s=0.1).apply()


def test_a_target_without_a_hook_says_so():
    """The missing key is named."""
    with pytest.raises(PortError, match=rf"regions\.{REGION}\.drain is not set"):
        Drain(platform_of(a_target()), REGION).apply()


def test_the_line_by_hand_puts_it_back(monkeypatch):
    """Pasted into a shell, with the token from the variable that holds it, never in the line."""
    monkeypatch.setenv("DRAIN_TOKEN", "secret")
    hook = Hook()
    with stand_in(hook.answer) as shown:
        fault = drain_at(shown.url)
        fault.apply()
        line = fault.command()
        assert "secret" not in line
        assert "$DRAIN_TOKEN" in line
        done = paste(line)
        assert done.returncode == 0, done.stderr
        assert fault.read_back().ok
        assert paste(line, DRAIN_TOKEN="another").returncode != 0, "a refusal shows"


def test_without_a_variable_for_the_token_there_is_no_line():
    """A secret is never printed, and half a line helps nobody."""
    assert drain_at("http://h").command() is None
    hook = {"url": "http://h/drain", "token": None}
    assert (
        "Authorization"
        not in Drain(platform_of(a_target(region={"drain": hook})), REGION).command()
    )


def test_revert_before_apply_asks_nothing():
    """A drill that died between undo and drain: the region serves, and is left alone."""
    with stand_in(Hook().answer) as shown:
        fault = drain_at(shown.url)
        fault.revert()
        assert fault.read_back().ok
    assert shown.paths("POST") == []
