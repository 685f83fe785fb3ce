"""The testbed's Route 53 API: no two changes that name the same old record both succeed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from floor_fixtures import free_port, listens, process
from hypothesis import given
from hypothesis import strategies as st
from moto.route53.exceptions import Route53ClientError
from racing import race

from muster.stores import Conflict, Store, store_of
from muster.targets.shared import SharedTxt
from muster.testbed.rig.route53 import client
from muster.testbed.rig.route53_api import after

ZONE = "foreign.test."
NAME = f"lock.{ZONE}"


def change(action: str, value: str = "a", *, name: str = NAME, **more: Any) -> dict[str, Any]:
    """One change of a TXT record."""
    fields = {"Name": name, "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": value}]}
    return {"Action": action, "ResourceRecordSet": {**fields, **more}}


def values(records: list[Any]) -> list[tuple[str, str]]:
    return [(record.name, record.records[0]) for record in records]


# What a batch does


def test_a_batch_replaces_exactly_the_record_that_it_names() -> None:
    """DELETE and CREATE of one name in one batch, even back to a value of before."""
    records = after(ZONE, [], [change("CREATE", "a")])
    for old, new in (("a", "b"), ("b", "a")):
        records = after(ZONE, records, [change("DELETE", old), change("CREATE", new)])
        assert values(records) == [(NAME, new)]


@pytest.mark.parametrize(
    "batch",
    [
        [change("CREATE", "b")],
        [change("DELETE", "old"), change("CREATE", "b")],
        [change("DELETE", "a", TTL=61)],
        [change("DELETE", "a", SetIdentifier="x", Weight=1)],
        [change("DELETE", "a", name=f"other.{ZONE}")],
        [change("DELETE", "a"), change("DELETE", "a")],
        [change("UPSERT", "b", name="lock.another.test.")],
        [change("UPSERT", "b", name=f"x{ZONE}")],
        [change("REPLACE", "b")],
    ],
)
def test_what_does_not_fit_the_records_as_they_are_is_refused(batch: list[dict[str, Any]]) -> None:
    """Outdated, inexact, outside the zone, or no action of the API."""
    records = after(ZONE, [], [change("CREATE", "a")])
    with pytest.raises(Route53ClientError):
        after(ZONE, records, batch)


def test_names_are_compared_without_regard_to_case_and_the_last_dot() -> None:
    """As Route 53 keeps them."""
    records = after(ZONE, [], [change("CREATE", name=NAME.upper().rstrip("."))])
    assert values(records) == [(NAME, "a")]
    assert after(ZONE, records, [change("DELETE")]) == []


def test_records_of_one_name_are_told_apart_by_their_identifier() -> None:
    """To remove one weighted record leaves the others, and what has the same identifier."""
    told = {"Type": "A", "Weight": 50}
    west, east = ({**told, "SetIdentifier": one} for one in ("west", "east"))
    other = {**west, "name": f"other.{ZONE}"}
    records = after(ZONE, [], [change("CREATE", "1", **one) for one in (west, east, other)])
    left = after(ZONE, records, [change("DELETE", "1", **west)])
    assert [(one.name, one.set_identifier) for one in left] == [
        (NAME, "east"),
        (f"other.{ZONE}", "west"),
    ]


actions = st.sampled_from(["CREATE", "DELETE", "UPSERT"])
changes = st.tuples(actions, st.sampled_from("ab"), st.sampled_from(["x", "y"]))


@given(st.lists(st.lists(changes, max_size=4), max_size=6))
def test_batches_do_what_a_mapping_would(batches: list[list[tuple[str, str, str]]]) -> None:
    """Whole or not at all."""
    records: list[Any] = []
    model: dict[str, str] = {}
    for batch in batches:
        wanted, fits = dict(model), True
        for action, value, label in batch:
            if action == "CREATE":
                fits = fits and label not in wanted
            if action == "DELETE":
                fits = fits and wanted.pop(label, None) == value
            else:
                wanted[label] = value
        told = [change(action, value, name=f"{label}.{ZONE}") for action, value, label in batch]
        if fits:
            records, model = after(ZONE, records, told), wanted
        else:
            with pytest.raises(Route53ClientError):
                after(ZONE, records, told)
        assert dict(values(records)) == {f"{key}.{ZONE}": value for key, value in model.items()}


# The process


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The API as a testbed starts it, with one zone."""
    port = free_port()
    module = ["-m", "muster.testbed.rig.route53_api", "-H", "127.0.0.1", "-p", str(port)]
    with process([sys.executable, *module], lambda: listens(port)):
        found = f"http://127.0.0.1:{port}"
        client(found).create_hosted_zone(Name=ZONE, CallerReference="test")
        yield found


def store(url: str) -> Store:
    settings = {"zone": ZONE, "name": f"_muster.{ZONE}", "endpoint_url": url}
    return store_of(SharedTxt(kind="route53_txt", calls_per_s_max=1000, **settings))


def test_a_drills_lock_in_the_zone_is_exclusive(url: str) -> None:
    """Who names an outdated state is refused, as on the real API; a listing shows what won."""
    kept = store(url)
    first = kept.write("lock/t", "a", None)
    second = kept.write("lock/t", "b", first)
    with pytest.raises(Conflict):
        kept.write("lock/t", "c", first)
    with pytest.raises(Conflict):
        kept.write("lock/t", "c", None)
    assert [one.text for one in kept.under("lock")] == ["b"]
    kept.remove(second)
    assert kept.under("lock") == ()


def test_of_many_at_once_one_wins(url: str) -> None:
    """Eight name the same old state."""
    won = race(lambda: store(url), "lock/race")
    found = store(url).read("lock/race")
    assert found is not None
    assert won == [found.text]


def test_a_refused_change_has_the_code_that_the_api_gives(url: str) -> None:
    """What a client takes for a conflict."""
    api = client(url)
    (zone,) = api.list_hosted_zones()["HostedZones"]
    with pytest.raises(ClientError) as caught:
        api.change_resource_record_sets(
            HostedZoneId=zone["Id"], ChangeBatch={"Changes": [change("DELETE", '"none"')]}
        )
    assert caught.value.response["Error"]["Code"] == "InvalidChangeBatch"
