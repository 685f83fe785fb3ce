"""ARCHITECTURE's table "where a new thing goes", followed for things that are made up here.

A made-up fault is in `test_new_fault.py`.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import pytest
import yaml
from conformance.steering import BEFORE, CHECKS, World
from floor_fixtures import a_target
from test_conformance_steering import Memory, Right

from muster import home, targets
from muster.clock import Clock
from muster.documents import Document
from muster.drill.plan.reach import outside
from muster.errors import BadInput
from muster.faults.traffic_shift import TrafficShift
from muster.platform import platform_of
from muster.platform.metrics import Poller, RawSeries
from muster.platform.port import Touch
from muster.platform.steering.registry import STEERINGS


class LighthouseSettings(Document):
    """The target model of a made-up way to steer."""

    shows_names: ClassVar[bool] = False
    identifiers: ClassVar[dict[str, tuple[str, ...]]] = {}
    kind: Literal["lighthouse"] = "lighthouse"


class Lighthouse(Right):
    """Its adapter: one class, and nothing else of Muster knows it."""

    world_now: ClassVar[World]

    def __init__(
        self, settings: LighthouseSettings, regions: tuple[str, ...], stand_in: bool, clock: Clock
    ) -> None:
        super().__init__(self.world_now)

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("commands", "lighthouse"),)


class Harbour(Memory):
    """The world of the suite, steered by the new adapter through a whole platform."""

    def __init__(self) -> None:
        super().__init__(Right)
        Lighthouse.world_now = self

    def adapter(self) -> Any:
        return platform_of(lit()).steering


def lit(**radius: Any) -> targets.Target:
    """The shipped testbed's target, steered by a lighthouse."""
    plain = a_target()
    allowed = plain.blast_radius.model_copy(update=radius)
    return plain.model_copy(update={"steering": LighthouseSettings(), "blast_radius": allowed})


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    """The one registry line of the new adapter."""
    monkeypatch.setitem(STEERINGS, "lighthouse", f"{__name__}:Lighthouse")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_new_way_to_steer_is_an_adapter_a_model_and_a_line(check):
    """It passes the suite of its siblings, reached as everything reaches it."""
    check(Harbour())


def test_its_touches_are_held_to_the_blast_radius():
    """In the new adapter's own words, before anything is locked."""
    Harbour()
    refused, allowed = lit(), lit(commands=("lighthouse",))
    shift = TrafficShift(platform_of(refused), refused.evacuate, 0, before=BEFORE)
    assert "blast_radius.commands does not allow lighthouse" in outside(refused, shift)
    shift = TrafficShift(platform_of(allowed), allowed.evacuate, 0, before=BEFORE)
    assert outside(allowed, shift) == ""


def test_a_new_signal_is_a_line_of_the_target(tmp_path):
    """It is polled and recorded by its name, and nothing judges it."""
    path = home.root() / "targets" / "testbed.yaml"
    document = yaml.safe_load(path.read_text())
    document["signals"]["x_gpu_busy"] = "gpu_busy_ratio"
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(document))
    target = targets.load(str(own))

    def raw(signal, selector, window_s, at_s=None):
        return [RawSeries(signal, selector, {"region": "a"}, (1.0,), (0.5,))]

    fresh = Poller(SimpleNamespace(raw=raw), target.signals, reach_s=5).poll()
    assert [one.name for one in fresh if one.signal == "x_gpu_busy"] == ["gpu_busy_ratio"]


@pytest.mark.parametrize("name", ["gpu_busy", "x_", "x_GPU", "x_a b", "X_a"])
def test_a_signal_of_any_other_name_is_refused(tmp_path, name):
    """A misspelt signal is never taken for one of the target's own."""
    document = yaml.safe_load((home.root() / "targets" / "testbed.yaml").read_text())
    document["signals"][name] = "gpu_busy_ratio"
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(document))
    with pytest.raises(BadInput, match="or x_NAME"):
        targets.load(str(own))
