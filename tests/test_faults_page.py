"""The page of the catalogue says what the code says; every experiment and defect has its place."""

from __future__ import annotations

import pytest
from drill_runner import ROOT
from test_drill_catalogue import SEEN_BY
from test_drill_kubernetes_faults import SEEN_BY as SEEN_ON_PODS

from muster.faults import registered
from muster.faults.catalogue import BEGIN, END, catalogue, held_by, inserted
from muster.testbed.design.defects import DEFECTS

PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
HELD = held_by(ROOT / "experiments")
SINGLES = {step.func: step for step in registered().steps if step.make}
OWN_PHASES = {step.func: step for step in registered().steps if step.fault}
ELSEWHERE = {"redis_outage", "provider_latency", *OWN_PHASES}
"""Their whole drills, with their defects, are in other modules."""

REFUSED = {"node_drained"}
"""No testbed has a node to spare: its whole drill is refused, and no defect could show."""


def test_the_page_is_generated_from_the_code() -> None:
    """Regenerate it with `python -m muster.faults.catalogue`."""
    assert inserted(PAGE, catalogue(registered(), HELD)) == PAGE


def test_a_page_without_the_place_is_refused() -> None:
    """Nothing is written beside the marks."""
    for page in ("", BEGIN, END):
        with pytest.raises(ValueError, match="lacks"):
            inserted(page, "x")


@pytest.mark.parametrize("func", OWN_PHASES)
def test_a_fault_with_phases_of_its_own_has_its_place_too(func: str) -> None:
    """How it is undone, its steps, a source, an experiment, and a defect that must fail it."""
    step = OWN_PHASES[func]
    part = catalogue(registered(), HELD).split(f"### `{func}`\n")[1].split("\n### ")[0]
    assert "](https://" in step.recalls
    assert "how it is undone: \n" not in part
    assert all(f"`{name}`" in part for name in (func, *step.then))
    assert func in HELD.values()
    assert func in {defect.drill for defect in DEFECTS.values()}


@pytest.mark.parametrize("func", SINGLES)
def test_a_fault_says_how_it_is_undone_and_what_it_stands_for(func: str) -> None:
    """With a source; its numbers have limits; and an experiment holds it."""
    step = SINGLES[func]
    part = catalogue(registered(), HELD).split(f"### `{func}`\n")[1].split("\n### ")[0]
    assert "](https://" in step.recalls
    assert "how it is undone: \n" not in part
    assert "seconds" in step.limits
    assert func in HELD.values()


def test_every_experiment_with_one_fault_has_a_defect_that_fails_it() -> None:
    """In the whole drills of the catalogue, of pods or of the verdicts; and all are planted."""
    seen_by = {*SEEN_BY, *SEEN_ON_PODS}
    with_defect = {name for name, _ in seen_by} | ELSEWHERE
    without_fault = {"compound_held_connections", "dependency"}
    with_defect |= {"compound_steering_unavailable"}
    assert REFUSED.isdisjoint(with_defect)
    assert (with_defect | REFUSED) - without_fault == set(HELD)
    assert {defect for _, defect in seen_by} <= set(DEFECTS)
