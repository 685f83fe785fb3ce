"""Drills killed anywhere, and everything is back: two here, ten with the whole drills.

`make torture` does a hundred.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from torture import SIGNALS, VICTIMS, draw, torture

TWO_SEED = 2697


@pytest.mark.drills
def test_ten_kills_are_survived(tmp_path: Path) -> None:
    """Whoever is hit, by whatever signal, whenever: nothing stays changed, and no PASS is false."""
    assert torture(draw(seed=1, count=10), tmp_path, lanes=2) == []


def test_two_kills_are_survived(tmp_path: Path) -> None:
    """The drill alone, and its watchdog with it, killed in different phases."""
    kills = draw(seed=TWO_SEED, count=2)
    assert {(kill.victim, kill.signal.name) for kill in kills} == {
        ("drill", "SIGKILL"),
        ("both", "SIGKILL"),
    }
    assert torture(kills, tmp_path, lanes=1) == []


def test_a_seed_names_its_kills() -> None:
    """The same seed draws the same kills, and twelve in a row are every victim and signal."""
    kills = draw(seed=7, count=100)
    assert kills == draw(seed=7, count=100)
    assert kills != draw(seed=8, count=100)
    pairs = {(kill.victim, kill.signal) for kill in kills[:12]}
    assert len(pairs) == len(VICTIMS) * len(SIGNALS)
