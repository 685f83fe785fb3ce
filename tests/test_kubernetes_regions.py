"""The testbed of pods before anything starts: its objects, its rights, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from muster import contract, home, targets, testbed
from muster.errors import BadInput
from muster.testbed import api
from muster.testbed.design import config as settings
from muster.testbed.design.binaries import WANTED, Binary
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.design.layout import Layout, endpoints
from muster.testbed.design.parts import Secrets
from muster.testbed.design.ports import BLOCK, Ports
from muster.testbed.gateway.front import PROBED
from muster.testbed.kubernetes.node import design as node
from muster.testbed.kubernetes.regions import access, here, layout
from muster.testbed.kubernetes.regions.part import processes
from muster.testbed.kubernetes.regions.workloads import place_of, workload

SECRETS = Secrets("load-secret", "canary-secret", "control-secret")
PROGRAMS = {wanted.name: Binary(Path(f"/opt/{wanted.name}"), "9.9") for wanted in WANTED}
TARGET = targets.load("testbed_kubernetes")
M3 = contract.load().profiles["m3_20k"]
CORES = 2


def told(**changes: Any) -> SupervisorConfig:
    """What the supervisor is told for the shipped target at 1,000 streams."""
    made = settings.build(TARGET, M3, scale=0.05, seed=1, defect=None, owner="test")
    return made.model_copy(update=changes)


def planned(**changes: Any) -> Layout:
    """The layout of the shipped target."""
    return layout.lay_out(told(**changes), Ports(7800), PROGRAMS, SECRETS)


def objects() -> dict[str, dict[str, Any]]:
    """The workloads of the regions, by NAMESPACE/KIND/NAME."""
    made = planned()
    found = {}
    for spec in made.processes:
        if spec.kind in layout.POD_KINDS:
            place = place_of(spec)
            body = workload(spec, made.directory, PROGRAMS, CORES)
            found[f"{place.namespace}/{place.kind.lower()}/{place.name}"] = body
    return found


def test_the_target_differs_from_the_testbed_in_what_kubernetes_does() -> None:
    """Power, what is done to pods, the restart of Toxiproxy, nothing for Redis' process alone."""
    plain = yaml.safe_load((home.root() / "targets/testbed.yaml").read_text())
    pods = yaml.safe_load((home.root() / "targets/testbed_kubernetes.yaml").read_text())
    for region in plain["regions"]:
        ours, theirs = pods["regions"][region], plain["regions"][region]
        assert ours.pop("power")["kind"] == "kubernetes"
        assert ours["toxiproxy"].pop("restart")["kind"] == "kubernetes"
        assert ours.pop("cluster")["kind"] == "kubernetes"
        for key in ("power", "redis_process"):
            theirs.pop(key)
        theirs["toxiproxy"].pop("restart")
    assert pods.pop("name") == "testbed_kubernetes"
    plain.pop("name")
    assert pods["blast_radius"].pop("namespaces") == list(plain["regions"])
    own = ("run_as", "port_base", "gateways_per_region", "ready_s_max")
    assert pods["testbed"].pop("run_as") == "pods"
    for key in own:
        pods["testbed"].pop(key, None)
        plain["testbed"].pop(key, None)
    assert pods == plain


def test_the_power_of_each_region_is_exactly_its_gateways_and_its_redis() -> None:
    """What the target names is there, in the namespace that it names, and nothing is left out."""
    there = {name for name in objects() if not name.endswith("/toxiproxy")}
    named = {
        f"{region.power.namespace}/{one}"  # type: ignore[union-attr]
        for region in TARGET.regions.values()
        for one in region.power.workloads  # type: ignore[union-attr]
    }
    assert named == there
    restarted = {f"{one}/deployment/toxiproxy" for one in TARGET.regions}
    assert restarted == set(objects()) - there


def test_every_port_is_one_parts_and_within_the_block() -> None:
    """Those of the control plane and the node too."""
    made = planned()
    places = [(wish.host, wish.port, wish.udp) for wish in made.wishes]
    assert len(places) == len(set(places))
    assert all(7800 <= port < 7800 + BLOCK for _, port, _ in places)
    assert any(wish.what == "the API server" for wish in made.wishes)


