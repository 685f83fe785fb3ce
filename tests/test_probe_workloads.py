"""The probe that puts a region's workloads into the journal, through chaostoolkit-kubernetes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from chaoslib.exceptions import ActivityFailed
from floor_fixtures import NOWHERE, REGION, KubernetesStandIn, a_target, kubeconfig, stand_in

from muster.clock import SYSTEM_CLOCK
from muster.drill import current
from probes import workloads as probe

GATEWAY = "deployment/gateway"


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Makes a running drill whose region is on a cluster at that address."""

    def tell(url, **power):
        # The extension remembers the file that stood in the environment when it was imported.
        path = str(kubeconfig(tmp_path / "kubeconfig", url))
        monkeypatch.setenv("KUBECONFIG", path)
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", path)
        section = {"kind": "kubernetes", "namespace": "chat", "workloads": [GATEWAY]} | power
        if power.get("kubeconfig"):
            section["kubeconfig"] = path
            monkeypatch.delenv("KUBECONFIG")
        target = a_target(region={"power": section})
        session = SimpleNamespace(target=target, clock=SYSTEM_CLOCK)
        monkeypatch.setattr(current, "_current", session)

    monkeypatch.delenv("HTTP_PROXY", raising=False)
    return tell


@pytest.mark.parametrize("more", [{}, {"context": "stand-in"}, {"kubeconfig": "/own"}])
def test_the_journal_gets_the_workloads_as_the_cluster_shows_them(told, more):
    """By the extension, or by Muster where the target names a kubeconfig: the same answer."""
    with stand_in(KubernetesStandIn({"gateway": 3}).answer) as api:
        told(api.url, **more)
        found = probe.read(REGION)
    assert list(found) == [GATEWAY]
    assert found[GATEWAY]["spec"]["replicas"] == 3
    assert found[GATEWAY]["status"]["availableReplicas"] == 3


def test_one_that_is_missing_is_an_error_and_no_empty_answer(told):
    """Never a journal in which nothing stands for something."""
    with stand_in(KubernetesStandIn({"redis": 1}).answer) as api:
        told(api.url)
        with pytest.raises(ActivityFailed, match="workloads: "):
            probe.read(REGION)


def test_a_cluster_that_is_not_there_is_an_error(told, monkeypatch):
    """Within the time that the probe has."""
    monkeypatch.setattr(probe, "READ_S_MAX", 0.5)
    told(NOWHERE)
    with pytest.raises(ActivityFailed, match="workloads: "):
        probe.read(REGION)


@pytest.mark.parametrize(
    ("region", "power", "says"),
    [
        ("atlantis", {}, "region: got 'atlantis', expected one of eu-"),
        (REGION, {"kind": "none"}, "power.kind: got none, expected kubernetes"),
    ],
)
def test_a_region_without_workloads_is_refused(monkeypatch, region, power, says):
    """In one line that names what was expected."""
    session = SimpleNamespace(target=a_target(region={"power": power or {"kind": "none"}}))
    monkeypatch.setattr(current, "_current", session)
    with pytest.raises(ActivityFailed, match=says):
        probe.read(region)
