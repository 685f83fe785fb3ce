"""Names that are imported for types alone are used in types alone.

Neither mypy nor ruff refuses such a name in code that runs; there it is a NameError.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "probes").rglob("*.py")])


def imported(body: list[ast.stmt]) -> set[str]:
    """The names that these statements import, but not those of functions below them."""
    found = set()
    for one in body:
        if isinstance(one, ast.Import | ast.ImportFrom):
            found |= {(name.asname or name.name).split(".")[0] for name in one.names}
    return found


def misused(tree: ast.Module) -> list[str]:
    """Names of `if TYPE_CHECKING:` that code outside of annotations reads, as `line: name`."""
    typed: set[str] = set()
    for one in tree.body:
        if isinstance(one, ast.If) and ast.unparse(one.test).endswith("TYPE_CHECKING"):
            typed |= imported(one.body)
    found: list[str] = []

    def look(node: ast.AST, hidden: set[str]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = node.args
            given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            hidden = hidden | {one.arg for one in given}
            if not isinstance(node, ast.Lambda):
                inner = [one for one in ast.walk(node) if isinstance(one, ast.stmt)]
                hidden |= imported(inner)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.Name) and child.id in typed - hidden:
                    found.append(f"{child.lineno}: {child.id}")
                if isinstance(child, ast.AST):
                    look(child, hidden)

    look(tree, set())
    return found


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f(x: A) -> A:\n    y: A = x\n    return y", []),
        ("def f():\n    from a import A\n    return A()", []),
        ("def f():\n    import A\n    return A.b", []),
        ("def f(A):\n    return A", []),
        ("def f():\n    return A()", ["4: A"]),
        ("def f():\n    return f'{A}'", ["4: A"]),
        ("class B(A): ...", ["3: A"]),
        ("C = [lambda: A]", ["3: A"]),
    ],
)
def test_a_name_for_types_alone_is_found_where_code_reads_it(code, said):
    """And only there: annotations are never evaluated."""
    assert misused(ast.parse(f"if TYPE_CHECKING:\n    from a import A\n{code}")) == said


def test_no_code_reads_a_name_that_is_imported_for_types_alone():
    """All of the product; the list is empty."""
    lines = [
        f"{path.relative_to(ROOT)}:{one}"
        for path in SOURCES
        for one in misused(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert lines == []