def test_the_target_finds_every_endpoint_that_it_names() -> None:
    """The rig adds the drill's kubeconfig and its context."""
    found = endpoints(planned(), SECRETS)
    with pytest.raises(BadInput, match=r"testbed\.kubeconfig"):
        targets.resolve(TARGET, testbed=found)
    more = {"kubeconfig": "/somewhere/drill.kubeconfig", "context": "muster-testbed"}
    resolved = targets.resolve(TARGET, testbed=found | more)
    for region in resolved.regions.values():
        assert region.power.kubeconfig == more["kubeconfig"]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(objects()))
def test_a_part_is_one_pod_without_rights_that_is_ready_when_the_part_is(name: str) -> None:
    """On the machine's network, so one pod at a time; with a share of the CPU of its own."""
    spec = objects()[name]["spec"]
    pod = spec["template"]["spec"]
    assert spec["replicas"] == 1
    if "/deployment/" in name:
        assert spec["strategy"] == {"type": "Recreate"}
    assert pod["hostNetwork"] is True
    assert pod["serviceAccountName"] == access.ACCOUNT
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    probe = container["readinessProbe"]
    assert probe.keys() & {"httpGet", "tcpSocket"}
    # Without it no client of a gateway would ever be let in.
    assert probe.get("httpGet", {}).get("path", "").endswith(f"?{PROBED}") is ("gateway" in name)
    assert int(container["resources"]["requests"]["cpu"].removesuffix("m")) > 0
    # No token stands in an object that anybody who may read workloads could read.
    assert "secret" not in json.dumps(objects()[name])


def test_all_pods_together_fit_on_the_node() -> None:
    """Requests beyond the machine's cores would leave a pod waiting for ever."""
    pods = [one["spec"]["template"]["spec"] for one in objects().values()]
    asked = [pod["containers"][0]["resources"]["requests"]["cpu"] for pod in pods]
    assert sum(int(one.removesuffix("m")) for one in asked) < 1000 * CORES


def test_a_toxiproxy_has_its_proxies_from_its_start() -> None:
    """So a restart brings them back without anybody's help."""
    made = planned()
    written = layout.files(made)
    for spec in made.of("toxiproxy"):
        path = Path(spec.argv[spec.argv.index("-config") + 1])
        told = json.loads(written[str(path.relative_to(made.directory))])
        assert [one["name"] for one in told] == [proxy.name for proxy in spec.proxies]
        assert all(one["enabled"] and one["listen"] and one["upstream"] for one in told)


def test_the_drill_has_the_documented_roles_in_the_regions_alone() -> None:
    """Those of deploy/kubernetes/role.yaml; a restart and a release of one deployment each."""
    granted = access.roles()
    assert [one["metadata"]["name"] for one in granted] == [
        "muster-drill", "muster-loss", "muster-faults", "muster-restart"
    ]  # fmt: skip
    patched = {
        role["metadata"]["name"]: rule["resourceNames"]
        for role in granted
        for rule in role["rules"]
        if rule["resources"] == ["deployments"]
    }
    assert patched == {"muster-faults": ["gateway-0"], "muster-restart": ["toxiproxy"]}
    released = {region.cluster.released for region in TARGET.regions.values()}  # type: ignore[union-attr]
    assert released == {("deployment/gateway-0",)}
    made = list(access.objects(list(TARGET.regions), granted))
    bound = [(path, body) for path, body in made if path.endswith("/rolebindings")]
    assert len(bound) == len(granted) * len(TARGET.regions)
    for path, body in bound:
        assert path.split("/")[5] in TARGET.regions
        assert body["subjects"] == [
            {"kind": "ServiceAccount", "name": "drill", "namespace": access.OPERATIONS}
        ]
    assert not any("cluster" in path for path, _ in made)


