"""The places where a load may run against the suite: processes, and a cluster's stand-in."""

from __future__ import annotations

import pytest
from conformance.load_place import CHECKS, SECRET
from conformance.wrong import kinds
from floor_fixtures import await_true
from load_cluster import load_cluster
from load_worlds import DRILL, Pods, Processes, endpoint

from muster.drill.load import pods
from muster.drill.load.keeper import Keeper
from muster.drill.load.records import PartRecord
from muster.errors import MusterError
from muster.platform.kubernetes.load_job import LoadJob
from muster.platform.port import PortError
from muster.targets.load_access import Load

WORLDS = {"process": Processes, "kubernetes": Pods}


@pytest.fixture(scope="module")
def served():
    """One endpoint for all."""
    with endpoint() as one:
        yield one


@pytest.fixture
def cluster(tmp_path):
    """A cluster of its own."""
    with load_cluster(tmp_path / "cluster") as one:
        yield one


def made(kind, served, tmp_path, cluster, **changes):
    """A world of that kind, whose endpoint has had no request yet."""
    served.requests = 0
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    if kind == "process":
        return Processes(served, bundle)
    return Pods(served, bundle, cluster, **changes)


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_place_keeps_to_its_port(kind, check, served, tmp_path, cluster):
    """What a drill needs of a load, wherever that runs."""
    world = made(kind, served, tmp_path, cluster)
    try:
        check(world)
    finally:
        world.close()


def test_every_kind_of_a_target_is_tried():
    """A new kind brings its world."""
    assert kinds(Load.__origin__) == set(WORLDS)


def test_four_parts_are_one_process(served, tmp_path, cluster):
    """Not only two: the same arrivals, each in one part."""
    world = made("kubernetes", served, tmp_path, cluster, parts=4)
    try:
        {check.__name__: check for check in CHECKS}["offers_what_one_process_offers"](world)
        assert len(list(world.bundle.glob("load-[0-9]*.jsonl"))) == 4
    finally:
        world.close()


def test_no_secret_is_in_what_the_drill_creates(served, tmp_path, cluster):
    """Only the pods' own environment has it; Job and ConfigMap name the Secret's key."""
    world = made("kubernetes", served, tmp_path, cluster)
    try:
        world.begun()
        text = f"{cluster.jobs}{cluster.config_maps}"
        assert SECRET not in text
        assert "'secretKeyRef': {'name': 'tokens', 'key': 'LOAD_TOKEN'}" in text
    finally:
        world.close()


def test_the_job_is_intended_first_and_deleted_with_its_pods(served, tmp_path, cluster):
    """By whoever finds it in the undo log: by name and drill; another drill's is left."""
    world = made("kubernetes", served, tmp_path, cluster)
    try:
        place = world.begun()
        (intended,) = world.intended
        place.stop()
        another = LoadJob(world.access, world.access.job)
        another.delete("20260101T000000Z-other-0000")
        assert cluster.jobs
        LoadJob(world.access, world.access.job).delete(DRILL)
        assert not cluster.jobs
        assert not cluster.config_maps
        assert not cluster.processes()
        intended.delete(DRILL)
        assert "delete job muster-load" in intended.command()
    finally:
        world.close()


@pytest.mark.parametrize(
    "missing", [("create", "jobs"), ("get", "pods/log"), ("patch", "configmaps")]
)
def test_a_missing_right_is_told_before_anything_is_created(missing, served, tmp_path, cluster):
    """Asked by SelfSubjectAccessReview."""
    world = made("kubernetes", served, tmp_path, cluster)
    assert world.place().refusals(world.plan) == ()
    cluster.rights.discard(missing)
    (line,) = world.place().refusals(world.plan)
    assert line.startswith(f"no right to {' '.join(missing)}")
    assert not cluster.jobs


def test_what_is_left_of_another_load_refuses_the_next(served, tmp_path, cluster):
    """Preflight names its drill, and a start that comes in between is refused as well."""
    world = made("kubernetes", served, tmp_path, cluster)
    try:
        world.begun()
        (line,) = world.place().refusals(world.plan)
        assert DRILL in line
        assert "recover" in line
        another = world.places[-1]
        another._intend = lambda job: None
        with pytest.raises(PortError, match="another drill's load"):
            another.start(world.plan, lambda: None)
    finally:
        world.close()


def test_an_api_server_that_does_not_answer_is_borne(served, tmp_path, cluster):
    """For less than the lifeline: nothing is lost, and the load goes on."""
    world = made("kubernetes", served, tmp_path, cluster)
    try:
        place = world.begun()
        with cluster.silent():
            place._keeper._over.wait(6.0)
            assert place.lost() == ""
        before = world.requests
        place._keeper._over.wait(4.0)
        assert place.lost() == ""
        assert world.requests > before
        assert world.alive == 2
    finally:
        world.close()


