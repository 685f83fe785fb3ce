"""The partition adapters against their suite.

`process` is tested with a stand-in for the control API; the real one is in
test_testbed_partition.py.
"""

from __future__ import annotations

import threading
from typing import get_args

import pytest
from conformance.partition import CHECKS, CHECKS_NOBODY, World
from conformance.world import REGION, SECRET, Trouble
from floor_fixtures import stand_in

from muster.platform.partition.none import PartitionByNobody
from muster.platform.partition.process import PartitionByProcess
from muster.platform.partition.registry import PARTITIONS
from muster.targets.partition import (
    CommandPartition,
    NetworkPolicyPartition,
    NoPartition,
    ProcessPartition,
)

TIMEOUT_S = 1.0
HELD_S_MAX = 20.0


class Supervised(World):
    """A region whose gateways the control API cuts off."""

    def __init__(self) -> None:
        self.now = "whole"
        self.fails: Trouble | None = None
        self.released = threading.Event()
        self.shown = None

    def answer(self, call):
        """The control API."""
        if call.headers.get("Authorization") != f"Bearer {SECRET}":
            return 401, {"error": "unauthorized"}
        if self.fails == "nonsense":
            return 200, {"state": "well"}
        if call.method == "GET":
            return 200, {"state": self.now}
        if self.fails == "refuses":
            return 409, {"error": "no gateway runs"}
        if self.fails != "late before":
            self.now = "partly" if self.fails == "half" else call.json["state"]
        if self.fails in ("late before", "late after"):
            self.released.wait(HELD_S_MAX)
        return 200, {"state": self.now}

    @property
    def calls(self) -> int:
        return len(self.shown.calls)

    def is_now(self) -> str:
        return self.now

    def adapter(self) -> PartitionByProcess:
        url = f"{self.shown.url}/regions/{REGION}/partition"
        settings = ProcessPartition(kind="process", url=url, token=SECRET, timeout_s=TIMEOUT_S)
        return PartitionByProcess(REGION, settings)

    def trouble(self, kind) -> None:
        self.fails = kind

    def paste(self, line: str) -> None:
        raise AssertionError(f"there is no such line: {line}")


class Nobody(World):
    """A region that nobody cuts off."""

    calls = 0

    def is_now(self) -> str:
        return "whole"

    def adapter(self) -> PartitionByNobody:
        return PartitionByNobody(REGION, NoPartition())

    def trouble(self, kind) -> None:
        """There is nothing that could go wrong."""

    def paste(self, line: str) -> None:
        raise AssertionError(f"there is no such line: {line}")


@pytest.fixture
def world():
    supervised = Supervised()
    with stand_in(supervised.answer) as supervised.shown:
        yield supervised
        supervised.released.set()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_process(world, check):
    """Every check of the port's suite."""
    check(world)


@pytest.mark.parametrize("check", CHECKS_NOBODY, ids=lambda check: check.__name__)
def test_none(check):
    """Every check of an adapter that cuts nothing."""
    check(Nobody())


def test_every_kind_of_a_target_has_its_adapter():
    """What a target may say is what the registry knows."""
    kinds = {
        get_args(one.model_fields["kind"].annotation)[0]
        for one in (NoPartition, ProcessPartition, CommandPartition, NetworkPolicyPartition)
    }
    assert kinds == set(PARTITIONS)
