"""Long tests in parts: `pytest -m drills --part 2/3` runs the second third of the whole drills.

Every test belongs to exactly one part. They are dealt out in turn in the order of their names, so
that neighbours, which take about as long, come into different parts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence


def parse_part(text: str) -> tuple[int, int]:
    """`2/3` as (2, 3). Raises ValueError."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise ValueError(f"--part: got {text!r}, expected K/N with K from 1 to N")
    return part, parts


def of_part(names: Sequence[str], part: int, parts: int) -> set[str]:
    """Those of `names` that belong to that part."""
    return set(sorted(names)[part - 1 :: parts])
