"""The steering adapter `command` against the suite, with a script as a target would have one."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from conformance.steering import BEFORE, CHECKS, EAST, WEST, World
from conformance.world import SECRET, Trouble
from floor_fixtures import stand_in

from muster import redact
from muster.errors import BadInput
from muster.platform.steering import SteeringAway, SteeringError
from muster.platform.steering.command import CommandSteering
from muster.targets.steering import CommandSteering as Settings

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 4.0
SCRIPT = f"""\
#!{sys.executable} -IS
import json, os, sys, time
path = sys.argv[1]
with open(path) as file:
    state = json.load(file)
trouble = state["trouble"]
if trouble == "exits":
    print("it is away", file=sys.stderr)
    sys.exit(state["code"])
if sys.argv[2] == "weights":
    if trouble == "nonsense":
        print(state["nonsense"])
    else:
        print(json.dumps({{"weights": state["weights"], "rest": state["rest"]}}))
    sys.exit()
state["changes"] += 1
wanted = {{word.partition("=")[0]: int(word.partition("=")[2]) for word in sys.argv[3:]}}
if trouble == "half":
    wanted = {{"{EAST}": wanted["{EAST}"]}}
if trouble not in ("refuses", "late before"):
    state["weights"].update(wanted)
with open(path + ".new", "w") as file:
    json.dump(state, file)
os.rename(path + ".new", path)
if trouble:
    if trouble.startswith("late"):
        time.sleep(60)
    sys.exit("the load balancer said no")
"""


class Script(World):
    """A load balancer's state in a file, changed by a script."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.json"
        self.script = folder / "lb"
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)
        rest = {EAST: "pool-e", WEST: "pool-w"}
        self.write(weights=BEFORE, rest=rest, trouble="", changes=0, nonsense="{}")

    def read(self) -> dict:
        return json.loads(self.path.read_text())

    def write(self, **changes) -> None:
        state = self.read() if self.path.exists() else {}
        self.path.write_text(json.dumps(state | changes))

    def adapter(self) -> CommandSteering:
        settings = Settings(
            kind="command",
            argv=(str(self.script), str(self.path)),
            timeout_s=TIMEOUT_S,
            calls_per_s_max=1000,
        )
        return CommandSteering(settings, (EAST, WEST))

    def weights(self) -> dict[str, int]:
        return self.read()["weights"]

    @property
    def changes(self) -> int:
        return self.read()["changes"]

    def put(self, region: str, weight: int) -> None:
        self.write(weights=self.weights() | {region: weight})

    def put_rest(self, region: str) -> None:
        self.write(rest=self.read()["rest"] | {region: "another pool"})

    def remove(self, region: str) -> None:
        self.write(weights={one: n for one, n in self.weights().items() if one != region})

    def trouble(self, kind: Trouble | None) -> None:
        self.write(trouble=kind or "")


@pytest.fixture
def world(tmp_path):
    return Script(tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)


NONSENSE = [
    "",
    "null",
    "[]",
    "{}",
    "not JSON",
    '{"weights": {"eu-east-1": 60, "eu-west-1": 40}} {}',
    '{"weights": {"eu-east-1": 60.5, "eu-west-1": 40}}',
    '{"weights": {"eu-east-1": "60", "eu-west-1": 40}}',
    '{"weights": {"eu-east-1": true, "eu-west-1": 40}}',
    '{"weights": {"eu-east-1": -1, "eu-west-1": 40}}',
    '{"weights": {"eu-east-1": null, "eu-west-1": 40}}',
    '{"weights": {"eu-east-1": 60, "mars": 40}}',
    '{"weights": {}, "rest": {"mars": ""}}',
    '{"weights": {"eu-east-1": 60, "eu-west-1": 40}, "more": 1}',
    '{"weights": {"eu-east-1": 60, "eu-west-1": 40}, "rest": {"eu-east-1": 5}}',
    '{"weights": {"eu-east-1": 1, "eu-east-1": 60, "eu-west-1": 40}}',
    " " * 70_000,
]


@pytest.mark.parametrize("answer", NONSENSE)
def test_no_other_answer_is_believed(world, answer):
    """One line that names the command and the key; no weight is made up of it."""
    world.write(nonsense=answer)
    world.trouble("nonsense")
    with pytest.raises(SteeringError, match=r"^lb weights: ") as caught:
        world.adapter().weights()
    assert "\n" not in str(caught.value)