def test_a_file_of_roles_without_one_of_them_is_refused(tmp_path: Path) -> None:
    """In one line that says which."""
    file = tmp_path / "role.yaml"
    file.write_text("kind: Role\nmetadata: {name: muster-drill}\nrules: []\n")
    with pytest.raises(BadInput, match="expected a Role muster-loss"):
        access.roles(file)
    with pytest.raises(BadInput, match="the roles of Muster's checkout"):
        access.roles(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"defect": "lit_in_dark"}, "defect: got 'lit_in_dark', expected one whose part runs"),
        ({"defect": "address_stays"}, "defect: got 'address_stays'"),
        ({"toxiproxies_per_region": 2}, "one Toxiproxy a region"),
        ({"platform": "foreign"}, r"testbed\.run_as: got 'pods', expected processes"),
        ({"redis": {"sentinel": True}}, r"testbed\.redis\.sentinel"),
    ],
)
def test_what_pods_cannot_have_is_refused(changes: dict[str, Any], said: str) -> None:
    """In one line, before anything starts."""
    config = told()
    spec = config.spec.model_dump()
    own = {key: value for key, value in changes.items() if key in spec}
    built = type(config.spec).model_validate(spec | own)
    rest = {key: value for key, value in changes.items() if key not in spec}
    with pytest.raises(BadInput, match=said):
        layout.check(config.model_copy(update={**rest, "spec": built}))


@pytest.mark.parametrize("defect", [None, "queue_stuck", "survivor_needs_evacuated", "impatient"])
def test_a_defect_of_a_gateway_or_beyond_the_regions_is_planted_as_ever(defect: str | None) -> None:
    """Its configuration is a file, whatever the gateway runs as."""
    layout.check(told(defect=defect))


@pytest.mark.parametrize(
    ("cannot", "said"),
    [
        ({"platform": "darwin"}, "a node with real pods needs Linux"),
        ({"user": 1000}, "a node with real pods needs root"),
        ({"tools": "nowhere"}, "kubelet is missing: run `make setup-kubernetes`"),
    ],
)
def test_a_machine_that_cannot_is_told_so_in_the_plan(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cannot: dict[str, Any], said: str
) -> None:
    """One line, and nothing is started."""
    monkeypatch.setattr(sys, "platform", cannot.get("platform", "linux"))
    monkeypatch.setattr(os, "geteuid", lambda: cannot.get("user", 0))
    if "tools" in cannot:
        monkeypatch.setattr(home, "tools_dir", lambda: tmp_path / cannot["tools"])
    with pytest.raises(BadInput) as raised:
        testbed.room(TARGET, M3, scale=0.05)
    assert "\n" not in str(raised.value)
    assert said in str(raised.value)
    assert "testbed.run_as: got 'pods', expected processes" in str(raised.value)


def test_without_the_control_plane_it_says_what_builds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The node's programs may be there, and etcd not."""
    monkeypatch.setattr(node, "lacking", lambda tools: "")
    monkeypatch.setattr(home, "tools_dir", lambda: tmp_path)
    assert "run `make setup-kubernetes`" in here.lacking()


def test_its_supervisor_is_its_own() -> None:
    """Chosen by what the regions' parts run as; a testbed of processes keeps its own."""
    assert TARGET.testbed is not None
    assert api._supervisor_of(TARGET.testbed) == api.PODS
    plain = targets.load("testbed").testbed
    assert plain is not None
    assert api._supervisor_of(plain) == api.SUPERVISORS["muster"]


def test_a_process_is_found_by_its_whole_command_line() -> None:
    """Empty words count; another's command line that begins alike does not."""
    argv = (sys.executable, "-c", "import sys; sys.stdin.read()", "--mark", "", "one")
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as running:
        try:
            # Until the child has executed it, it has its parent's command line.
            while not (found := processes(argv)) and running.poll() is None:
                pass
            assert found == [running.pid]
            assert processes(argv[:-1]) == []
        finally:
            running.kill()
    assert processes(argv) == []


@pytest.mark.parametrize(("given", "scale"), [({}, "0.05"), ({"SCALE": "0.1"}, "0.1")])
def test_make_drill_sets_up_what_it_needs_and_loads_it_with_1000_streams(
    given: dict[str, str], scale: str
) -> None:
    """`make drill TARGET=testbed_kubernetes`; a scale that is given is kept."""
    words = [f"{key}={value}" for key, value in {"TARGET": TARGET.name, **given}.items()]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MUSTER_")}
    script = "show: $(PRODUCTS)\n\t@echo scale=$$MUSTER_SCALE products=$(PRODUCTS)\n"
    said = subprocess.run(
        ["make", "-f", "Makefile", "-f", "-", "-s", "-o", "setup", "-o", "setup-kubernetes",
         "show", *words],
        input=script, capture_output=True, text=True, check=True, cwd=home.root(), env=kept,
    )  # fmt: skip
    assert said.stdout.split() == [f"scale={scale}", "products=setup-kubernetes"]
