"""The catalogue of faults as a page: generated from the code, so that it cannot differ.

`python -m muster.faults.catalogue` writes it into `docs/faults.md`.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from muster import home
from muster.faults.around import BEGIN as BEGUN
from muster.faults.model import Fault, PlatformFault
from muster.faults.registry import Registered, registered
from muster.faults.steps import DrillStep

BEGIN, END = "<!-- faults: generated -->", "<!-- faults: end -->"
COLUMNS = 120


def catalogue(found: Registered, experiments: Mapping[str, str]) -> str:
    """The page's part in Markdown. `experiments`: the step that each experiment holds, by name."""
    steps = sorted((step for step in found.steps if _held(step)), key=lambda step: step.func)
    parts = ["\n".join(_section(step, experiments)) for step in steps]
    return "\n\n".join([BEGIN, *parts, END])


def inserted(page: str, part: str) -> str:
    """`page` with `part` in the place of its old one. Raises ValueError if it has no such place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return before + part + after


def held_by(experiments: Path) -> dict[str, str]:
    """The fault that each experiment in a directory holds or begins, by the experiment's name."""
    names = {step.func for step in registered().steps if _held(step)}
    return {
        path.stem: func.removeprefix(BEGUN)
        for path in sorted(experiments.glob("*.json"))
        for activity in json.loads(path.read_text(encoding="utf-8"))["method"]
        if (func := str(activity["provider"]["func"])).removeprefix(BEGUN) in names
    }


def _held(step: DrillStep) -> bool:
    """Whether the step applies a fault of the catalogue: a single one, or one with own phases."""
    return step.make is not None or step.fault is not None


def _section(step: DrillStep, experiments: Mapping[str, str]) -> Iterator[str]:
    fault = _made_by(step)
    yield f"### `{step.func}`"
    yield ""
    yield from _paragraphs(step.said)
    yield from _paragraphs(inspect.getdoc(sys.modules[fault.__module__]) or "")
    where = "all regions" if issubclass(fault, PlatformFault) else "one region"
    signals = ", ".join(f"`{name}`" for name in fault.expects) or "none"
    yield _item(f"where: {where}; signals that it must disturb there: {signals}")
    arguments = "; ".join(_argument(step, one.name) for one in step.parameters)
    yield _item(f"arguments: {arguments or 'none'}")
    if step.fault is not None:
        yield _item(f"its steps: {', '.join(f'`{name}`' for name in (step.func, *step.then))}")
    yield _item(f"how it is undone: {fault.undone}")
    if step.recalls:
        yield _item(f"what it stands for: {step.recalls}")
    files = [f"`experiments/{name}.json`" for name, held in sorted(experiments.items())
             if held == step.func]  # fmt: skip
    yield _item(f"experiments: {', '.join(files)}")


def _made_by(step: DrillStep) -> type[Fault]:
    """The class that the step names, or that its function says it returns.

    Raises TypeError if it says none.
    """
    if step.fault is not None:
        return step.fault
    assert step.make is not None
    made = inspect.signature(step.make, eval_str=True).return_annotation
    if not isinstance(made, type) or not issubclass(made, Fault):
        raise TypeError(f"{step.where}: returns {made}, expected a class of fault")
    return made


def _argument(step: DrillStep, name: str) -> str:
    limit = step.limits.get(name)
    return f"`{name}` {limit}" if limit is not None else f"`{name}`"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        yield _wrapped(" ".join(paragraph.split()))
        yield ""


def _item(text: str) -> str:
    return _wrapped(f"- {text}", indent="  ")


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def main() -> None:
    """Write the part into its page."""
    path = home.root() / "docs" / "faults.md"
    part = catalogue(registered().sound(), held_by(home.root() / "experiments"))
    path.write_text(inserted(path.read_text(encoding="utf-8"), part), encoding="utf-8")


if __name__ == "__main__":
    main()
