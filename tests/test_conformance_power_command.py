"""The power adapter `command` against the suite, with a script as a target would have one."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_world import ScriptedRegion, know_the_secret
from conformance.power import CHECKS, World
from conformance.world import REGION

from muster.platform.port import PortError
from muster.platform.power.command import PowerByCommand
from muster.targets.power import CommandPower

TIMEOUT_S = 3.0


class Scripted(ScriptedRegion, World):
    """A region behind a script."""

    def adapter(self, **more) -> PowerByCommand:
        data = {"kind": "command", "argv": self.script.argv, "kills": True} | more
        times = {"timeout_s": TIMEOUT_S, "state_timeout_s": 2 * TIMEOUT_S}
        return PowerByCommand(REGION, CommandPower.model_validate(times | data))

    def state(self):
        return self.script.read()["power"]

    def put(self, state) -> None:
        self.script.write(power=state)


@pytest.fixture
def world(tmp_path, monkeypatch):
    know_the_secret(monkeypatch)
    return Scripted(tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)


NONSENSE = [
    "",
    "on",
    "null",
    "[]",
    "{}",
    '{"state": "ON"}',
    '{"state": true}',
    '{"state": "on", "state": "off"}',
    '{"state": "on", "before": [1]}',
    '{"state": "on", "before": {"a": NaN}}',
    '{"state": "on", "replicas": 3}',
    '{"state": "on"} {"state": "on"}',
    '{"state": "on", "detail": 5}',
    "[" * 60_000,
    '{"state": "on", "detail": "' + "x" * 70_000 + '"}',
    '{"state": "on", "before": {"a": "' + "x" * 3_000 + '"}}',
]


@pytest.mark.parametrize("answer", NONSENSE, ids=lambda answer: answer[:40])
def test_an_answer_of_another_shape_is_refused(world, answer):
    """Each by a line of its own; none of them is on."""
    world.script.write(trouble="nonsense", nonsense=answer)
    with pytest.raises(PortError, match=r"switch it state|before has \d+ bytes") as caught:
        world.adapter().before()
    assert len(str(caught.value)) < 300


def test_a_wrong_answer_is_not_asked_for_again(world):
    """Such a command would not answer better later: the stop ends at once."""
    world.script.write(trouble="nonsense")
    before = world.calls
    with pytest.raises(PortError, match="switch it state: state: Field required"):
        world.adapter().stop()
    assert world.calls == before + 2


def test_a_stop_that_takes_its_time_is_waited_for(world, tmp_path):
    """The verb only asks; the region is off some looks later."""
    slow = tmp_path / "slow"
    slow.write_text(
        "#!/bin/sh\n"
        f'echo >> "{tmp_path}/looks"\n'
        f'[ "$1" = state ] || exit 0\n'
        f'[ "$(wc -l < "{tmp_path}/looks")" -gt 4 ] && echo \'{{"state": "off"}}\' && exit\n'
        'echo \'{"state": "partly", "detail": "2 of 3 are left"}\'\n'
    )
    slow.chmod(0o755)
    world.adapter(argv=[str(slow)], timeout_s=60).stop()
    assert len((tmp_path / "looks").read_text()) == 5


def test_what_never_happens_is_told_with_what_was_seen(world):
    """Exit 0 and nothing done: the state decides, not the exit code."""
    lies = Path(world.script.program)
    lies.write_text('#!/bin/sh\necho \'{"state": "on", "detail": "2 of 2"}\'\n')
    with pytest.raises(PortError) as caught:
        world.adapter(timeout_s=0.2).stop()
    wanted = "switch it stop: exit 0; read back: power on (2 of 2), expected off"
    assert str(caught.value) == wanted


def test_a_command_without_kills_cannot_lose_a_region(world):
    """Told without asking anything."""
    power = world.adapter(kills=False)
    assert (
        power.why_not_kill()
        == "is a command without kills: true; an abrupt loss needs its verb kill"
    )
    assert world.calls == 0


def test_a_dark_region_must_have_answered_before(world):
    """A ready_url that never answered proves nothing by its silence."""
    power = world.adapter()
    power.stop()
    proof = power.dark(world.look, None, lambda: True)
    assert (proof.proven, proof.why) == (False, "ready_url gave no answer even before the fault")


def test_a_secret_without_a_variable_has_no_line(world, monkeypatch):
    """Half a line would be worse: the drill's own recover is named instead."""
    monkeypatch.delenv("SWITCH_TOKEN")
    power = world.adapter()
    assert power.command(power.before()) is None


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program", "/etc/passwd", "/tmp"])
def test_a_program_that_cannot_be_started_is_known_before(world, program):
    """Not there, not executable, or a folder."""
    found = world.adapter(argv=[program]).unusable()
    assert (found.key, found.value) == ("argv.0", program)
    assert found.wanted == "a program that can be started on this machine"
