"""The order of a drill's phases: what must stand before what, and that nothing else is accepted."""

from __future__ import annotations

import copy
import inspect
import json
from importlib import import_module

import pytest
from drill_runner import drill_files
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.actions.discovery import ACTIONS, exporting
from muster.drill.plan.form import check_form
from muster.drill.plan.order import order_fault, phases_of_method
from muster.drill.plan.steps import steps
from muster.errors import BadInput

FILES = drill_files()
DRILLS = {path.stem: json.loads(path.read_text()) for path in FILES}
KINDS = ("failover", "experiment", "gate", "safety")
FRAME = ("preflight", "ramp", "baseline")
STEPS, BLOCKS = steps().by_key, steps().blocks
BLOCK_OF = {block[0]: block for block in BLOCKS}
EVACUATION, LOSS = BLOCK_OF["evacuate"], BLOCK_OF["region_loss"]
SHIFT = BLOCK_OF["shift_share"]
REDIS, LATENCY = BLOCK_OF["redis_outage"], BLOCK_OF["provider_latency"]


def fault(kind, *names):
    return order_fault(kind, list(enumerate(names)), len(names), BLOCKS)


def key_of(activity):
    return activity["provider"]["module"], activity["provider"]["func"]


def refusal(document):
    """Why the drill is refused; empty where it is not."""
    try:
        check_form("d.json", document, {}, {})
    except BadInput as error:
        return str(error)
    return ""


def names_of(method):
    return [STEPS[key_of(one)].func for one in method if key_of(one) in STEPS]


@pytest.mark.parametrize("name", DRILLS)
def test_every_drill_that_comes_along_stands_in_its_order(name):
    """With its probe, its rollback and its strategies."""
    check_form(f"{name}.json", DRILLS[name], {}, {})


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("gate", (*FRAME, "verify")),
        ("gate", (*FRAME, *EVACUATION, "verify")),
        ("failover", (*FRAME, *EVACUATION, "verify")),
        ("experiment", (*FRAME, *EVACUATION, "verify")),
        ("experiment", (*FRAME, *REDIS, "verify")),
        ("experiment", (*FRAME, *LATENCY, "verify")),
        ("experiment", (*FRAME, *LOSS, "verify")),
        ("experiment", (*FRAME, *SHIFT, "verify")),
        ("failover", (*FRAME, *SHIFT, *EVACUATION, "verify")),
        ("failover", (*FRAME, *REDIS, *EVACUATION, "verify")),
        ("failover", (*FRAME, *EVACUATION, *LOSS, "verify")),
        ("safety", ("preflight", "lock", "freeze", "undo", "guard", "verify")),
    ],
)
def test_whole_blocks_in_their_frame_are_accepted(kind, names):
    """One or several, each whole and in its order."""
    assert fault(kind, *names) is None


@pytest.mark.parametrize(
    ("kind", "names", "index", "wrong"),
    [
        # Never dark undrained, never drained unsteered.
        ("failover", (*FRAME, "evacuate", "dark", "restore", "verify"), 4, "dark instead of drain"),
        ("failover", (*FRAME, "drain", "dark", "restore", "verify"), 3, "drain with no evacuate"),
        ("failover", (*FRAME, "dark", "restore", "verify"), 3, "dark with no drain"),
        ("failover", (*FRAME, "drain", "evacuate", "dark", "restore", "verify"), 3, "drain with"),
        # Never left dark, and never an effect that nobody reads back.
        (
            "failover",
            (*FRAME, "evacuate", "drain", "dark", "verify"),
            6,
            "verify instead of restore",
        ),
        ("failover", (*FRAME, *EVACUATION), 7, "no verify"),
        ("failover", (*FRAME, "evacuate", "drain"), 5, "no dark"),
        ("failover", (*FRAME, "verify", *EVACUATION), 4, "evacuate after verify"),
        ("experiment", (*FRAME, "redis_outage", "verify"), 4, "verify instead of recovery"),
        (
            "experiment",
            (*FRAME, "recovery", "verify"),
            3,
            "recovery with no dns_slow or image_unpullable or ",
        ),
        (
            "experiment",
            (*FRAME, "region_loss", "failed_over", "verify"),
            5,
            "verify instead of comeb",
        ),
        (
            "experiment",
            (*FRAME, "region_loss", "comeback", "verify"),
            4,
            "comeback instead of failed",
        ),
        (
            "experiment",
            (*FRAME, "shift_share", "shifted", "verify"),
            5,
            "verify instead of shift_back",
        ),
        (
            "experiment",
            (*FRAME, "shift_share", "shift_back", "verify"),
            4,
            "shift_back instead of sh",
        ),
        ("experiment", (*FRAME, "shifted", "shift_back", "verify"), 3, "shifted with no shift_sh"),
        # Nothing before what it is compared with.
        ("failover", ("ramp", "baseline", *EVACUATION, "verify"), 0, "ramp instead of preflight"),
        (
            "failover",
            ("preflight", "baseline", *EVACUATION, "verify"),
            1,
            "baseline instead of ramp",
        ),
        (
            "failover",
            ("preflight", "ramp", *EVACUATION, "verify"),
            2,
            "evacuate instead of baseline",
        ),
        (
            "failover",
            ("ramp", "preflight", "baseline", *EVACUATION, "verify"),
            0,
            "ramp instead of",
        ),
        # Nothing twice, nothing of two kinds, and nothing that proves nothing.
        ("failover", (*FRAME, "baseline", *EVACUATION, "verify"), 3, "baseline a second time"),
        ("failover", (*FRAME, *EVACUATION, *EVACUATION, "verify"), 7, "evacuate a second time"),
        ("failover", (*FRAME, *EVACUATION, "verify", "verify"), 8, "verify a second time"),
        ("experiment", (*FRAME, *REDIS, *LATENCY, "verify"), 6, "recovery a second time"),
        ("failover", (*FRAME, "lock", *EVACUATION, "verify"), 3, "lock with no"),
        ("safety", ("preflight", "lock", "freeze", "undo", "verify"), 4, "verify instead of guard"),
        ("safety", (*FRAME, *EVACUATION, "verify"), 1, "ramp instead of lock"),
        ("failover", (*FRAME, "verify"), 3, "no fault"),
        ("failover", (*FRAME, *REDIS, "verify"), 5, "no evacuate"),
        ("gate", ("preflight", "ramp", "baseline"), 3, "no verify"),
        ("failover", (), 0, "no preflight"),
    ],
)
def test_what_does_not_stand_where_it_must_is_named(kind, names, index, wrong):
    """The first wrong activity, and what was wanted."""
    found = fault(kind, *names)
    assert found is not None
    assert found.index == index
    assert found.wrong.startswith(wrong), found
    assert found.wanted


