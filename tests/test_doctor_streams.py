"""A real stream in each region: what it got, who answered, and every way in which it is none."""

from __future__ import annotations

import json

import pytest
from dataplane_fixtures import CANARY, TOKEN
from doctored import GOOD, OTHER, REGION, document, patient
from floor_fixtures import closing_port, stand_in
from strict_aws import strict_aws, weighted

from muster.drill.doctor.streams import look, stream_checks
from muster.load.config import Endpoint
from muster.load.one_stream import one_stream
from muster.load.requests import Requests
from muster.targets.request_form import RequestForm

FORM = RequestForm()


def ask(url, token=TOKEN, seconds_max=20.0, **more):
    endpoint = Endpoint(f"{url}/v1/chat/completions")
    requests = Requests(endpoint, token, "muster-stub")
    return one_stream(
        endpoint, endpoint.host, requests, tokens=16, form=FORM, seconds_max=seconds_max, **more
    )


def test_a_stream_of_a_real_gateway(bare):
    """Status, outcome, times in order, the body; the canaries' token is one too."""
    bare.gateway()
    found = ask(bare.url)
    assert (found.status, found.outcome, found.error) == (200, "success", "")
    assert found.address == "127.0.0.1"
    assert found.first_token_s is not None
    assert found.whole_s is not None
    assert 0 < found.first_token_s <= found.whole_s
    assert found.body.startswith(b"data: {")
    assert ask(bare.url, CANARY).outcome == "success"


def test_a_real_gateway_that_refuses_and_one_that_hangs(bare):
    """A wrong token is a 401 in the gateway's own words; a provider that says nothing is no end."""
    bare.gateway()
    wrong = ask(bare.url, "sk-wrong")
    assert (wrong.status, wrong.outcome, wrong.first_token_s) == (401, "http_4xx", None)
    assert b"token" in wrong.body or wrong.body
    bare.toxic("primary", "timeout", timeout=0)
    bare.toxic("fallback", "timeout", timeout=0)
    hung = ask(bare.url, seconds_max=0.3)
    assert hung.outcome in ("no_answer", "broken")
    assert "no complete answer within" in hung.error


def test_no_answer_at_all():
    """Refused, closed, and bytes that are no HTTP."""
    assert ask("http://127.0.0.1:9").outcome == "no_answer"
    for first in (b"", b"SSH-2.0-x\r\n"):
        with closing_port(first) as port:
            found = ask(f"http://127.0.0.1:{port}")
            assert (found.status, found.outcome) == (0, "no_answer")
            assert found.error


# What the check makes of it


@pytest.fixture
def front():
    """A stand-in for a region's front door: what it answers can be changed."""
    said = {"status": 200, "body": GOOD, "headers": {}}
    with stand_in(lambda call: (said["status"], said["body"])) as shown:
        shown.said = said
        yield shown


def examined_at(tmp_path, url, aws_url="http://127.0.0.1:9", **changes):
    regions = {
        name: {
            "ready_url": f"{url}/readyz",
            "power": {"kind": "none"},
            "addresses": ["127.0.0.1"],
        }
        for name in (REGION, OTHER)
    }
    changes = {"public_url": f"{url}/v1/chat/completions", "regions": regions, **changes}
    return patient(tmp_path, document(aws_url, **changes))


def test_a_good_stream_is_a_row_and_no_finding(tmp_path, front):
    """By the load's token and by the canaries', in turn."""
    one = examined_at(tmp_path, front.url)
    for number, (region, token) in enumerate(((REGION, "token"), (OTHER, "canary_token"))):
        seen = stream_checks((REGION, OTHER))[number].look(one)
        assert seen.lines == []
        assert (seen.rows[0]["region"], seen.rows[0]["token"]) == (region, token)
        assert seen.rows[0]["status"] == "200"
    assert len(front.calls) == 2
    body = json.loads(front.calls[0].body)
    assert (body["model"], body["stream"], body["max_tokens"]) == ("muster-stub", True, 16)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, '{"error": "no such key"}', 'answers 401: {"error": "no such key"}'),
        (404, "", "answers 404: an empty body"),
        (503, "upstream missing", "answers 503: upstream missing"),
        (200, 'data: {"error": "overloaded"}\n\ndata: [DONE]\n\n', "error_in_stream"),
        (200, "data: [DONE]\n\n", "empty_stream"),
        (200, GOOD.replace("data: [DONE]\n\n", ""), "broken"),
        (200, "<html>welcome</html>", "error_in_stream"),
    ],
)
def test_what_is_no_whole_stream_is_refused_in_the_platforms_words(
    tmp_path, front, status, body, says
):
    """Status, and what the load would count."""
    front.said |= {"status": status, "body": body}
    seen = look(examined_at(tmp_path, front.url), REGION, with_canary_token=False)
    (text,) = seen.refused
    assert says in text
    assert text.startswith(f"{REGION}: with load.token, 127.0.0.1 answers")


