"""The house rules that a program can hold: who may import whom, how long things get, what is said.

The table is ARCHITECTURE.md's map. A module imports from floors below its own; a sibling, or a
library that its floor does not have, only where its row says so. Each rule is shown failing on a
planted file.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from muster.faults import registered

ROOT = Path(__file__).resolve().parent.parent
LINES_MAX = 400
FUNCTION_LINES_MAX = 80
FAULT_LINES_MAX = 100


@dataclass(frozen=True)
class Row:
    """One part of the house: its floor, the siblings it may import, libraries of its own."""

    floor: float
    siblings: frozenset[str] = frozenset()
    libraries: frozenset[str] = frozenset()


def row(floor: float, *siblings: str, libraries: str = "") -> Row:
    return Row(floor, frozenset(siblings), frozenset(libraries.split()))


# What a floor may import beside the standard library; a floor has those of the floors below it too.
LIBRARIES = {
    0: "",
    1: "pydantic yaml numpy orjson",
    2: "httpx boto3 botocore toxiproxy requests redis uvloop httptools dnslib",
    3: "jinja2 markupsafe moto hpack",
    3.5: "",
    4: "chaoslib chaosk8s chaosprometheus",
    5: "click rich",
}

HOUSE = {
    "redact": row(0),
    # No error may say a secret, whoever raises it.
    "errors": row(0, "redact"),
    "clock": row(0),
    "effects": row(0, "errors"),
    "exposition": row(0),
    "child": row(0),
    "machine": row(0),
    "numbers": row(0),
    "sse": row(0, libraries="orjson"),
    "home": row(0, "errors"),
    # Everything above reads documents, so this stands with the errors that it raises.
    "documents": row(0, "errors", libraries="pydantic yaml"),
    "jsonl": row(0, "errors", libraries="orjson"),
    # The envelope of a signature, and the keys: no evidence yet.
    "dsse": row(0),
    "signing": row(1, libraries="cryptography"),
    "attestation": row(2),
    "contract": row(1),
    # What was scraped, as values: whoever judges, guards or looks reads it with these.
    "samples": row(1),
    "judge": row(2),
    "guard": row(2),
    "targets": row(1),
    "ledger": row(1),
    "undo": row(1),
    "aws": row(2),
    # The client is imported when an adapter first asks a cluster.
    "platform": row(2, "aws", "stores", libraries="kubernetes"),
    # One store is objects of a cluster: it makes its calls as the platform's adapters do.
    "stores": row(2, "aws", "platform"),
    "faults": row(2, "platform", "stores"),
    "load": row(2),
    "notify": row(2),
    "bundle": row(3),
    "reports": row(3, "bundle"),
    "testbed": row(3, libraries="cryptography"),
    "init": row(3),
    # The drill itself: all of the engine, and nothing of Chaos Toolkit.
    "drill": row(3.5),
    "actions": row(4),
    "controls": row(4, libraries="click"),
    "probes": row(4, "actions"),
    "cli": row(5),
}


@dataclass(frozen=True)
class Source:
    """A module of ours: the file, and the part of the house it belongs to."""

    path: Path
    part: str
    package: tuple[str, ...]

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.path.read_text(encoding="utf-8"))


@cache
def _parsed(text: str) -> ast.Module:
    # Every rule reads the whole house: parsed once for all of them.
    return ast.parse(text)


def sources(root: Path) -> list[Source]:
    """Every module under src/muster and probes of the checkout at `root`."""
    found = []
    for base in (root / "src", root):
        for top in ("muster", "probes"):
            for path in sorted((base / top).rglob("*.py")):
                parts = path.relative_to(base).with_suffix("").parts
                part = parts[1] if top == "muster" and len(parts) > 1 else top
                found.append(Source(path, part, parts[:-1]))
    return found


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a module imports, at any depth of it."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = source.package[: len(source.package) - node.level + 1] if node.level else ()
            base = ".".join([*package, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def allowed_libraries(name: str) -> set[str]:
    """The libraries that a part may import: its floors' and its own."""
    rules = HOUSE[name]
    below = {
        lib for floor, libs in LIBRARIES.items() if floor <= rules.floor for lib in libs.split()
    }
    return below | rules.libraries


