"""Regions are told apart by a header of the answer or by addresses, or the drill does not begin."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from floor_fixtures import OTHER, REGION, stand_in
from shared_targets import shared_document

from muster.drill.phases.preflight import CHECKS
from muster.drill.sight.told_apart import not_apart, untold
from muster.targets import Target

A, B = "192.0.2.1", "2001:db8::1"
STREAM = 'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n'


def target(url="http://127.0.0.1:9", **load):
    data = shared_document("http://127.0.0.1:9")
    data["public_url"] = f"{url}/v1/chat/completions"
    data["load"] |= load
    return Target.model_validate(data)


APART = {REGION: (A,), OTHER: (B,)}


@pytest.mark.parametrize(
    ("addresses", "why"),
    [
        (APART, ""),
        ({REGION: (A,)}, f"no address of {OTHER} is known (regions.{OTHER}.addresses)"),
        ({}, f"no address of {REGION} is known (regions.{REGION}.addresses)"),
        ({REGION: (A,), OTHER: (B, A)}, f"{A} is an address of both {REGION} and {OTHER}"),
        (
            {REGION: (B,), OTHER: ("2001:DB8:0:0::1",)},
            f"2001:DB8:0:0::1 is an address of both {REGION} and {OTHER}",
        ),
        (
            {REGION: ("lb.example.com",), OTHER: (B,)},
            f"the record of {REGION} is the name lb.example.com, whose addresses may be shared",
        ),
    ],
)
def test_addresses_tell_regions_apart_where_each_has_its_own(addresses, why):
    """Plain addresses, of one region each; without a header nothing else does."""
    assert not_apart(target(), addresses) == why
    said = untold(target(), addresses)
    assert said == (why and f"{why}, and load.region_header is not set")


def test_the_targets_own_addresses_come_before_those_of_records():
    """A load balancer stands before the records, and the target knows its addresses."""
    one = target()
    one.regions[REGION].__dict__["addresses"] = ("192.0.2.7",)
    assert not_apart(one, {REGION: ("lb.example.com",), OTHER: (B,)}) == ""


def asked(answer, addresses):
    with stand_in(answer) as shown:
        said = untold(target(shown.url, region_header="X-Served-By"), addresses)
        return said, len(shown.calls)


def answering(headers, status=200):
    return lambda call: (status, STREAM, headers)


def test_a_header_that_names_a_region_tells_them_apart():
    """One request shows it; addresses are not needed."""
    assert asked(answering({"x-served-by": REGION}), {}) == ("", 1)


def test_a_header_that_names_no_region_is_refused():
    """Though addresses would do: what the header says is what the load would count by."""
    said, _ = asked(answering({"x-served-by": "cache-fra1"}), APART)
    assert said.startswith("load.region_header: X-Served-By names 'cache-fra1', which is none of ")
    assert OTHER in said


def test_an_answer_without_the_header_needs_addresses():
    """The load then counts by address; where those tell nothing either, one line says both."""
    assert asked(answering({}), APART) == ("", 1)
    said, _ = asked(answering({}, status=401), {})
    assert "(401) has no header x-served-by (load.region_header); no address of" in said
    assert "\n" not in said


def test_a_platform_that_does_not_answer_shows_no_header():
    """Unknown is no header."""
    one = target(region_header="X-Served-By")
    assert "did not answer, so the header x-served-by cannot be read" in untold(one, {})
    assert untold(one, APART) == ""


def test_preflight_refuses_what_nothing_tells_apart():
    """By its own name, before the first effect."""
    (check,) = [one for one in CHECKS if one.name == "regions_told"]
    for addresses, wrong in ((APART, False), ({}, True)):
        names = SimpleNamespace(addresses=lambda found=addresses: found)
        session = SimpleNamespace(
            target=target(), platform=SimpleNamespace(names=names), clock=None
        )
        assert bool(check.look(session)) is wrong
