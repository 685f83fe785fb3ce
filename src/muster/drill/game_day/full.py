"""The day of every fault: its list of drills is generated, so that no experiment is forgotten.

`python -m muster.drill.game_day.full` writes it into `drills/game_day_full.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from muster import home
from muster.drill.game_day.form import DRILL, RECOVERY_S_MAX

FILE = "drills/game_day_full.json"
FIRST = ("drills/safety_net.json", "drills/hello.json")
LAST = ("drills/region_failover.json",)
GROUPS = ("redis", "provider", "", "region")
"""Experiments by how their names begin, from the smallest to the largest (empty: all others)."""


def in_order(names: Iterable[str]) -> list[str]:
    """The drills of the day: experiments of these names by group, between the drills around them.

    What takes a whole region comes last.
    """

    def place(name: str) -> tuple[int, str]:
        head = name.partition("_")[0]
        return GROUPS.index(head if head in GROUPS else ""), name

    return [*FIRST, *(f"experiments/{name}.json" for name in sorted(names, key=place)), *LAST]


def with_drills(document: dict[str, Any], drills: Iterable[str]) -> dict[str, Any]:
    """The day in `document` with these drills instead of its own."""
    module, func = DRILL
    method = [
        {
            "type": "action",
            "name": file.rpartition("/")[2].removesuffix(".json").replace("_", " "),
            "provider": {
                "type": "python",
                "module": module,
                "func": func,
                "arguments": {"drill": file, "recovery_s_max": round(RECOVERY_S_MAX)},
            },
        }
        for file in drills
    ]
    return {**document, "method": method}


def target_of(document: dict[str, Any]) -> Any:
    """The target on which the experiment or the day runs if no other one is told.

    One that needs another than the day, as `redis_promoted` needs Sentinel, is no drill of it.
    """
    return document["configuration"]["target"]["default"]


def text() -> str:
    """The file as it must be, for the experiments that there are."""
    document = json.loads((home.root() / FILE).read_text(encoding="utf-8"))
    target = target_of(document)
    names = [
        path.stem
        for path in (home.root() / "experiments").glob("*.json")
        if target_of(json.loads(path.read_text(encoding="utf-8"))) == target
    ]
    made = with_drills(document, in_order(names))
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file."""
    (home.root() / FILE).write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