def test_a_secret_that_the_platform_repeats_does_not_show(tmp_path, front, monkeypatch):
    """The token within the body of a refusal."""
    monkeypatch.setenv("IT_TOKEN", "sk-very-secret-token")
    front.said |= {"status": 401, "body": "bad key sk-very-secret-token"}
    load = {"token": "${env.IT_TOKEN}", "canary_token": "${env.IT_TOKEN}"}
    seen = look(examined_at(tmp_path, front.url, load=load), REGION, with_canary_token=False)
    assert "bad key ***" in seen.refused[0]
    assert "very-secret" not in str(seen)


def test_a_region_that_nobody_can_tell_apart_is_refused(tmp_path, front):
    """No header in the answer, a header of no region, and neither header nor address."""
    header = {"region_header": "x-region"}
    one = examined_at(tmp_path, front.url, load=header)
    assert "has no header x-region" in look(one, REGION, with_canary_token=False).refused[0]
    named = {"region_header": "content-type"}
    one = examined_at(tmp_path, front.url, load=named)
    assert (
        "names 'text/plain'; the regions are"
        in look(one, REGION, with_canary_token=False).refused[0]
    )
    assert look(one, REGION, with_canary_token=False).rows[0]["region header"] == "text/plain"


def test_a_region_without_an_address_is_asked_through_the_public_name(tmp_path, front):
    """Its records are aliases: without a header nobody can say who answered."""
    regions = {
        name: {"ready_url": f"{front.url}/readyz", "power": {"kind": "none"}}
        for name in (REGION, OTHER)
    }
    with strict_aws() as aws:
        one = examined_at(tmp_path, front.url, aws.url, regions=regions)
        one._once["addresses"] = {REGION: (), OTHER: ()}
        seen = look(one, REGION, with_canary_token=False)
        assert "neither load.region_header nor an address" in seen.refused[0]


def test_an_answer_of_another_region_than_was_asked(tmp_path, front):
    """At the region's own address it is refused; through the public name it is a warning."""
    regions = {
        name: {"ready_url": f"{front.url}/r", "power": {"kind": "none"}, "addresses": ["127.0.0.1"]}
        for name in ("text/plain", REGION)
    }
    changes = {
        "load": {"region_header": "content-type"},
        "evacuate": REGION,
        "blast_radius": {"regions": [REGION, "text/plain"], "redis": []},
    }
    one = examined_at(tmp_path, front.url, regions=regions, **changes)
    assert look(one, "text/plain", with_canary_token=False).lines == []
    seen = look(one, REGION, with_canary_token=False)
    assert seen.refused == (f"{REGION}: a request to its address was answered by text/plain",)
    one._once["addresses"] = {REGION: (), "text/plain": ()}
    seen = look(one, REGION, with_canary_token=False)
    assert not seen.refused
    assert "not tested: no address" in seen.warnings[0]


def test_where_the_records_cannot_be_read_nobody_knows_the_way(tmp_path, front):
    """The steering does not answer, and the target names no addresses: refused, not skipped."""
    from muster.drill.doctor.run import examine

    regions = {
        name: {"ready_url": f"{front.url}/readyz", "power": {"kind": "none"}}
        for name in (REGION, OTHER)
    }
    one = examined_at(tmp_path, front.url, regions=regions)
    found = examine(one, stream_checks((REGION,)))
    assert [line.check for line in found.of("refused")] == [f"stream:{REGION}"]
    assert front.calls == []


def test_the_regions_own_records_are_the_way(tmp_path, front):
    """Without addresses in the target: what its weighted record answers."""
    regions = {
        name: {"ready_url": f"{front.url}/readyz", "power": {"kind": "none"}}
        for name in (REGION, OTHER)
    }
    with strict_aws() as aws:
        for name, address in ((REGION, "127.0.0.1"), (OTHER, "127.0.0.2")):
            key, text = weighted("chat.staging.example.com.", name, 50, address)
            aws.records[key] = text
        one = examined_at(tmp_path, front.url, aws.url, regions=regions)
        assert look(one, REGION, with_canary_token=False).lines == []
        # Nobody listens at the other's.
        assert "gave no answer" in look(one, OTHER, with_canary_token=True).refused[0]