def test_a_drill_that_must_stop_does_not_wait_for_parts(served, tmp_path, cluster):
    """`waiting` may raise: a person who stops the drill is not kept."""
    world = made("kubernetes", served, tmp_path, cluster)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.place().start(world.plan, stop)
    assert world.intended
    world.close()


def test_a_part_that_cannot_begin_says_why(served, tmp_path, cluster):
    """In its own words, with the pod's name."""
    world = made("kubernetes", served, tmp_path, cluster)
    cluster.secrets["tokens"]["LOAD_TOKEN"] = ""
    with pytest.raises(Exception, match=r"part [12] of 2: pod muster-load-.*LOAD_TOKEN"):
        world.begun()
    world.close()


@pytest.mark.parametrize(("ahead_s", "how"), [(3.0, "ahead of"), (-3.0, "behind")])
def test_a_node_whose_clock_is_off_is_refused_with_its_name(
    ahead_s, how, served, tmp_path, cluster
):
    """Its part would begin and write by that clock, and look as if it were in time."""
    world = made("kubernetes", served, tmp_path, cluster)
    cluster.ahead_s[1] = ahead_s
    said = rf"part 2 of 2: the clock of node node-1 is at least [23]\.\d s {how} the drill's"
    with pytest.raises(MusterError, match=said):
        world.begun()
    world.close()
    world.intended[0].delete(DRILL)
    assert world.requests == world.alive == 0


def test_a_clock_that_is_a_little_off_is_told(served, tmp_path, cluster):
    """With what is unknown of it; the beginnings are told by the drill's clock."""
    world = made("kubernetes", served, tmp_path, cluster)
    cluster.ahead_s[1] = 0.4
    try:
        facts = world.place().start(world.plan, lambda: None).facts
        right, ahead = ((one["clock_s"], one["clock_error_s"]) for one in facts["parts"])
        assert abs(right[0]) <= right[1] < 0.5
        assert abs(ahead[0] - 0.4) <= ahead[1] < 0.5
        assert abs(facts["spread_s"] - 0.4) <= right[1] + ahead[1] + 0.1
    finally:
        world.close()


def test_a_part_that_says_nothing_of_its_clock_does_not_begin(
    served, tmp_path, cluster, monkeypatch
):
    """Unknown is not right: as an image of an earlier version."""
    monkeypatch.setattr(pods, "CLOCKS_S_MAX", 2.0)
    monkeypatch.setattr(PartRecord, "_met", lambda self, offset: None)
    world = made("kubernetes", served, tmp_path, cluster)
    with pytest.raises(MusterError, match="part 1 of 2: whether the clock of node node-0 is right"):
        world.begun()
    world.close()
    world.intended[0].delete(DRILL)
    assert world.requests == world.alive == 0


@pytest.mark.parametrize("order", [{"end": True}, {"stop_at_s": 0.0}])
def test_a_drill_that_wakes_reaches_no_other_drills_load(order, served, tmp_path, cluster):
    """The next Job has the same name: neither are its orders changed, nor would it obey them."""
    world = made("kubernetes", served, tmp_path, cluster)
    try:
        place = world.begun()
        slept = Keeper(
            LoadJob(world.access, world.access.job, uids=("before", "before")), "d-0", 15.0
        )
        with pytest.raises(PortError, match="uid"):
            slept.order(**order)
        # Even if they got there.
        own = world.places[-1]._job.uids
        slept = Keeper(LoadJob(world.access, world.access.job, uids=own), "d-0", 15.0)
        slept.order(**order)
        await_true(lambda: '"d-0"' not in cluster.config_maps["muster-load"]["data"]["orders"],
                   "the next beat", 30.0)  # fmt: skip
        before = world.recorded("offered")
        await_true(lambda: world.recorded("offered") > before + 20, "more arrivals", 30.0)
        assert (world.alive, place.lost()) == (2, "")
    finally:
        world.close()


def test_what_is_left_of_another_drills_orders_ends_no_part(served, tmp_path, cluster):
    """The object of the load before, which is deleted only now, is none of theirs."""
    world = made("kubernetes", served, tmp_path, cluster)
    try:
        place = world.begun()
        another = {"metadata": {"name": "muster-load"}, "data": {"drill": "d-0", "orders": "{}"}}
        for kind in ("MODIFIED", "DELETED"):
            cluster._tell(kind, another)
        before = world.recorded("offered")
        await_true(lambda: world.recorded("offered") > before + 20, "more arrivals", 30.0)
        assert (world.alive, place.lost()) == (2, "")
    finally:
        world.close()
