"""Renders a View as HTML, Markdown and JUnit, each escaped for its own format.

The HTML page contains everything it needs and may load nothing: its Content-Security-Policy allows
one style sheet and one script, each by its hash. jinja2 escapes everything except the charts drawn
here, which are checked.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from muster import home
from muster.errors import MusterError
from muster.reports.chart_model import NumberedMark
from muster.reports.model import FindingRow, View
from muster.reports.numbers import offset, utc
from muster.reports.postmortem import draft
from muster.reports.words import STATUS_MARKS, STATUS_WORDS

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~$@&:-])")
_LIKE_A_LINK = re.compile(r"(?i)\b(https?|www|ftp)(?=[:.\\])")


TONES = {
    "PASS": "pass",
    "FAIL": "fail",
    "ROLLBACK_FAILED": "alarm",
    "ABORTED": "stopped",
    "INCONCLUSIVE": "unknown",
}
"""How the page looks, by verdict; any other verdict looks like a FAIL."""


@dataclass(frozen=True)
class Picture:
    """A chart as drawn."""

    name: str
    title: str
    note: str
    svg: str


@dataclass(frozen=True)
class Drawn:
    """The charts of a page: as pictures, and as data for its script."""

    pictures: tuple[Picture, ...] = ()
    data: str = '{"start":0,"end":1,"phases":[],"marks":[],"charts":[]}'
    marks: tuple[NumberedMark, ...] = ()
    start_s: float = 0.0


@dataclass(frozen=True)
class PhaseGroup:
    """Findings of one phase, for the full table."""

    name: str
    rows: tuple[FindingRow, ...]


def templates_dir() -> Path:
    """`reports/templates` of the current project, else of the checkout from which Muster was
    installed.
    """
    for base in (home.root(), Path(__file__).resolve().parents[3]):
        found = base / "reports" / "templates"
        if (found / "report.html.j2").is_file():
            return found
    raise MusterError("reports/templates/report.html.j2 is missing from the checkout")


def html(view: View, drawn: Drawn) -> str:
    """The whole page."""
    from markupsafe import Markup

    templates = environment(autoescape=True)
    templates.filters["groupby_phase"] = _by_phase
    charts = [
        {"name": p.name, "title": p.title, "note": p.note, "svg": Markup(p.svg.strip())}
        for p in drawn.pictures
    ]
    marks = [
        {"mark": m, "at": utc(drawn.start_s + m.t, date=False), "offset": offset(m.t, 0.0)}
        for m in drawn.marks
    ]
    text: str = templates.get_template("report.html.j2").render(
        view=view,
        charts=charts,
        marks=marks,
        data=Markup(drawn.data),
        tone=TONES.get(view.banner.verdict, "fail"),
        **styled("report.css"),
        **scripted("report.js"),
    )
    return text.strip() + "\n"


def styled(name: str) -> dict[str, Any]:
    """A style sheet of the templates, and its hash for the page's Content-Security-Policy."""
    return _inlined("style", name)


def scripted(name: str) -> dict[str, Any]:
    """A script of the templates, and its hash for the page's Content-Security-Policy."""
    return _inlined("script", name)


def markdown(view: View, pictures: Sequence[Picture] = ()) -> str:
    """The draft of a postmortem, which also serves as a job summary; charts stand beside it."""
    templates = environment(autoescape=False)
    templates.filters |= {"md": md, "code": md_code, "fence": md_fence}
    icon = {"PASS": "✅", "INCONCLUSIVE": "❔", "ABORTED": "⏹️", "ROLLBACK_FAILED": "🚨"}.get(
        view.banner.verdict, "❌"
    )
    text: str = templates.get_template("report.md.j2").render(
        view=view, icon=icon, draft=draft(view), pictures=pictures
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def md(text: object) -> str:
    """`text` as Markdown that reads as the text itself, also within a table's cell."""
    flat = " ".join(str(text).split())
    flat = _SPECIAL.sub(_entity_or_backslash, flat)
    # A URL in a text from a platform or a label must not become a link.
    return _LIKE_A_LINK.sub(lambda found: found[0][0] + "\u200b" + found[0][1:], flat)


def md_code(text: object) -> str:
    """`text` as a code span that nothing in it can end, also within a table's cell."""
    flat = " ".join(str(text).split()) or " "
    if "`" in flat or "|" in flat:
        return md(flat)
    return f"`{flat}`"


def md_fence(text: object) -> str:
    """`text` as a fenced block with a fence longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", str(text))), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"


def _entity_or_backslash(found: re.Match[str]) -> str:
    character = found[0]
    if character in "<>&|@:":
        return {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;", "@": "&#64;", ":": ":"}[
            character
        ]
    if character in "-()":
        return character
    return "\\" + character


def environment(*, autoescape: bool) -> Any:
    """The templates' environment, in which an unknown name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(templates_dir()),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=False,
        lstrip_blocks=False,
        keep_trailing_newline=True,
    )
    found.globals |= {"signs": STATUS_MARKS, "words": STATUS_WORDS}
    return found


def _by_phase(rows: Sequence[FindingRow]) -> list[PhaseGroup]:
    return [PhaseGroup(name, tuple(group)) for name, group in groupby(rows, lambda r: r.phase)]


def _inlined(element: str, name: str) -> dict[str, Any]:
    """A file that stands in the page as it is."""
    from markupsafe import Markup

    text = (templates_dir() / name).read_text(encoding="utf-8").strip()
    if "</" in text:
        raise MusterError(f"reports/templates/{name}: got '</', which would end its element")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {element: Markup(text), f"{element}_hash": Markup(f"sha256-{digest}")}
