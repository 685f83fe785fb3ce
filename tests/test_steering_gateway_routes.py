"""HTTPRoutes as values: weights by region, what cannot be steered, and who acts on a route."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.platform.port import PortError
from muster.platform.steering.gateway_routes import (
    by_region,
    not_acted_on,
    not_steerable,
    parts_of,
    with_weights,
)
from muster.platform.steering.parts import weights_of

OWNERS = {"gw-east": "east", "gw-west": "west"}


def backend(name, weight=None):
    return {"name": name, "port": 80} | ({} if weight is None else {"weight": weight})


def route(*rules, status=None, generation=3):
    return {
        "metadata": {"name": "chat", "generation": generation},
        "spec": {"parentRefs": [{"name": "front"}], "rules": list(rules)},
        "status": status or {},
    }


def rule(*backends, **more):
    return {"backendRefs": list(backends), **more}


TWO = rule(backend("gw-east", 60), backend("gw-west", 40))
OTHER = rule(backend("docs", 1), matches=[{"path": {"value": "/docs"}}])


def test_a_rule_without_a_region_is_not_steered():
    """Its backends are neither shown nor changed."""
    found = route(OTHER, TWO)
    shown = parts_of(found, OWNERS)
    assert weights_of(shown) == {"rule 1 gw-east": 60, "rule 1 gw-west": 40}
    assert by_region(weights_of(shown), OWNERS) == {"east": 60, "west": 40}
    changed = with_weights(found, {"rule 1 gw-east": 0, "rule 1 gw-west": 100})
    assert changed[0] == OTHER
    assert [one["weight"] for one in changed[1]["backendRefs"]] == [0, 100]
    assert not_steerable(found, OWNERS) == ""


def test_a_backend_without_a_weight_has_one():
    """The API's own default."""
    shown = parts_of(route(rule(backend("gw-east"), backend("gw-west"), name="chat")), OWNERS)
    assert weights_of(shown) == {"rule chat gw-east": 1, "rule chat gw-west": 1}


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ((), "no rule names a backend of a region"),
        ((OTHER,), "no rule names a backend of a region"),
        ((TWO, rule(backend("gw-east", 5))), "rule 1: has no backend gw-west"),
        (
            (rule(backend("gw-east", 1), backend("gw-west", 1), backend("third", 2)),),
            "rule 0: backend third has weight and belongs to no region",
        ),
        ((rule(backend("gw-east", 1), backend("gw-west", 1), backend("third", 0)),), ""),
    ],
)
def test_what_no_weights_can_steer_is_told(rules, says):
    """Some traffic would not move with the weights."""
    assert not_steerable(route(*rules), OWNERS) == says


def test_rules_that_disagree_are_an_error():
    """There is no one share of a region."""
    found = route(TWO, rule(backend("gw-east", 50), backend("gw-west", 40), name="b"))
    with pytest.raises(PortError, match="rule 0 and rule b have different weights"):
        by_region(weights_of(parts_of(found, OWNERS)), OWNERS)


@pytest.mark.parametrize("weight", [-1, 1_000_001, "60", 1.5, True])
def test_no_other_weight_is_believed(weight):
    """The API knows whole numbers up to a million."""
    with pytest.raises(PortError, match="weight"):
        parts_of(route(rule(backend("gw-east", weight), backend("gw-west", 1))), OWNERS)


def test_a_backend_that_a_rule_names_twice_is_an_error():
    """Nobody could tell the two apart."""
    with pytest.raises(PortError, match="names backend gw-east twice"):
        parts_of(route(rule(backend("gw-east", 1), backend("gw-east", 2))), OWNERS)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["spec"]["parentRefs"].append({"name": "other"}),
        lambda one: one["spec"]["rules"][0].update(timeouts={"request": "1s"}),
        lambda one: one["spec"]["rules"][0]["backendRefs"][0].update(port=81),
        lambda one: one["spec"]["rules"][0]["backendRefs"].append(backend("third", 9)),
    ],
)
def test_every_other_change_shows_in_the_rest(change):
    """So that a change by somebody else is told from the drill's own."""
    before, after = route(TWO), copy.deepcopy(route(TWO))
    change(after)
    assert parts_of(before, OWNERS) != parts_of(after, OWNERS)
    assert weights_of(parts_of(before, OWNERS)) == weights_of(parts_of(after, OWNERS))


@given(st.lists(st.tuples(st.integers(0, 1_000_000), st.integers(0, 1_000_000)), min_size=1))
def test_weights_that_are_set_are_shown(pairs):
    """Whatever they are, in every rule; the rest stays as it was."""
    before = route(*(rule(backend("gw-east", 1), backend("gw-west", 2)) for _ in pairs))
    wanted = {
        f"rule {index} {name}": weight
        for index, pair in enumerate(pairs)
        for name, weight in zip(OWNERS, pair, strict=True)
    }
    after = {**before, "spec": {**before["spec"], "rules": with_weights(before, wanted)}}
    shown, stood = parts_of(after, OWNERS), parts_of(before, OWNERS)
    assert weights_of(shown) == wanted
    assert {part: one.rest for part, one in shown.items()} == {
        part: one.rest for part, one in stood.items()
    }


def said(accepted="True", resolved="True", seen=3):
    conditions = [
        {"type": "Accepted", "status": accepted, "observedGeneration": seen},
        {"type": "ResolvedRefs", "status": resolved, "observedGeneration": seen},
    ]
    return {"controllerName": "example.com/gw", "conditions": conditions}


@pytest.mark.parametrize(
    ("parents", "current", "says"),
    [
        ([], False, "no controller acts on it: its status names no parent"),
        ([said()], True, ""),
        ([said(seen=2)], False, ""),
        ([said(seen=2)], True, "example.com/gw has not seen the present generation, 3"),
        ([said(accepted="False")], False, "example.com/gw: Accepted is False"),
        ([said(resolved="Unknown")], False, "example.com/gw: ResolvedRefs is Unknown"),
        ([{"controllerName": "c", "conditions": []}], False, "c: Accepted is not said"),
        ([said(), said(seen=1)], True, "example.com/gw has not seen the present generation, 3"),
    ],
)
def test_who_acts_on_a_route_is_read_from_its_status(parents, current, says):
    """Every parent's controller must."""
    assert not_acted_on(route(TWO, status={"parents": parents}), current=current) == says
