"""Steers traffic by the weights of an HTTPRoute of Kubernetes' Gateway API.

One step is one patch of all rules, which carries the version that was read: another change in
between is an error, and so is a call that timed out and arrives late. After it, and also if the
route had the weights already, Muster waits until the route's controller has seen them. A route on
which no controller acts is refused.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from muster.aws import Pace
from muster.clock import SYSTEM_CLOCK, Clock
from muster.errors import BadInput
from muster.platform.kubernetes.cluster import Cluster, Refused, Unanswered, kubectl_of
from muster.platform.kubernetes.fields import Json, text
from muster.platform.kubernetes.kinds import Kind
from muster.platform.kubernetes.known import Known
from muster.platform.port import Touch
from muster.platform.steering.gateway_routes import (
    by_region,
    not_acted_on,
    not_steerable,
    parts_of,
    with_weights,
)
from muster.platform.steering.model import (
    Check,
    RegionWeights,
    Saved,
    Steering,
    SteeringError,
    Trial,
    as_steering,
    no_check,
    not_told,
)
from muster.platform.steering.parts import Shown, Snapshot, Weights, weights_of
from muster.targets.steering import GatewayApiSteering

ROUTES = Kind("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
SEEN_APART_S = 0.5


class GatewayApi(Steering):
    """The backends of one HTTPRoute, by region as the target maps them."""

    def __init__(
        self,
        settings: GatewayApiSteering,
        regions: Sequence[str] = (),
        stand_in: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._pace = Pace(settings.calls_per_s_max, clock)
        self._owners = {
            backend: region
            for region in regions
            for backend in [settings.backends.get(region, region)]
        }
        self.units = settings.weight_sum
        self._known: Known | None = None

    @cached_property
    def _cluster(self) -> Cluster:
        return Cluster(self._settings, self._clock)

    @property
    def _path(self) -> str:
        return ROUTES.path(self._settings.namespace, self._settings.route)

    @property
    def subject(self) -> str:
        return f"httproute {self.name}"

    @property
    def name(self) -> str:
        return f"{self._settings.namespace}/{self._settings.route}"

    @property
    def timeout_s(self) -> float:
        return self._settings.timeout_s

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("namespaces", self._settings.namespace),)

    def rehearse(self) -> tuple[str, ...]:
        """Sends each region's traffic elsewhere as a server-side dry run, all else as it is."""
        with self._told():
            route = self._read()
            parts = parts_of(route, self._owners)
            regions = sorted(set(self._owners.values()))
            for region in regions:
                weights = {
                    part: 0 if self._region(part) == region else self.units for part in parts
                }
                try:
                    self._patch(route, weights, dry_run=True)
                except Refused as error:
                    return (f"{self.subject}: no traffic to {region}: {error}",)
        return ()

    def shown(self) -> dict[str, Shown]:
        with self._told():
            return parts_of(self._read(), self._owners)

    def weights(self) -> dict[str, int]:
        with self._told():
            route = self._read()
            if said := not_acted_on(route, current=False) or not_steerable(route, self._owners):
                raise SteeringError(f"{self.subject}: {said}")
            return self.by_region(parts_of(route, self._owners))

    def by_region(self, shown: Snapshot) -> dict[str, int]:
        with self._told():
            return by_region(weights_of(shown), self._owners)

    def plan(self, weights: RegionWeights) -> dict[str, int]:
        return self._planned(self.shown(), weights)

    def set_weights(
        self,
        weights: RegionWeights,
        *,
        check: Check = no_check,
        accepted: Callable[[], None] = not_told,
    ) -> None:
        with self._told():
            route = self._read()
            shown = parts_of(route, self._owners)
        check(shown)
        planned = self._planned(shown, weights)
        if planned != weights_of(shown):
            self._change(route, planned)
        accepted()
        self._await_seen()

    def set_parts(self, weights: Weights) -> None:
        with self._told():
            route = self._read()
            shown = weights_of(parts_of(route, self._owners))
        planned = {part: weights.get(part, weight) for part, weight in shown.items()}
        if planned != shown:
            self._change(route, planned)
        self._await_seen()

    def not_acted_on(self) -> str:
        with self._told():
            return not_acted_on(self._read(), current=True)

    def saved(self) -> dict[str, Any]:
        with self._told():
            route = self._read()
            parts = parts_of(route, self._owners)
        shown = {part: [one.weight, one.rest] for part, one in parts.items()}
        uids = {self.name: text(route, "metadata", "uid")}
        self._known = Known.now(uids, self._cluster, self._clock)
        return {"shown": shown, "rules": with_weights(route, {}), **self._known.told()}

    def stood(self, saved: Saved) -> dict[str, Shown]:
        shown = saved.get("shown") or {}
        return {part: Shown(int(weight), str(rest)) for part, (weight, rest) in shown.items()}

    def check_same(self, saved: Saved) -> None:
        # Each read from now on is checked.
        self._known = Known.of(saved)

    def command(self, saved: Saved, before: RegionWeights) -> str | None:
        rules = saved.get("rules")
        if not rules:
            return None
        patch = json.dumps({"spec": {"rules": rules}})
        words = [*kubectl_of(self._settings), "patch", "httproutes.gateway.networking.k8s.io"]
        return shlex.join([*words, self._settings.route, "--type=merge", "-p", patch])

    def trial(self) -> Trial:
        wanted = "route53: the safety net's drill writes its own record, and a route has none"
        raise BadInput("target", "steering.kind", "gateway_api", wanted)

    def _planned(self, shown: Snapshot, weights: RegionWeights) -> dict[str, int]:
        regions = self.by_region(shown)
        if set(regions) != set(weights):
            raise SteeringError(
                f"{self.subject}: backends of {sorted(regions)}, weights for {sorted(weights)}"
            )
        return {part: weights[self._region(part)] for part in shown}

    def _region(self, part: str) -> str:
        return self._owners[part.rpartition(" ")[2]]

    def _read(self) -> Json:
        self._pace.wait()
        found = self._cluster.get(self._path)
        if self._known is not None:
            self._known.check(self.name, found)
        return found

    def _change(self, route: Json, weights: Weights) -> None:
        with self._told():
            self._patch(route, weights)

    def _patch(self, route: Json, weights: Weights, *, dry_run: bool = False) -> None:
        version = text(route, "metadata", "resourceVersion")
        rules = with_weights(route, weights)
        self._pace.wait()
        change = {"metadata": {"resourceVersion": version}, "spec": {"rules": rules}}
        self._cluster.patch(self._path, change, dry_run=dry_run)

    def _await_seen(self) -> None:
        """Wait until the controllers have seen the route as it is. Raises SteeringError."""
        end = self._clock.monotonic_s() + self.timeout_s
        while said := self.not_acted_on():
            if self._clock.monotonic_s() > end:
                raise SteeringError(f"{self.subject}: after {self.timeout_s:g} s: {said}")
            self._clock.sleep(SEEN_APART_S)

    def _told(self) -> AbstractContextManager[None]:
        """Errors in the words of this port, with the route's name."""
        return as_steering((Unanswered,), self.subject)
