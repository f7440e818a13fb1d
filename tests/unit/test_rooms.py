"""Imports go down only, never sideways between rooms of one floor, and form no cycle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
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
    "workshop": 4,
    "effects": 5,
    "layer_splits": 5,
    "libraries": 6,
    "overviews": 6,
    "widgets": 7,
    "lab": 8,
    "__main__": 9,
}
FACES = {"anywidget", "ipywidgets", "traitlets"}
FACED = {"widgets", "lab"}
"""The rooms that may import them."""


def imported(path: Path, module: list[str], running: bool = False) -> Iterator[tuple[int, str]]:
    """Every import in a file, in functions too: `(line, dotted name)`.

    With `running`, those under `if TYPE_CHECKING:` are left out.
    """
    for node in import_statements(path, running):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        else:
            # `from . import x` counts from the package that the file is in.
            home = module[: len(module) - node.level] if node.level else []
            base = ".".join([*home, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


@cache
def import_statements(path: Path, running: bool) -> list[ast.Import | ast.ImportFrom]:
    tree: ast.AST = ast.parse(path.read_text("utf-8"))
    nodes = ast.walk(_Running().visit(tree) if running else tree)
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


class _Running(ast.NodeTransformer):
    """Takes the blocks under `if TYPE_CHECKING:` out of a tree: they never run."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        return node.orelse if name == "TYPE_CHECKING" else node


def modules_of(package: Path) -> dict[str, Path]:
    """The file of each module of a package, by dotted name. A folder is its `__init__`."""
    modules = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def graph_of(package: Path) -> dict[str, set[str]]:
    """The modules of the package that each of its modules imports when it runs, lazily or not."""
    modules = modules_of(package)
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        home = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
        graph[module] = set()
        for _, name in imported(path, [*home, "module"], running=True):
            # `from a.b import c` imports the module `a.b.c` or a name of the module `a.b`.
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and target != module:
                graph[module].add(target)
    return graph


def cycle_in(package: Path) -> list[str]:
    """The modules of one import cycle, the first also at the end; empty without one."""
    try:
        TopologicalSorter(graph_of(package)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


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
            if top in FACES and room not in FACED:
                found.append(f"{where}:{line} imports {top}: only widgets and lab may")
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


def test_no_imports_form_a_cycle() -> None:
    assert cycle_in(PACKAGE) == []


def test_the_graph_has_the_packages_modules() -> None:
    graph = graph_of(PACKAGE)
    assert len(graph) > 200
    assert "neuronwidgets.clustering.tree" in graph["neuronwidgets.concepts.split"]
    # This import is in a method.
    assert "neuronwidgets.concepts.refine" in graph["neuronwidgets.concepts.concepts"]


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": "import house.b", "b.py": "from house.a import name"},
        {"a.py": "from . import b", "b.py": "def f():\n    from house import a"},
        {"room/a.py": "from .b import c", "room/b.py": "from ..room.a import d"},
        {"a.py": "from house.b import x", "b.py": "import house.c", "c.py": "import house.a"},
        {"room/__init__.py": "from house.room.a import x", "room/a.py": "from house.room import x"},
    ],
)
def test_a_cycle_is_found(tmp_path: Path, files: dict[str, str]) -> None:
    for file, source in files.items():
        path = tmp_path / "house" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    cycle = cycle_in(tmp_path / "house")
    assert len(cycle) == len(files) + 1
    assert cycle[0] == cycle[-1]


def test_an_import_for_type_checkers_makes_no_cycle(tmp_path: Path) -> None:
    for file, source in {
        "a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.b",
        "b.py": "import house.a",
        "c.py": "import typing as t\nif t.TYPE_CHECKING:\n    from house import d\nimport house.b",
        "d.py": "from house import c",
    }.items():
        (tmp_path / "house").mkdir(exist_ok=True)
        (tmp_path / "house" / file).write_text(source)
    assert cycle_in(tmp_path / "house") == []


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
        ("concepts/a.py", "import traitlets as t", "imports traitlets: only widgets and lab may"),
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
