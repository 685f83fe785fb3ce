"""Stores off the machine: two who name the same old state never both win.

Held against strict stand-ins for the Route 53, S3 and Kubernetes APIs: moto lets both win.
"""

from __future__ import annotations

import pytest
from config_maps import config_maps
from floor_fixtures import kubeconfig, moto_server
from racing import race
from strict_aws import strict_aws

from muster.stores import Conflict, StoreError, store_of
from muster.stores.s3 import S3Store
from muster.targets.shared import SharedKubernetes, SharedS3, SharedTxt

AWS_KINDS = ["route53_txt", "s3"]
KINDS = [*AWS_KINDS, "kubernetes"]


def shared(kind, url, **more):
    """A `shared` section that points to the stand-in; of a cluster, `url` is its kubeconfig."""
    if kind == "kubernetes":
        return SharedKubernetes(kind="kubernetes", namespace="muster", kubeconfig=url, **more)
    if kind == "s3":
        return SharedS3(kind="s3", bucket="drills", endpoint_url=url, timeout_s=5, **more)
    return SharedTxt(
        kind="route53_txt",
        zone="staging.example.com.",
        name="_muster.staging.example.com.",
        endpoint_url=url,
        calls_per_s_max=1000,
        timeout_s=5,
        **more,
    )


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    """Credentials that sign, and nothing else."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def aws(tmp_path):
    """The strict stand-ins; `at` says where each kind of store is."""
    with strict_aws(page=3) as held, config_maps(held) as maps:
        cluster = str(kubeconfig(tmp_path / "kubeconfig", maps.url))
        held.at = lambda kind: cluster if kind == "kubernetes" else held.url
        yield held


@pytest.fixture(params=KINDS)
def store(request, aws):
    """Each kind of store."""
    return store_of(shared(request.param, aws.at(request.param)))


def test_what_is_written_is_read_back(store):
    """Any text that an entry can be: quotes, backslashes, and more than one string holds."""
    for text in ("", 'a "b" \\ c', "x" * 900, '{"a": [1, 2]}' * 30):
        old = store.read("undo/t/D1/u1")
        assert store.write("undo/t/D1/u1", text, old).text == text
        assert store.read("undo/t/D1/u1").text == text


def test_nothing_is_none(store):
    """What was never written is not there, nor is what was removed; to remove it again is well."""
    assert store.read("lock/t") is None
    stored = store.write("lock/t", "a", None)
    store.remove(stored)
    store.remove(stored)
    assert store.read("lock/t") is None


def test_who_names_an_old_state_is_refused(store):
    """Neither to create what stands, nor to replace what has changed since."""
    first = store.write("lock/t", "a", None)
    with pytest.raises(Conflict):
        store.write("lock/t", "b", None)
    store.write("lock/t", "c", first)
    with pytest.raises(Conflict):
        store.write("lock/t", "d", first)
    assert store.read("lock/t").text == "c"
    store.remove(store.read("lock/t"))
    with pytest.raises(Conflict):
        store.write("lock/t", "e", first)


@pytest.mark.parametrize("kind", KINDS)
def test_of_many_at_once_one_wins(aws, kind):
    """Eight at the same state: one of them changes it."""
    won = race(lambda: store_of(shared(kind, aws.at(kind))), "lock/t")
    assert len(won) == 1
    assert store_of(shared(kind, aws.at(kind))).read("lock/t").text == won[0]


def test_a_key_holds_its_own_and_not_its_neighbours(store):
    """Listing goes over pages, below the key alone."""
    names = [f"undo/t/D1/u{n}" for n in range(1, 9)]
    for name in [*names, "undo/t2/D9/u1", "lock/t"]:
        store.write(name, name, None)
    assert sorted(stored.text for stored in store.under("undo/t")) == sorted(names)
    for stored in store.under("undo/t"):
        store.remove(stored)
    assert store.under("undo/t") == ()
    assert store.read("undo/t2/D9/u1") is not None


def test_who_may_not_remove_is_told_beforehand(store, aws):
    """Where that is a right of its own (S3); nothing of the rehearsal is left."""
    assert store.rehearse() == ()
    assert store.under("doctor") == ()
    if isinstance(store, S3Store):
        aws.plan = ["", "refuse"]
        (line,) = store.rehearse()
        assert "can not be removed" in line


def test_a_lost_answer_is_asked_after(store, aws):
    """The change was made and nobody said so: it counts as made, once."""
    aws.plan = ["lose_answer"]
    first = store.write("lock/t", "a", None)
    aws.plan = ["lose_answer"]
    assert store.write("lock/t", "b", first).text == "b"


def test_throttling_is_waited_out_and_a_refusal_is_not_a_conflict(store, aws):
    """Two throttled calls pass by; whoever may not write learns that nothing is known."""
    aws.plan = ["throttle", "throttle"]
    assert store.write("lock/t", "a", None).text == "a"
    aws.plan = ["refuse"]
    with pytest.raises(StoreError) as caught:
        store.write("lock/t", "b", store.read("lock/t"))
    assert not isinstance(caught.value, Conflict)


def test_a_store_that_is_down_is_unknown(store, aws):
    """No answer is no answer: neither free nor held."""
    aws.down = True
    with pytest.raises(StoreError):
        store.read("lock/t")


@pytest.mark.parametrize(("kind", "size"), [("route53_txt", 4000), ("kubernetes", 200_000)])
def test_a_text_that_no_record_holds_is_refused(aws, kind, size):
    """Nothing is cut to fit."""
    store = store_of(shared(kind, aws.at(kind)))
    with pytest.raises(StoreError, match="can not hold"):
        store.write("undo/t/D1/u1", "x" * size, None)
    assert store.read("undo/t/D1/u1") is None


def test_a_config_map_of_somebody_else_is_no_record(aws):
    """Neither one with another key, nor one without any; both are told, and nothing is guessed."""
    store = store_of(shared("kubernetes", aws.at("kubernetes")))
    path = store._path("lock/t")
    for data in ({"key": "lock/other", "text": "a"}, {"text": "a"}, None):
        body = {"metadata": {"name": path.rpartition("/")[2]}, "data": data}
        store._cluster.post(store._base, body)
        with pytest.raises(StoreError, match="no record of the store"):
            store.read("lock/t")
        version = store._cluster.get(path)["metadata"]["resourceVersion"]
        store._cluster.delete(path, {"preconditions": {"resourceVersion": version}})


def test_moto_speaks_the_same_apis():
    """The calls work against another server of these APIs, which proves no exclusivity."""
    import boto3

    with moto_server() as url:
        boto3.client("route53", endpoint_url=url, region_name="us-east-1").create_hosted_zone(
            Name="staging.example.com.", CallerReference="1"
        )
        boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="drills")
        for kind in AWS_KINDS:
            store = store_of(shared(kind, url))
            first = store.write("undo/t/20260101T000000Z-d-ab/u1", 'a "b"', None)
            assert store.write(first.key, "c", first).text == "c"
            assert [one.text for one in store.under("undo/t")] == ["c"]
            store.remove(store.read(first.key))
            assert store.under("undo/t") == ()
