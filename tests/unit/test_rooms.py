"""Imports go down only, and rooms on one floor do not import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "neuronwidgets"
FLOORS = {
    "core": 0,
    "display": 1,
    "clustering": 1,
    "data": 2,
    "models": 3,
    "activations": 3,
    "datasets": 3,
    "toy": 3,
    "capturing": 4,
    "concepts": 4,
    "intervals": 4,
    "interventions": 4,
    "layer_splits": 5,
    "widgets": 6,
    "__main__": 7,
}
FACES = {"anywidget", "ipywidgets", "traitlets"}


def imported(path: Path, module: list[str]) -> Iterator[tuple[int, str]]:
    """Every import in a file, wherever it stands: `(line, dotted name)`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `from . import x` counts from the package that the file is in.
            home = module[: len(module) - node.level] if node.level else []
            base = ".".join([*home, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def complaints(package: Path) -> list[str]:
    """What is wrong with the imports of `package`, one line each."""
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        room = parts[0]
        if room == "__init__":
            continue
        where = path.relative_to(package).as_posix()
        if room not in FLOORS:
            found.append(f"{where}: the room {room!r} has no floor")
            continue
        for line, name in imported(path, [package.name, *parts]):
            top, _, rest = name.partition(".")
            if top in FACES and room != "widgets":
                found.append(f"{where}:{line} imports {top}: only widgets may")
            if top != package.name:
                continue
            other = rest.split(".")[0]
            if other not in FLOORS:
                found.append(f"{where}:{line} imports {name}, which is in no room")
            elif other != room and FLOORS[other] >= FLOORS[room]:
                way = "sideways" if FLOORS[other] == FLOORS[room] else "upward"
                found.append(f"{where}:{line} imports {other} {way}")
    return found


def test_imports_go_down_only() -> None:
    assert complaints(PACKAGE) == []


def test_the_walk_sees_the_rooms() -> None:
    seen = {
        name.split(".")[1]
        for path in PACKAGE.rglob("*.py")
        for _, name in imported(path, ["neuronwidgets", *path.relative_to(PACKAGE).parts])
        if name.startswith("neuronwidgets.")
    }
    assert {"display", "models", "activations", "concepts", "capturing"} <= seen


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("concepts/a.py", "from house.widgets import b", "concepts/a.py:1 imports widgets upward"),
        ("concepts/a.py", "import house.capturing.b", "concepts/a.py:1 imports capturing sideways"),
        ("models/a.py", "def f():\n    from house import activations", "activations sideways"),
        (
            "models/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.concepts",
            "models/a.py:3 imports concepts upward",
        ),
        (
            "models/deep/a.py",
            "from ...capturing.b import c",
            "deep/a.py:1 imports capturing upward",
        ),
        ("models/__init__.py", "from ..capturing import c", "imports capturing upward"),
        ("display.py", "from . import models", "display.py:1 imports models upward"),
        ("concepts/a.py", "import traitlets as t", "imports traitlets: only widgets may"),
        ("concepts/a.py", "from house import split", "house.split, which is in no room"),
        ("attic/a.py", "", "the room 'attic' has no floor"),
    ],
)
def test_a_wrong_import_is_caught(tmp_path: Path, file: str, source: str, complaint: str) -> None:
    path = tmp_path / "house" / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    (found,) = complaints(tmp_path / "house")
    assert complaint in found


def test_a_right_import_is_not_caught(tmp_path: Path) -> None:
    for file, source in {
        "__init__.py": "from house.widgets import a",
        "widgets/a.py": "import anywidget\nfrom house.concepts import b\nfrom ..models import c",
        "concepts/b.py": "import numpy\nfrom house.concepts.d import e\nfrom . import d",
        "__main__.py": "from house.widgets import a",
    }.items():
        path = tmp_path / "house" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    assert complaints(tmp_path / "house") == []