def floor_breaches(root: Path) -> list[str]:
    """Every import against the table, a line each."""
    found = []
    for source in sources(root):
        if source.path.name == "__init__.py" and source.part == "__init__":
            continue
        where = source.path.relative_to(root)
        if source.part not in HOUSE:
            found.append(f"{where}: {source.part} has no row in the table")
            continue
        rules = HOUSE[source.part]
        for line, name in imported(source):
            parts = name.split(".")
            if parts[0] in sys.stdlib_module_names:
                continue
            if parts[0] not in ("muster", "probes"):
                if parts[0] not in allowed_libraries(source.part):
                    found.append(f"{where}:{line}: {source.part} may not import {parts[0]}")
                continue
            other = parts[1] if parts[0] == "muster" and len(parts) > 1 else parts[0]
            if other in (source.part, "muster", "__version__"):
                continue
            if other not in HOUSE:
                found.append(f"{where}:{line}: {name} has no row in the table")
            elif HOUSE[other].floor >= rules.floor and other not in rules.siblings:
                found.append(f"{where}:{line}: {source.part} may not import {other}")
    return found


def import_graph(root: Path) -> dict[str, set[str]]:
    """Which of our modules each of them imports: at any depth, for type checking alone too."""
    names = {
        ".".join((*source.package, source.path.stem)).removesuffix(".__init__"): source
        for source in sources(root)
    }
    graph: dict[str, set[str]] = {}
    for name, source in names.items():
        graph[name] = set()
        for _, full in imported(source):
            # `from a import b` imports the module a.b where there is one, else a.
            found = full if full in names else full.rpartition(".")[0]
            if found in names and found != name:
                graph[name].add(found)
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Modules that import each other, by whatever way round: strongly connected components."""
    seen: set[str] = set()
    left: list[str] = []

    def leave(name: str) -> None:
        seen.add(name)
        for other in sorted(graph[name] - seen):
            if other not in seen:
                leave(other)
        left.append(name)

    for name in sorted(graph):
        if name not in seen:
            leave(name)
    importers: dict[str, set[str]] = {name: set() for name in graph}
    for name, others in graph.items():
        for other in others:
            importers[other].add(name)
    found = []
    while left:
        circle, ways = set(), [left.pop()]
        while ways:
            name = ways.pop()
            circle.add(name)
            ways += importers.pop(name, set()) & importers.keys()
        left = [name for name in left if name not in circle]
        if len(circle) > 1:
            found.append(sorted(circle))
    return found


def size_breaches(root: Path) -> list[str]:
    """Modules and functions that have grown past what one reads at a sitting."""
    found = []
    for source in sources(root):
        where = source.path.relative_to(root)
        lines = len(source.path.read_text(encoding="utf-8").splitlines())
        if lines >= LINES_MAX:
            found.append(f"{where}: {lines} lines, expected under {LINES_MAX}")
        for node in ast.walk(source.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno:
                length = node.end_lineno - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    found.append(
                        f"{where}:{node.lineno}: {node.name} has {length} lines, "
                        f"expected at most {FUNCTION_LINES_MAX}"
                    )
    return found


def fault_modules(root: Path) -> list[Source]:
    """Every module that registers a fault: a class of it states its `kind`."""
    return [
        source
        for source in sources(root)
        if source.part == "faults"
        and any(
            isinstance(stated, ast.Assign)
            and any(isinstance(name, ast.Name) and name.id == "kind" for name in stated.targets)
            for top in source.tree.body
            if isinstance(top, ast.ClassDef)
            for stated in top.body
        )
    ]


def fault_breaches(root: Path) -> list[str]:
    """Faults that hold more than what is their own: the rest belongs where others can use it."""
    sizes = {
        source.path.relative_to(root): len(source.path.read_text(encoding="utf-8").splitlines())
        for source in fault_modules(root)
    }
    return [
        f"{where}: a fault of {lines} lines, expected under {FAULT_LINES_MAX}"
        for where, lines in sizes.items()
        if lines >= FAULT_LINES_MAX
    ]


def docstring_breaches(root: Path) -> list[str]:
    """Modules, public classes and public functions that do not say what they are."""
    found = []
    for source in sources(root):
        where = source.path.relative_to(root)
        tree = source.tree
        if tree.body and not ast.get_docstring(tree):
            found.append(f"{where}: no docstring")
        for node in tree.body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            if not node.name.startswith("_") and not ast.get_docstring(node):
                found.append(f"{where}:{node.lineno}: {node.name} has no docstring")
    return found


FREE = frozenset({"clock", "load", "testbed"})
"""Parts that ask the machine for the time: the clock itself, and what runs an event loop or is
drilled. All others take a `muster.clock.Clock`, so that a test can hold it."""
ASKS_NOW = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")
WAITABLE = frozenset({"Event", "Condition", "Barrier", "Popen"})
"""Classes whose `wait` takes a time-out."""


def clock_breaches(root: Path) -> list[str]:
    """Who asks the machine for the time, or waits on it, instead of taking a clock."""
    found = []
    for source in sources(root):
        if source.part in FREE:
            continue
        where = source.path.relative_to(root)
        tree = source.tree
        waitable = _waitables(tree)
        own = _waits_of_waitables(tree)
        for node in ast.walk(tree):
            wrong = ""
            if isinstance(node, ast.Import) and any(one.name == "time" for one in node.names):
                wrong = "imports time"
            elif isinstance(node, ast.ImportFrom) and node.module == "time":
                wrong = "imports from time"
            elif isinstance(node, ast.Attribute) and ast.unparse(node) in ASKS_NOW:
                wrong = f"asks {ast.unparse(node)}"
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("wait", "wait_for")
                and ast.unparse(node.func.value) in waitable
                and (node.args or node.keywords)
                and node not in own
            ):
                wrong = f"waits by {ast.unparse(node.func)} itself"
            if wrong:
                found.append(f"{where}:{node.lineno}: {wrong}: take a Clock")
    return found


def _waitables(tree: ast.Module) -> set[str]:
    """Names and attributes of a module that are, by what is assigned or noted, waitable.

    An attribute that is given such a parameter is one too.
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if _class_named(node.value.func) in WAITABLE:
                found |= {ast.unparse(one) for one in node.targets}
        elif isinstance(node, ast.AnnAssign):
            if _names_waitable(node.annotation):
                found.add(ast.unparse(node.target))
        elif isinstance(node, ast.arg) and _names_waitable(node.annotation):
            found.add(node.arg)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.value) in found:
            found |= {ast.unparse(one) for one in node.targets}
    return found


