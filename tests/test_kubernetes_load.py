"""A load in pods on a real API server, Job controller and scheduler; a stand-in for the kubelet."""

from __future__ import annotations

import base64
import logging
import uuid
from pathlib import Path

import pytest
import yaml
from conformance.load_place import CHECKS, SECONDS, SECRET, World, arrivals
from floor_fixtures import await_true
from kubelet_stand_in import KubeletStandIn, kubelet_stand_in
from kubernetes_world import CONTEXT, Live, Namespace
from load_worlds import DRILL, TOKEN, endpoint, section

from muster.drill.load.keeper import Keeper
from muster.drill.load.place import LoadPlace
from muster.drill.load.pods import LoadInPods
from muster.platform.kubernetes.load_job import LoadJob
from muster.platform.port import PortError

pytestmark = pytest.mark.kubernetes
ROOT = Path(__file__).resolve().parents[1]
SOON_S = 60.0
RIGHTS = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}"


def documents(name):
    """The documents of one of the files that come along."""
    return list(yaml.safe_load_all((ROOT / "deploy" / name).read_text()))


def rules_of_the_drill():
    """Of the role `muster-load`, as it comes along."""
    found = (one for one in documents("kubernetes/role.yaml"))
    return next(one["rules"] for one in found if one["metadata"]["name"] == "muster-load")


