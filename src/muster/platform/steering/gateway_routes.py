"""An HTTPRoute of the Gateway API as values: the weights of its backends, and who acts on it.

A rule that names a backend of a region steers. Sources: Gateway API v1,
HTTPRouteRule (`backendRefs`, default weight 1) and RouteStatus (`parents`, set by the controller).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from muster.platform.kubernetes.fields import Json, each, mapping, text, whole_number
from muster.platform.port import PortError
from muster.platform.steering.parts import Shown, Weights

Owners = Mapping[str, str]
"""The region of each backend, by the backend's name."""
WEIGHT_MAX = 1_000_000
"""The most that a backend's weight may be (Gateway API v1, HTTPBackendRef)."""
DIGEST = 12


def parts_of(route: Json, owners: Owners) -> dict[str, Shown]:
    """Each region's backend in each rule that steers. Raises PortError."""
    common = {key: value for key, value in mapping(route, "spec").items() if key != "rules"}
    found: dict[str, Shown] = {}
    for said, rule, backends in _steering(route, owners):
        others = [one for one in backends if one["name"] not in owners]
        rest = {key: value for key, value in rule.items() if key != "backendRefs"}
        for one in backends:
            name = text(one, "name")
            if name not in owners:
                continue
            part = f"{said} {name}"
            if part in found:
                raise PortError(f"{said}: names backend {name} twice")
            own = {key: value for key, value in one.items() if key != "weight"}
            digest = _digest(own, rest, {"others": others}, common)
            found[part] = Shown(weight_of(one), f"port {one.get('port')}, rule {digest}")
    return found


def not_steerable(route: Json, owners: Owners) -> str:
    """Why no weights can give each region its share; empty: they can. Raises PortError.

    A backend of no region takes traffic that no region's weight moves, unless its own is 0; a rule
    that names only some regions cannot send the others anything.
    """
    rules = _steering(route, owners)
    if not rules:
        return "no rule names a backend of a region"
    for said, _, backends in rules:
        names = [text(one, "name") for one in backends]
        for name, one in zip(names, backends, strict=True):
            if name not in owners and weight_of(one):
                return f"{said}: backend {name} has weight and belongs to no region"
        if lost := sorted(set(owners) - set(names)):
            return f"{said}: has no backend {', '.join(lost)}"
    return ""


def _steering(route: Json, owners: Owners) -> list[tuple[str, Json, list[Json]]]:
    """Name, rule and backends of each rule with a backend of a region."""
    found = []
    for index, rule in enumerate(each(route, "spec", "rules")):
        backends = each(rule, "backendRefs")
        if any(text(one, "name") in owners for one in backends):
            found.append((_said(index, rule), rule, backends))
    return found


def _said(index: int, rule: Json) -> str:
    return f"rule {rule.get('name') or index}"


def weight_of(backend: Json) -> int:
    """Its weight; without one it is 1. Raises PortError."""
    weight = whole_number(backend, "weight", absent=1)
    if not 0 <= weight <= WEIGHT_MAX:
        raise PortError(f"weight: got {weight}, expected 0 to {WEIGHT_MAX}")
    return weight


def by_region(weights: Weights, owners: Owners) -> dict[str, int]:
    """Weight by region, which must be the same in every rule. Raises PortError."""
    rules: dict[str, dict[str, int]] = {}
    for part, weight in weights.items():
        rule, _, backend = part.rpartition(" ")
        region = owners[backend]
        sums = rules.setdefault(rule, {})
        sums[region] = sums.get(region, 0) + weight
    said, first = next(iter(rules.items()), ("", {}))
    for rule, sums in rules.items():
        if sums != first:
            raise PortError(f"{said} and {rule} have different weights: {first}, {sums}")
    return first


def with_weights(route: Json, weights: Weights) -> list[dict[str, Any]]:
    """The route's rules, with the weights of the named parts and all else as it is."""
    rules: list[dict[str, Any]] = []
    for index, rule in enumerate(each(route, "spec", "rules")):
        said = _said(index, rule)
        backends = [
            {**one, "weight": weights.get(f"{said} {one.get('name')}", weight_of(one))}
            for one in each(rule, "backendRefs")
        ]
        rules.append({**rule, "backendRefs": backends} if backends else dict(rule))
    return rules


def not_acted_on(route: Json, *, current: bool) -> str:
    """Why no controller acts on the route; empty: each of its parents' controllers does.

    `current`: they must have seen its present generation. Raises PortError.
    """
    parents = each(route, "status", "parents")
    if not parents:
        return "no controller acts on it: its status names no parent"
    generation = whole_number(route, "metadata", "generation")
    for parent in parents:
        who = text(parent, "controllerName")
        states = {one.get("type"): one for one in each(parent, "conditions")}
        for kind in ("Accepted", "ResolvedRefs"):
            state = states.get(kind, {})
            if state.get("status") != "True":
                return f"{who}: {kind} is {state.get('status', 'not said')}"
            if current and whole_number(state, "observedGeneration", absent=0) < generation:
                return f"{who} has not seen the present generation, {generation}"
    return ""


def _digest(*documents: Json) -> str:
    """Of everything but the weights: a change by somebody else shows in it."""
    plain = json.dumps(documents, sort_keys=True).encode()
    return hashlib.sha256(plain).hexdigest()[:DIGEST]