def _names_waitable(annotation: ast.expr | None) -> bool:
    """Whether an annotation, quoted ones included, is of a class that can be waited for."""
    if annotation is None:
        return False
    text = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
    return any(word in WAITABLE for word in re.findall(r"\w+", str(text)))


def _class_named(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _waits_of_waitables(tree: ast.Module) -> set[ast.AST]:
    """What stands in a method `wait(self, timeout)`: a clock calls it, and no one else does."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.name == "wait"
        and [one.arg for one in node.args.args] == ["self", "timeout"]
        for inner in ast.walk(node)
    }


def section_models(root: Path) -> set[str]:
    """Every class of `targets/` that is a section with a `kind`: one way out of several."""
    found = set()
    for path in sorted((root / "src" / "muster" / "targets").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            fields = node.body if isinstance(node, ast.ClassDef) else []
            if any(
                isinstance(one, ast.AnnAssign)
                and isinstance(one.target, ast.Name)
                and one.target.id == "kind"
                for one in fields
            ):
                found.add(node.name)  # type: ignore[attr-defined]
    return found


SECTIONS = frozenset({"power", "drain", "restart", "steering", "shared", "names"})
"""Keys of a target whose `kind` names an adapter."""


def adapter_breaches(root: Path) -> list[str]:
    """Who asks what stands behind a port, outside of the registries and of `targets/`."""
    models = section_models(root)
    found = []
    for source in sources(root):
        if source.part == "targets" or source.path.name == "registry.py":
            continue
        where = source.path.relative_to(root)
        names = {
            node.name.rpartition(".")[2] if node.asname is None else node.asname: node.name
            for top in ast.walk(source.tree)
            if isinstance(top, ast.ImportFrom) and (top.module or "").startswith("muster.targets")
            for node in top.names
        }
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "isinstance",
                "issubclass",
            ):
                asked = {
                    names.get(getattr(one, "id", ""), getattr(one, "attr", ""))
                    for arg in node.args[1:]
                    for one in ast.walk(arg)
                }
                found += [
                    f"{where}:{node.lineno}: asks whether it is a {name}: a registry's part"
                    for name in sorted(asked & models)
                ]
            if isinstance(node, ast.Compare | ast.Match):
                sides = (
                    [node.left, *node.comparators]
                    if isinstance(node, ast.Compare)
                    else [node.subject]
                )
                if any(_is_section_kind(side) for side in sides):
                    found.append(f"{where}:{node.lineno}: compares a section's kind")
    return found


def _is_section_kind(node: ast.expr) -> bool:
    """Whether `node` is `….power.kind`, `_power.kind` or the like."""
    if not isinstance(node, ast.Attribute) or node.attr != "kind":
        return False
    owner = node.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return name.strip("_") in SECTIONS


def test_nobody_asks_what_stands_behind_a_port() -> None:
    """Only a registry knows an adapter by its section in the target."""
    assert adapter_breaches(ROOT) == []


def test_the_house_keeps_its_floors() -> None:
    """No module imports from its own floor or above, but where the table says so."""
    assert floor_breaches(ROOT) == []


def test_no_modules_import_each_other() -> None:
    """There is no import circle, inside a room either, not even one for type checking alone."""
    assert circles(import_graph(ROOT)) == []


def test_modules_and_functions_stay_short() -> None:
    """Every module is under 400 lines and every function at most 80."""
    assert size_breaches(ROOT) == []


def test_a_fault_is_what_is_its_own() -> None:
    """The file of every registered fault is under 100 lines."""
    by_registry = {inspect.getsourcefile(one) for one in registered().kinds.values()}
    assert {str(source.path) for source in fault_modules(ROOT)} == by_registry
    assert fault_breaches(ROOT) == []


def test_public_names_say_what_they_are() -> None:
    """Every module, public class and public function has a docstring."""
    assert docstring_breaches(ROOT) == []


def test_the_drill_takes_its_time_from_a_clock() -> None:
    """Nothing but the clock, the load and the testbed asks the machine."""
    assert clock_breaches(ROOT) == []


ENDS = "class A:\n    def __init__(self):\n        self._end = threading.Event()\n"


@pytest.mark.parametrize(
    ("name", "text", "breaches"),
    [
        ("drill/a.py", "import time", 1),
        ("faults/deep/a.py", "def f():\n    import time as t", 1),
        ("platform/a.py", "from time import monotonic", 1),
        ("judge/a.py", "from datetime import datetime\nx = datetime.now", 1),
        ("guard/a.py", "from muster.clock import SYSTEM_CLOCK", 0),
        ("testbed/a.py", "import time", 0),
        ("load/a.py", "import time", 0),
        ("drill/a.py", ENDS + "    def f(self):\n        self._end.wait(1)", 1),
        ("drill/a.py", ENDS + "    def f(self):\n        self._end.wait(timeout=self.s)", 1),
        ("drill/a.py", ENDS + "    def f(self, clock):\n        clock.wait(self._end, 1)", 0),
        ("drill/a.py", ENDS + "    def f(self):\n        self._end.wait()", 0),
        ("cli/a.py", "end = Event()\nend.wait(0.1)", 1),
        ("drill/a.py", "def f(end: threading.Event):\n    end.wait(0.1)", 1),
        ("drill/a.py", "def f(child: 'subprocess.Popen[bytes]'):\n    child.wait(0.1)", 1),
        ("drill/a.py", "class A:\n    end: Event | None\n    def f(self):\n        end.wait(1)", 1),
        ("drill/a.py", "full = threading.Condition()\nfull.wait_for(ready, 3)", 1),
        (
            "drill/a.py",
            "class A:\n    def __init__(self, child: Popen[bytes]):\n        self.child = child\n"
            "    def f(self):\n        self.child.wait(3)",
            1,
        ),
        (
            "platform/a.py",
            "class End:\n    child: Popen[bytes]\n"
            "    def wait(self, timeout=None):\n        child.wait(timeout)",
            0,
        ),
        ("drill/a.py", "def f(stop: StopFlag):\n    stop.wait(3)", 0),
    ],
)
def test_a_direct_call_for_the_time_is_named(
    tmp_path: Path, name: str, text: str, breaches: int
) -> None:
    """A wait with a time-out as well, by whatever the module shows of what is waited for.

    A wait without end asks nobody for the time.
    """
    plant(tmp_path, f"src/muster/{name}", text)
    found = clock_breaches(tmp_path)
    assert len(found) == breaches
    assert all(f"src/muster/{name}:" in line and "take a Clock" in line for line in found)


def test_the_rules_look_at_all_of_the_house() -> None:
    """The walk sees the engine and the probes, so that an empty answer means something."""
    parts = {source.part for source in sources(ROOT)}
    assert {"errors", "contract", "faults", "testbed", "cli", "probes"} <= parts


def plant(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "text", "breach"),
    [
        ("src/muster/clock.py", "import muster.ledger", "clock may not import ledger"),
        ("src/muster/clock.py", "from muster import home", "clock may not import home"),
        ("src/muster/undo.py", "from muster.ledger import x", "undo may not import ledger"),
        (
            "src/muster/platform/a.py",
            "from muster.faults import x",
            "platform may not import faults",
        ),
        ("src/muster/contract/a.py", "import httpx", "contract may not import httpx"),
        ("src/muster/contract/a.py", "import redis.asyncio", "contract may not import redis"),
        ("src/muster/drill/a.py", "import chaoslib.types", "drill may not import chaoslib"),
        ("src/muster/faults/a.py", "import jinja2", "faults may not import jinja2"),
        ("src/muster/platform/a.py", "from ..cli import x", "platform may not import cli"),
        ("src/muster/load/deep/a.py", "from ...testbed import x", "load may not import testbed"),
        ("src/muster/reports/a.py", "import probes.slo", "reports may not import probes"),
        ("src/muster/actions/a.py", "def f():\n    import click", "actions may not import click"),
        ("probes/slo.py", "from muster.cli import drill", "probes may not import cli"),
        ("src/muster/novel.py", "import json", "novel has no row in the table"),
        ("src/muster/cli/a.py", "import muster.novel", "muster.novel has no row in the table"),
        ("src/muster/cli/a.py", "import pandas", "cli may not import pandas"),
    ],
)
def test_an_import_against_the_table_is_named(
    tmp_path: Path, name: str, text: str, breach: str
) -> None:
    """A planted import from the wrong floor is found, wherever in the module it stands."""
    plant(tmp_path, name, text)
    found = floor_breaches(tmp_path)
    assert len(found) == 1
    assert found[0].endswith(breach)
    assert name in found[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("src/muster/faults/a.py", "from muster.platform.steering import x\nimport redis"),
        ("src/muster/cli/a.py", "from .b import x\nfrom muster import drill\nimport click"),
        ("src/muster/testbed/a.py", "import os\nfrom muster.contract import load"),
        ("probes/slo.py", "from muster.errors import x\nimport chaoslib"),
    ],
)
def test_an_import_by_the_table_is_left_alone(tmp_path: Path, name: str, text: str) -> None:
    """Floors below, the part itself, the row's siblings and the floor's libraries are fine."""
    plant(tmp_path, name, text)
    assert floor_breaches(tmp_path) == []


IF_TYPE_CHECKING = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    "


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        (
            {"load/a.py": "from muster.load.b import x", "load/b.py": "import muster.load.a"},
            ["muster.load.a", "muster.load.b"],
        ),
        (
            {
                "load/a.py": "from muster.load import b",
                "load/b.py": IF_TYPE_CHECKING + "from .a import A",
            },
            ["muster.load.a", "muster.load.b"],
        ),
        (
            {
                "faults/a.py": "from muster.faults.b import x",
                "faults/b.py": "def f():\n    from muster.faults.c import x",
                "faults/c.py": "from muster.faults import x",
                "faults/__init__.py": "from muster.faults.a import x",
                "faults/d.py": "from muster.faults.a import x",
            },
            ["muster.faults", "muster.faults.a", "muster.faults.b", "muster.faults.c"],
        ),
    ],
)
def test_an_import_circle_is_named(
    tmp_path: Path, files: dict[str, str], circle: list[str]
) -> None:
    """Two modules of a room, or more: who only imports a circle, or is imported, is no part."""
    for name, text in files.items():
        plant(tmp_path, f"src/muster/{name}", text)
    plant(tmp_path, "src/muster/load/c.py", "from muster.load.a import x\nimport muster.load.d")
    plant(tmp_path, "src/muster/load/d.py", "import json")
    assert circles(import_graph(tmp_path)) == [circle]


MODELS = """\
class ProcessPower(Document):
    kind: Literal["process"]

class Region(Document):
    power: ProcessPower
"""


@pytest.mark.parametrize(
    ("text", "breach"),
    [
        (
            "from muster.targets.power import ProcessPower\nisinstance(x, ProcessPower)",
            ":2: asks whether it is a ProcessPower: a registry's part",
        ),
        (
            "from muster.targets.power import ProcessPower as P\nisinstance(x, int | P)",
            ":2: asks whether it is a ProcessPower: a registry's part",
        ),
        (
            "from muster.targets import power\nisinstance(x, (int, power.ProcessPower))",
            ":2: asks whether it is a ProcessPower: a registry's part",
        ),
        ("if region.power.kind == 'none': pass", ":1: compares a section's kind"),
        ("if self._power.kind in ('none',): pass", ":1: compares a section's kind"),
        ("if 'http' != drain.kind: pass", ":1: compares a section's kind"),
        ("match way.restart.kind:\n    case _: pass", ":1: compares a section's kind"),
    ],
)
def test_a_question_behind_a_port_is_named(tmp_path: Path, text: str, breach: str) -> None:
    """By whatever name the class is imported; the registries and `targets/` may ask."""
    plant(tmp_path, "src/muster/targets/power.py", MODELS)
    plant(tmp_path, "src/muster/targets/check.py", text)
    plant(tmp_path, "src/muster/platform/power/registry.py", text)
    assert adapter_breaches(tmp_path) == []
    plant(tmp_path, "src/muster/drill/a.py", text)
    assert adapter_breaches(tmp_path) == [f"src/muster/drill/a.py{breach}"]


@pytest.mark.parametrize(
    "text",
    [
        "from muster.targets.power import Region\nisinstance(x, Region)",
        "if entry.kind == 'traffic_shift': pass",
        "ProcessPower = int\nx = region.power.kind",
    ],
)
def test_other_questions_are_left_alone(tmp_path: Path, text: str) -> None:
    """A whole region is no way out of several; a fault's kind is no section's."""
    plant(tmp_path, "src/muster/targets/power.py", MODELS)
    plant(tmp_path, "src/muster/drill/a.py", text)
    assert adapter_breaches(tmp_path) == []


def test_a_long_module_and_a_long_function_are_named(tmp_path: Path) -> None:
    """The bounds are exact: one line less passes."""
    plant(tmp_path, "src/muster/clock.py", "x = 1\n" * LINES_MAX)
    plant(tmp_path, "src/muster/home.py", "x = 1\n" * (LINES_MAX - 1))
    long = "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX
    plant(tmp_path, "src/muster/undo.py", long)
    plant(tmp_path, "src/muster/ledger.py", long.removesuffix("    x = 1\n"))
    found = size_breaches(tmp_path)
    assert [line.split(":")[0] for line in found] == ["src/muster/clock.py", "src/muster/undo.py"]


def test_a_long_fault_is_named(tmp_path: Path) -> None:
    """The bound is exact; what several faults share may be longer, and so may other rooms."""
    fault, shared = "class A:\n    kind = 'a'\n", "class A:\n    kind: str\n"
    rest = "x = 1\n" * (FAULT_LINES_MAX - 2)
    plant(tmp_path, "src/muster/faults/a.py", fault + rest)
    plant(tmp_path, "src/muster/faults/b.py", fault + rest.removesuffix("x = 1\n"))
    plant(tmp_path, "src/muster/faults/c.py", shared + rest)
    plant(tmp_path, "src/muster/judge/a.py", fault + rest)
    assert fault_breaches(tmp_path) == [
        "src/muster/faults/a.py: a fault of 100 lines, expected under 100"
    ]


def test_a_name_without_a_docstring_is_named(tmp_path: Path) -> None:
    """A module, a class and a function without one are found; private names are not asked."""
    text = "def f(): ...\n\n\nclass C: ...\n\n\ndef _private(): ...\n"
    plant(tmp_path, "probes/slo.py", text)
    found = docstring_breaches(tmp_path)
    assert [line.split(": ", 1)[1] for line in found] == [
        "no docstring",
        "f has no docstring",
        "C has no docstring",
    ]
