"""Workloads of other kinds, as their controllers show them: Argo Rollouts of a stand-in.

Their status leaves out a number that is 0, and writes the observed generation as a text.
"""

from __future__ import annotations

import pytest
from floor_fixtures import REGION, kubeconfig, stand_in

from muster.platform.kubernetes import changes
from muster.platform.kubernetes import cluster as calls
from muster.platform.port import PortError
from muster.platform.power.kubernetes import PowerByKubernetes
from muster.targets.power import KubernetesPower

NAME = "rollouts.argoproj.io/web"


class Rollouts:
    """One of two replicas; after a start its pods are there at the third look."""

    def __init__(self) -> None:
        self.asked = self.available = 2
        self.generation = 1
        self.looks = 0
        self.text = True
        self.shown: dict[str, object] = {}

    def answer(self, call):
        path = call.path.partition("?")[0]
        if path == "/apis/argoproj.io":
            return 200, {"preferredVersion": {"version": "v1alpha1"}}
        if path == "/apis/argoproj.io/v1alpha1":
            return 200, {"resources": [{"name": "rollouts", "kind": "Rollout"}]}
        if path.endswith(("/pods", "/horizontalpodautoscalers", "/rollouts")):
            return 200, {"items": []}
        if call.method == "PATCH":
            self.asked = int(call.json["spec"]["replicas"])
            self.generation += 1
            self.available = self.looks = 0
        meta = {
            "name": "web",
            "uid": "web",
            "generation": self.generation,
            "resourceVersion": str(self.generation),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        found = {"metadata": meta, "spec": {"replicas": self.asked}}
        if path.endswith("/scale"):
            return 200, {**found, "status": {"selector": "app=web"}}
        self.looks += 1
        if self.looks == 3:
            self.available = self.asked
        status = {"observedGeneration": str(self.generation) if self.text else self.generation}
        if self.available:
            status["availableReplicas"] = self.available
        return 200, {**found, "status": status | self.shown}


@pytest.fixture
def rollouts(tmp_path, monkeypatch):
    world = Rollouts()
    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)
    monkeypatch.setattr(changes, "LOOK_APART_S", 0.02)
    with stand_in(world.answer) as api:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "kubeconfig", api.url)))
        yield world


def power():
    data = {"kind": "kubernetes", "namespace": "chat", "workloads": [NAME], "timeout_s": 10}
    return PowerByKubernetes(REGION, KubernetesPower.model_validate(data))


@pytest.mark.parametrize("text", [True, False])
def test_a_rollout_is_stopped_and_started(rollouts, text):
    """While none of its replicas is available, its status says nothing of them."""
    rollouts.text = text
    one = power()
    before = one.before()
    assert before["replicas"] == {NAME: 2}
    one.stop()
    assert rollouts.asked == 0
    power().start(before)
    assert power().state(before).whole


def test_a_kind_that_never_shows_them_is_refused(rollouts):
    """Nobody could tell whether its region is back."""
    rollouts.available = 0
    with pytest.raises(PortError, match="availableReplicas: got None"):
        power().before()


@pytest.mark.parametrize("shown", ["new", "", -1.5, None])
def test_an_observed_generation_that_is_no_number_is_no_state(rollouts, shown):
    """A generation that nobody has observed must not count as the newest."""
    rollouts.shown = {"observedGeneration": shown}
    if shown is None:
        # As where a kind does not show it.
        assert power().before()["replicas"] == {NAME: 2}
        return
    with pytest.raises(PortError, match="observedGeneration: got"):
        power().before()
