"""The places where a load may run against the suite: processes, and a cluster's stand-in."""

from __future__ import annotations

import pytest
from conformance.load_place import CHECKS, SECRET
from conformance.wrong import kinds
from load_cluster import load_cluster
from load_worlds import DRILL, Pods, Processes, endpoint

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