@pytest.mark.parametrize("name", DRILLS)
@settings(max_examples=50)
@given(data=st.data())
def test_a_shipped_method_in_another_order_is_refused(name, data):
    """Any permutation or deletion of Muster's activities is as shipped, or refused in one line."""
    document = copy.deepcopy(DRILLS[name])
    shipped = names_of(document["method"])
    kept = data.draw(st.permutations(document["method"]))
    cut = data.draw(st.integers(0, len(kept)))
    keep = data.draw(st.sampled_from([kept, kept[:cut], document["method"][cut:]]))
    again = data.draw(st.lists(st.sampled_from(document["method"]), max_size=1))
    document["method"] = [*keep, *again]
    line = refusal(document)
    assert len(line.splitlines()) <= 1
    assert (line == "") == (names_of(document["method"]) == shipped)


@pytest.mark.parametrize("name", DRILLS)
def test_each_activity_of_a_shipped_drill_is_needed(name):
    """Without any one of them the drill is refused."""
    for index, one in enumerate(DRILLS[name]["method"]):
        if key_of(one) not in STEPS:
            continue
        document = copy.deepcopy(DRILLS[name])
        del document["method"][index]
        with pytest.raises(BadInput):
            check_form("d.json", document, {}, {})


NAMES = [*FRAME, *(name for block in BLOCKS for name in block), "verify"]


@given(kind=st.sampled_from(KINDS), names=st.lists(st.sampled_from(NAMES), max_size=12))
def test_no_accepted_order_leaves_a_region_dark_or_an_effect_unread(kind, names):
    """Whatever is drawn: what was accepted is drained before dark, and restored and read after."""
    if fault(kind, *names) is not None:
        return
    assert names[0] == "preflight"
    assert names[-1] == "verify"
    assert len(set(names)) == len(names)
    at = {name: index for index, name in enumerate(names)}
    for before, after in (
        ("evacuate", "drain"),
        ("drain", "dark"),
        ("dark", "restore"),
        ("restore", "verify"),
        ("region_loss", "comeback"),
        ("comeback", "verify"),
        ("recovery", "verify"),
        ("shift_share", "shift_back"),
        ("shift_back", "verify"),
        ("baseline", "evacuate"),
    ):
        if (before in at and before not in FRAME) or (after in at and after != "verify"):
            assert at[before] < at[after]


def test_every_step_is_an_action_and_every_action_a_step():
    """What a plan knows and what Chaos Toolkit can call are the same, with the same arguments."""
    actions = {
        (module, name): getattr(import_module(module), name)
        for module in exporting(ACTIONS)
        for name in import_module(module).__all__
    }
    del actions["muster.actions.undo", "restore_all"]  # the rollback is no step of a method
    del actions["muster.actions.game_day", "drill"]  # a day's method is made of drills
    assert set(actions) == set(STEPS)
    for key, action in actions.items():
        told = inspect.signature(action).parameters.values()
        planned = [(one.name, one.annotation) for one in STEPS[key].parameters]
        assert [(one.name, one.annotation) for one in told] == planned
        assert inspect.getdoc(action)


@pytest.mark.parametrize(
    ("name", "phases"),
    [
        ("m1_gate", ["ramp", "baseline", "verify"]),
        ("redis_outage", ["ramp", "baseline", "fault", "recovery", "verify"]),
        ("region_loss", ["ramp", "baseline", "loss", "failed_over", "comeback", "verify"]),
        ("hello", ["ramp", "baseline", "shift", "shifted", "shift_back", "verify"]),
        (
            "region_failover",
            ["ramp", "baseline", "evacuate", "drain", "dark", "restore", "verify"],
        ),
        (
            "safety_net",
            ["safety_lock", "safety_freeze", "safety_undo", "safety_guard", "verify"],
        ),
    ],
)
def test_the_phases_of_a_drill_are_known_before_it_starts(name, phases):
    """By the names under which they are recorded; probes record none."""
    assert phases_of_method([key_of(one) for one in DRILLS[name]["method"]]) == phases