def test_an_empty_answer_means_that_nothing_steers(world):
    """No region has a part: the watch can compare that, a drill cannot begin on it."""
    world.write(nonsense='{"weights": {}}')
    world.trouble("nonsense")
    assert world.adapter().shown() == {}
    with pytest.raises(SteeringError, match="no part is left that steers"):
        world.adapter().weights()


def test_a_command_that_cannot_be_started_is_named(world):
    """Before anything is done, and as an error of every call."""
    assert world.adapter().unusable() is None
    world.script.chmod(0o644)
    found = world.adapter().unusable()
    assert found is not None
    assert (found.key, found.value) == ("argv.0", str(world.script))
    with pytest.raises(SteeringError, match="could not be started"):
        world.adapter().weights()


def test_a_word_from_the_environment_is_named_and_not_shown(world, monkeypatch):
    """The line by hand takes it from the variable that holds it, as those of power and drain do."""
    word = "w0rd-0f-the-balancer"
    monkeypatch.setenv("LB_TOKEN", word)
    redact.keep(word)
    steering = CommandSteering(Settings(kind="command", argv=("/opt/lb", word)), (EAST, WEST))
    line = steering.command({}, BEFORE)
    assert line is not None
    assert word not in line
    assert '"$LB_TOKEN"' in line


def test_the_safety_net_has_no_record_here(world):
    """A command has no harmless record of its own: one clear line."""
    with pytest.raises(BadInput, match=r"steering\.kind: got 'command', expected route53"):
        world.adapter().trial()


def test_the_example_of_the_documentation_steers(tmp_path, monkeypatch):
    """The script of docs/command.md, as it stands there, against a load balancer's HTTP API."""
    text = (ROOT / "docs/command.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    (example,) = (block for block in blocks if "weights" in block)
    script = tmp_path / "lb"
    script.write_text(example)
    script.chmod(0o755)
    pools = {EAST: {"weight": 60, "pool": "e"}, WEST: {"weight": 40, "pool": "w"}}

    def answer(call):
        assert call.headers["Authorization"] == f"Bearer {SECRET}"
        if call.method == "PUT":
            for name, weight in json.loads(call.body).items():
                pools[name]["weight"] = weight
        return 200, [{"name": name, **pool} for name, pool in pools.items()]

    with stand_in(answer) as balancer:
        monkeypatch.setenv("LB_URL", balancer.url)
        monkeypatch.setenv("LB_TOKEN", SECRET)
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        steering = CommandSteering(
            Settings(kind="command", argv=(str(script),), timeout_s=30, calls_per_s_max=1000),
            (EAST, WEST),
        )
        assert steering.weights() == BEFORE
        steering.set_weights({EAST: 0, WEST: 100})
        assert [pool["weight"] for pool in pools.values()] == [0, 100]
        assert SECRET not in str(steering.command(steering.saved(), BEFORE))
    with pytest.raises(SteeringAway, match=r"^lb weights: exit 75: .*Connection refused") as caught:
        steering.weights()
    assert SECRET not in str(caught.value)
    for status, away in ((503, True), (429, True), (403, False), (500, False)):
        with stand_in(lambda call, status=status: (status, {})) as balancer:
            monkeypatch.setenv("LB_URL", balancer.url)
            with pytest.raises(SteeringError, match=f"HTTP Error {status}") as caught:
                steering.weights()
            assert isinstance(caught.value, SteeringAway) is away
    assert len([line for line in example.splitlines() if line]) <= 19


@pytest.mark.parametrize(("code", "away"), [(75, True), (1, False), (74, False), (76, False)])
def test_one_exit_code_says_that_the_api_is_away(world, code, away):
    """Such a call is repeated, and no other: a refusal stays one."""
    world.write(code=code)
    steering = world.adapter()
    world.trouble("exits")
    for call in (steering.shown, lambda: steering._set({EAST: 0, WEST: 100})):
        with pytest.raises(SteeringError, match=rf"^lb \w+: exit {code}: it is away$") as caught:
            call()
        assert isinstance(caught.value, SteeringAway) is away


def test_a_command_that_was_killed_may_be_asked_again(world):
    """It waited for an API that does not answer; what it did is read back by the next call."""
    world.trouble("late after")
    with pytest.raises(SteeringAway, match="no end after 4 s, killed"):
        world.adapter().set_weights({EAST: 0, WEST: 100})


def test_an_answer_that_is_wrong_is_no_api_that_is_away(world):
    """Asking again would not help."""
    world.write(nonsense="[]")
    world.trouble("nonsense")
    with pytest.raises(SteeringError) as caught:
        world.adapter().shown()
    assert not isinstance(caught.value, SteeringAway)
