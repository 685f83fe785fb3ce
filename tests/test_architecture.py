"""ARCHITECTURE.md is held to the code: its table of floors, and its walks from file to file."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from test_floors import HOUSE, LIBRARIES, ROOT, import_graph

TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
HOPS_MAX = 10
HOP = re.compile(r"\d+\. `(?P<path>[^`]+)`: .*?(\(shared name: `(?P<shared>[^`]+)`\))?$")


def section(title: str, text: str = TEXT) -> str:
    """The text below a heading, up to the next one."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def floor_rows(text: str) -> dict[float, tuple[set[str], dict[str, set[str]], dict[str, set[str]]]]:
    """Each floor's parts, their exceptions, and their libraries ("" stands for the whole floor)."""
    rows = {}
    for line in section("Floors", text).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or not cells[0].replace(".", "").isdigit():
            continue
        named: list[dict[str, set[str]]] = []
        for cell in cells[2:4]:
            found: dict[str, set[str]] = {}
            for clause in filter(None, cell.split(";")):
                owners, colon, things = clause.rpartition(":")
                for owner in quoted(owners) if colon else [""]:
                    found.setdefault(owner, set()).update(quoted(things))
            named.append(found)
        rows[float(cells[0])] = (set(quoted(cells[1])), named[0], named[1])
    return rows


def told() -> dict[float, tuple[set[str], dict[str, set[str]], dict[str, set[str]]]]:
    """The same, as the table of tests/test_floors.py has it."""
    rows = {}
    for floor, libraries in LIBRARIES.items():
        parts = {name: part for name, part in HOUSE.items() if part.floor == floor}
        own = {name: set(part.libraries) for name, part in parts.items() if part.libraries}
        if libraries:
            own[""] = set(libraries.split())
        siblings = {name: set(part.siblings) for name, part in parts.items() if part.siblings}
        rows[float(floor)] = (set(parts), siblings, own)
    return rows


def walks(text: str) -> dict[str, list[tuple[str, str | None]]]:
    """Each walk by its first words: the files in order, and the name shared with the one before."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    title = ""
    for line in section("A stranger's walk", text).splitlines():
        if line.startswith("**"):
            title = line.split("**")[1]
            found[title] = []
        elif re.match(r"\d+\. ", line):
            hop = HOP.match(line)
            assert hop, f"{line}: a hop is written `path`: what it does"
            found[title].append((hop["path"], hop["shared"]))
    return found


def module_of(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def imports(root: Path) -> dict[str, set[str]]:
    return import_graph(root)


def broken_hops(root: Path, walk: list[tuple[str, str | None]]) -> list[str]:
    """Files of a walk that are missing, and neighbours that have nothing to do with each other."""
    missing = [path for path, _ in walk if not (root / path).is_file()]
    if missing:
        return [f"{path}: no such file" for path in missing]
    graph, found = imports(root), []
    for (before, _), (path, shared) in pairwise(walk):
        one, other = module_of(before), module_of(path)
        texts = [(root / name).read_text(encoding="utf-8") for name in (before, path)]
        joined = other in graph.get(one, set()) or one in graph.get(other, set())
        # A drill's file names the module of an activity.
        joined = joined or f'"{other}"' in texts[0] or f'"{one}"' in texts[1]
        if shared is not None and not all(shared in text for text in texts):
            found.append(f"{before} and {path}: not both say {shared}")
        elif shared is None and not joined:
            found.append(f"{before} and {path}: neither imports or names the other")
    return found


def test_the_table_of_floors_is_the_one_that_is_enforced() -> None:
    """Rooms, exceptions and libraries of ARCHITECTURE.md are those of tests/test_floors.py."""
    assert floor_rows(TEXT) == told()


def test_a_table_of_floors_that_differs_is_seen() -> None:
    """A part that is left out, or one exception too many, makes the tables unequal."""
    assert floor_rows(TEXT.replace(" `guard` `aws`", " `aws`")) != told()
    assert floor_rows(TEXT.replace("`stores`: `aws`", "`stores`: `aws`, `load`")) != told()


@pytest.mark.parametrize("title", list(walks(TEXT)))
def test_a_walk_leads_from_file_to_file(title: str) -> None:
    """Every file exists and has to do with the one before it, in under ten hops."""
    walk = walks(TEXT)[title]
    assert 1 < len(walk) <= HOPS_MAX
    assert broken_hops(ROOT, walk) == []


def test_the_walks_are_there() -> None:
    """A threshold, a latency, a trip, and the way back."""
    assert len(walks(TEXT)) == 4


@pytest.mark.parametrize(
    ("walk", "wrong"),
    [
        ([("src/muster/gone.py", None)], "no such file"),
        (
            [("src/muster/load/schedule.py", None), ("src/muster/judge/verdict.py", None)],
            "neither imports or names the other",
        ),
        (
            [("src/muster/load/schedule.py", None), ("src/muster/judge/verdict.py", "StopFlag")],
            "not both say StopFlag",
        ),
    ],
)
def test_a_broken_walk_is_seen(walk: list[tuple[str, str | None]], wrong: str) -> None:
    """A file that has moved, and neighbours that share nothing, are named."""
    assert [line for line in broken_hops(ROOT, walk) if line.endswith(wrong)]


def test_the_pages_link_to_pages_that_exist() -> None:
    """Every relative link of the README, the architecture and the docs leads to a file."""
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md"))
        for link in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8"))
        if "://" not in link and not (page.parent / link).is_file()
    ]
    assert broken == []
