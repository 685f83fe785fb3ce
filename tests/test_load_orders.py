"""What a part does by its orders: it begins in time or not at all, and ends without a drill."""

from __future__ import annotations

import asyncio
import json

import pytest

from muster import redact
from muster.drill.load import manifest
from muster.errors import BadInput
from muster.load.orders import Obedience, Orders, PartConfig
from muster.load.part import config_of, main_part
from muster.load.shard import Control


class Times:
    """Two clocks that move only when they are told to."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1000.0, 0.0


@pytest.fixture
def times():
    return Times()


@pytest.fixture
def obeys(times):
    """A part that hears orders."""

    async def made() -> Obedience:
        return Obedience(
            Control(), "d-1", 60.0, now_s=lambda: times.wall, monotonic_s=lambda: times.monotonic
        )

    return asyncio.run(made())


def orders(beat=1, **changes):
    given = {"drill": "d-1", "beat": beat, "sent_at": 1000.0}
    return Orders.model_validate({**given, **changes})


def test_no_surprise_prints_a_secret_of_the_part(monkeypatch, capsys):
    """Its last words go into the drill's report, and the drill does not know them."""
    monkeypatch.setattr(redact, "_kept", {"s3cret-token"})

    def fails(environment):
        raise ValueError("Invalid header value b'Bearer s3cret-token'")

    monkeypatch.setattr("muster.load.part.Watched.of", fails)
    monkeypatch.setattr("muster.load.part.signal.signal", lambda *given: None)
    assert main_part({}) == 1
    said = capsys.readouterr().err
    assert said == "muster.load: ValueError: Invalid header value b'Bearer ***'\n"


def test_it_begins_at_the_moment(obeys):
    """That all were told."""
    obeys.take(orders())
    assert not obeys.control.started.is_set()
    obeys.take(orders(start_at=1003.0))
    assert obeys.control.start_at == 1003.0
    assert obeys.control.started.is_set()
    assert obeys.control.why == ""


@pytest.mark.parametrize(
    ("wall", "why"),
    [(1003.1, "came 0.1 s after its moment"), (998.0, "is 2.0 s behind that of the drill")],
)
def test_it_does_not_begin_at_another_time(obeys, times, wall, why):
    """A late part, a replacement, or a wrong clock would offer arrivals at another time."""
    times.wall = wall
    obeys.take(orders(start_at=1003.0))
    assert why in obeys.control.why
    assert obeys.control.ended.is_set()


def test_it_ends_without_a_word_of_its_drill(obeys, times):
    """Each new beat is a word; the same one again, after a new watch, is none."""
    for beat in range(3):
        times.monotonic += 59.0
        obeys.look()
        obeys.take(orders(beat))
    assert not obeys.control.ended.is_set()
    times.monotonic += 61.0
    obeys.take(orders(2))
    obeys.look("connection refused")
    assert obeys.control.why == "no word of its drill for 61 s: connection refused"


@pytest.mark.parametrize(
    "change", [{"end": True}, {"start_at": 1003.0}, {"start_at": 1.0}, {"stop_at_s": 0.0}]
)
def test_another_drills_orders_are_none(obeys, times, change):
    """Of one that slept while its own load was ended: nor do they keep the part alive."""
    obeys.control.stop_arrivals_at = lambda at_s: pytest.fail("arrivals were stopped")
    obeys.take(orders())
    times.monotonic += 59.0
    another = orders(2, drill="d-0", **change)
    assert not obeys.is_new(another)
    obeys.take(another)
    assert not obeys.control.started.is_set()
    assert not obeys.control.ended.is_set()
    times.monotonic += 2.0
    obeys.look()
    assert "no word of its drill for 61 s" in obeys.control.why


def test_it_ends_when_it_is_told_to(obeys):
    """That is no failure."""
    obeys.take(orders(start_at=1003.0))
    obeys.take(orders(2, start_at=1003.0, end=True))
    assert obeys.control.ended.is_set()
    assert obeys.control.why == ""


TOLD = {
    "shard": {
        "url": "https://h/${env.PATH_KEY}", "token": "${env.LOAD_TOKEN}", "traffic": {
            "streams": 1, "tokens_quantiles": [[0, 1], [1, 2]], "tokens_per_s": 1,
            "first_token_s_mean": 0.1,
        },
        "form": {"headers": {"X-Key": "${env.LOAD_TOKEN}"}},
        "canary_s_max": 1, "late_s": 1, "catch_up_s_max": 1, "faster_than_asked_max": 2,
        "first_token_edges_s": [1], "completion_edges_s": [1], "first_token_over_s": [1],
        "completion_over_s": [1],
    },
    "parts": 4, "metrics_ports": [9464] * 4, "files_needed": 1, "lifeline_s": 60,
}  # fmt: skip
POD = {
    "JOB_COMPLETION_INDEX": "3", "MUSTER_LOAD_ADDRESS": "10.1.2.3", "LOAD_TOKEN": "sk-1",
    "PATH_KEY": "v1",
}  # fmt: skip


def test_a_part_fills_in_its_secrets_and_its_place():
    """From the environment of its pod alone."""
    found = config_of(PartConfig.model_validate(TOLD), POD)
    assert (found.shard, found.shards, found.metrics) == (3, 4, ("10.1.2.3", 9464))
    assert found.token.get_secret_value() == found.form.headers["X-Key"] == "sk-1"
    assert found.url == "https://h/v1"
    assert found.wait_start


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"JOB_COMPLETION_INDEX": "4"}, "JOB_COMPLETION_INDEX: got '4', expected a whole number"),
        ({"JOB_COMPLETION_INDEX": ""}, "JOB_COMPLETION_INDEX"),
        ({"LOAD_TOKEN": ""}, r"\$\{env.LOAD_TOKEN\}"),
    ],
)
def test_a_pod_that_is_no_part_is_refused(change, said):
    """In one line."""
    with pytest.raises(BadInput, match=said):
        config_of(PartConfig.model_validate(TOLD), {**POD, **change})


def test_what_a_target_adds_is_added():
    """Mappings and lists are joined; a plain value is replaced."""
    made = {"a": [1], "b": {"c": 1, "d": [1]}, "e": 1}
    more = {"a": [2], "b": {"d": [2], "x": 1}, "e": 2, "y": [3]}
    assert manifest.added(made, more) == {
        "a": [1, 2], "b": {"c": 1, "d": [1, 2], "x": 1}, "e": 2, "y": [3],
    }  # fmt: skip


def test_the_pods_get_what_the_configuration_names():
    """Each once, whatever it stands in."""
    assert manifest.secrets_in(json.dumps(TOLD)) == ["LOAD_TOKEN", "PATH_KEY"]