class OnCluster(World):
    """A namespace, set up as `deploy/load/drill.yaml` says, and a drill with the role alone."""

    def __init__(
        self, one, bundle, space: Namespace, kubelet: KubeletStandIn | None, folder, parts=2,
        **changes,
    ):  # fmt: skip
        """`changes`: of the section `load`, where no stand-in for the kubelet runs the pods."""
        self.peer, self.bundle, self.space, self.kubelet = one, bundle, space, kubelet
        self.url = f"http://127.0.0.1:{one.port}/v1/chat/completions"
        self.parts = parts
        for each in documents("load/drill.yaml"):
            self._create(each)
        values = {"LOAD_TOKEN": SECRET, "CANARY": "sk-canary"}
        secret = {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
        core = f"/api/v1/namespaces/{space.name}/secrets"
        space.live.call("POST", core, {"metadata": {"name": "tokens"}, "data": secret})
        given = {
            "annotations": KubeletStandIn.annotations,
            "container": {"resources": {"requests": {"cpu": "1m"}}},
        }
        self.access = section(
            namespace=space.name, context=CONTEXT, parts=parts,
            kubeconfig=space.kubeconfig_of(folder, rules_of_the_drill()), **(changes or given),
        )  # fmt: skip
        self.intended: list[LoadJob] = []
        self.places: list[LoadInPods] = []

    def _create(self, found) -> None:
        found["metadata"]["namespace"] = self.space.name
        for subject in found.get("subjects", ()):
            subject["namespace"] = self.space.name
        core, kind = f"/api/v1/namespaces/{self.space.name}", found["kind"].lower() + "s"
        base = RIGHTS.format(self.space.name) if kind.startswith("role") else core
        self.space.live.call("POST", f"{base}/{kind}", found)

    @property
    def token(self) -> str:
        return TOKEN

    @property
    def requests(self) -> int:
        return self.peer.requests

    @property
    def alive(self) -> int:
        return sum(one.process.poll() is None for one in self.kubelet.processes())

    def place(self) -> LoadPlace:
        self.places.append(LoadInPods(self.access, DRILL, self.bundle, self.intended.append))
        return self.places[-1]

    def kill(self, part: int) -> None:
        self.kubelet.processes()[part].kill()

    def forsake(self, place: LoadPlace) -> None:
        self.places[-1]._keeper.close()

    def jobs(self):
        """All Jobs there are."""
        path = f"/apis/batch/v1/namespaces/{self.space.name}/jobs"
        return self.space.live.call("GET", path)["items"]

    def config_maps(self):
        """The names of the drill's ConfigMaps."""
        path = f"/api/v1/namespaces/{self.space.name}/configmaps"
        found = self.space.live.call("GET", path)["items"]
        return [one["metadata"]["name"] for one in found if "orders" in one.get("data", {})]


@pytest.fixture(scope="module")
def served():
    """One endpoint for all."""
    with endpoint() as one:
        yield one


@pytest.fixture
def made(live: Live, served, tmp_path):
    """Makes a world with so many parts."""
    served.requests = 0
    space = live.namespace()
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    worlds = []

    with kubelet_stand_in(space, tmp_path / "kubelet") as kubelet:

        def make(parts=2):
            worlds.append(OnCluster(served, bundle, space, kubelet, tmp_path, parts))
            return worlds[-1]

        yield make
        for world in worlds:
            for place in world.places:
                place.stop()
            if world.intended:
                LoadJob(world.access, world.access.job).delete(DRILL)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_place_keeps_to_its_port_on_a_real_api_server(check, made):
    """With the rights that come along, and no more."""
    check(made())


def test_four_parts_on_a_cluster_are_one_process(made):
    """Scheduled, offered, started and answered: as of one process of the same seed."""
    world = made(4)
    place = world.begun(SECONDS)
    expected = arrivals(SECONDS)
    await_true(lambda: world.recorded("offered") >= expected, "all arrivals", SOON_S)
    place.stop()
    assert world.recorded("scheduled") == world.recorded("offered") == expected
    assert world.requests == expected
    assert len(list(world.bundle.glob("load-[0-9]*.jsonl"))) == 4


def test_parts_that_are_stopped_at_a_moment_offer_what_one_process_would(made, caplog):
    """A drill's load has no end of its own: the moment is in the orders."""
    world = made(4)
    place = world.begun()
    await_true(lambda: world.requests > 40, "arrivals", SOON_S)
    place.stop_arrivals()
    at_s = world.places[-1]._keeper._state["stop_at_s"]
    await_true(lambda: world.recorded("offered") >= arrivals(at_s), "all arrivals", SOON_S)
    place.stop()
    assert world.recorded("scheduled") == world.recorded("offered") == arrivals(at_s)
    assert world.requests == arrivals(at_s)
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_the_job_goes_with_everything_that_belongs_to_it(made):
    """Whoever deletes it: pods and ConfigMap go too; asked again, nothing changes."""
    world = made()
    place = world.begun()
    assert [one["metadata"]["name"] for one in world.jobs()] == ["muster-load"]
    assert world.config_maps() == ["muster-load"]
    place.stop()
    for _ in range(2):
        world.intended[0].delete(DRILL)
    assert world.jobs() == []
    assert world.space.pods() == []
    await_true(lambda: world.config_maps() == [], "the ConfigMap's end", SOON_S)


@pytest.mark.parametrize("order", [{"end": True}, {"stop_at_s": 0.0}])
def test_a_drill_that_wakes_reaches_no_other_drills_load(order, made):
    """By the uid that it knows nothing is changed; and whatever got there is not obeyed."""
    world = made()
    place = world.begun()
    own = world.places[-1]._job.uids
    before = (str(uuid.uuid4()), str(uuid.uuid4()))
    slept = LoadJob(world.access, world.access.job, uids=before)
    with pytest.raises(PortError, match=r"(?i)uid"):
        Keeper(slept, "d-0", 15.0).order(**order)
    assert slept.pods() == []
    path = f"/api/v1/namespaces/{world.space.name}/configmaps/muster-load"
    shown = lambda: world.space.live.call("GET", path)["data"]["orders"]  # noqa: E731
    assert '"d-0"' not in shown()
    Keeper(LoadJob(world.access, world.access.job, uids=own), "d-0", 15.0).order(**order)
    await_true(lambda: '"d-0"' not in shown(), "the next beat", SOON_S)
    seen = world.recorded("offered")
    await_true(lambda: world.recorded("offered") > seen + 20, "more arrivals", SOON_S)
    assert (world.alive, place.lost()) == (2, "")


def test_a_deleted_pod_is_a_lost_part_and_no_other_takes_its_place(made):
    """An eviction: the others go on, and what the Job controller might start anew stays out."""
    world = made()
    place = world.begun()
    victim = world.space.pods()[0]["metadata"]["name"]
    world.space.live.call("DELETE", f"/api/v1/namespaces/{world.space.name}/pods/{victim}")
    await_true(lambda: place.lost() != "", "the loss", SOON_S)
    assert "of 2" in place.lost()
    await_true(lambda: world.alive <= 1, "its end", SOON_S)
    before = world.requests
    await_true(lambda: world.requests > before, "the other part's arrivals", SOON_S)


@pytest.mark.parametrize("index", range(len(rules_of_the_drill())))
def test_every_right_of_the_role_is_needed(index, made, tmp_path):
    """Without one of its rules, the preflight says so and nothing is created."""
    world = made()
    assert world.place().refusals(world.plan) == ()
    rules = [one for number, one in enumerate(rules_of_the_drill()) if number != index]
    world.space.kubeconfig_of(tmp_path, rules)
    await_true(lambda: world.place().refusals(world.plan) != (), "the refusal", SOON_S)
    assert "no right to" in world.place().refusals(world.plan)[0]
    assert world.jobs() == []


def test_what_admission_would_refuse_is_told_before(made):
    """A field that is wrong is found by the dry run of the Job."""
    world = made()
    world.access = world.access.model_copy(update={"pod": {"tolerations": [{"operator": "No"}]}})
    (line,) = world.place().refusals(world.plan)
    assert line.startswith("the Job of the load: ")
    assert "operator" in line
    assert world.jobs() == []
