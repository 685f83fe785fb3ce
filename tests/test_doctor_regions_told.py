"""Whatever preflight's `regions_told` refuses, the doctor lists: case by case, with a header."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from doctored import GOOD, OTHER, REGION, document, patient
from floor_fixtures import stand_in
from strict_aws import strict_aws, weighted

from muster.drill.doctor.registry import checks_of
from muster.drill.doctor.run import examine
from muster.drill.phases import preflight

WAYS = {REGION: "127.0.0.11", OTHER: "127.0.0.12"}
PUBLIC = "127.0.0.13"
MADE = ("stream:", "preflight:regions_told")
TOLD = "preflight:regions_told"


def answering(region, status=200):
    headers = {"X-Served-By": region} if region else {}
    return lambda call: (status, GOOD, headers)


class Front:
    """Two regions, each at an address of its own, and the address of the public name."""

    def __init__(self, stack, tmp_path, *, addresses=WAYS, records=True):
        first = stack.enter_context(stand_in(answering(REGION), WAYS[REGION]))
        self.port = first.port
        stack.enter_context(stand_in(answering(OTHER), WAYS[OTHER], self.port))
        url = f"http://{PUBLIC}:{self.port}"
        aws_url = "http://127.0.0.1:9"
        if records:
            aws = stack.enter_context(strict_aws())
            for name, way in addresses.items():
                key, text = weighted("chat.staging.example.com.", name, 50, way)
                aws.records[key] = text
            aws_url = aws.url
        regions = {
            name: {"ready_url": f"{url}/r", "power": {"kind": "none"}, "addresses": [way]}
            for name, way in addresses.items()
        }
        load = {"region_header": "X-Served-By"}
        data = document(aws_url, public_url=f"{url}/v1/chat", load=load, regions=regions)
        self.one = patient(tmp_path, data)


def refused(one):
    """What preflight's check refuses (None: nothing), and what the doctor lists, by check."""
    (check,) = [check for check in preflight.CHECKS if check.name == "regions_told"]
    try:
        by_preflight = check.look(one)
    except preflight.MusterError as error:
        by_preflight = str(error)
    made = [check for check in checks_of(one) if check.name.startswith(MADE)]
    return by_preflight, [(line.check, line.text) for line in examine(one, made).of("refused")]


@pytest.mark.parametrize(
    ("public", "says"),
    [
        (answering(REGION), ""),
        # Behind a wrong status the header counts too: the streams say what else is wrong.
        (answering(OTHER, 503), ""),
        # Without the header the load counts by address, and each region has its own.
        (answering(""), ""),
        (None, ""),
        (answering("cdn-fra1"), "X-Served-By names 'cdn-fra1', which is none of"),
    ],
)
def test_what_the_public_name_answers_is_listed_though_each_region_answers_well(
    tmp_path, public, says
):
    """A cache before the regions is seen by neither region's own address."""
    with ExitStack() as stack:
        front = Front(stack, tmp_path)
        if public is not None:
            stack.enter_context(stand_in(public, PUBLIC, front.port))
        by_preflight, listed = refused(front.one)
    assert says in by_preflight
    assert bool(by_preflight) is bool(says)
    assert listed == ([(TOLD, by_preflight)] if says else [])


@pytest.mark.parametrize(
    ("public", "says"),
    [
        (answering(REGION), ""),
        (answering(""), "has no header x-served-by"),
        (None, "did not answer, so the header x-served-by cannot be read"),
        (answering("cdn-fra1"), "which is none of"),
    ],
)
def test_where_addresses_tell_nothing_the_header_must(tmp_path, public, says):
    """Both regions at one address: a header that is missing is refused by preflight, and listed."""
    with ExitStack() as stack:
        front = Front(stack, tmp_path, addresses=dict.fromkeys(WAYS, WAYS[REGION]))
        if public is not None:
            stack.enter_context(stand_in(public, PUBLIC, front.port))
        by_preflight, listed = refused(front.one)
    assert says in by_preflight
    assert bool(by_preflight) is bool(says)
    assert ((TOLD, by_preflight) in listed) is bool(says)


def test_a_name_without_an_address_is_listed(tmp_path, monkeypatch):
    """No way to ask for the header, and addresses that tell nothing."""
    with ExitStack() as stack:
        front = Front(stack, tmp_path, addresses=dict.fromkeys(WAYS, WAYS[REGION]))
        stack.enter_context(stand_in(answering(REGION), PUBLIC, front.port))
        monkeypatch.setattr("muster.drill.sight.told_apart.is_address", lambda _: False)
        gone = "muster.drill.sight.told_apart.addresses_of"
        monkeypatch.setattr(gone, lambda host, server: (_ for _ in ()).throw(OSError("no name")))
        by_preflight, listed = refused(front.one)
    assert "does not resolve, so the header" in by_preflight
    assert (TOLD, by_preflight) in listed


def test_records_that_cannot_be_read_are_listed(tmp_path):
    """The target gives every address, so the streams ask no record; preflight does."""
    with ExitStack() as stack:
        front = Front(stack, tmp_path, records=False)
        stack.enter_context(stand_in(answering(REGION), PUBLIC, front.port))
        by_preflight, listed = refused(front.one)
    assert by_preflight
    assert [name for name, _ in listed] == [TOLD]
