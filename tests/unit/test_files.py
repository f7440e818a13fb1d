"""No file has more than 400 lines."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST = 400
"""Lines. A longer file holds several subjects and is split by them."""
FOLDERS = ("neuronwidgets", "js/src", "tests", "benchmarks")
ENDINGS = {".css", ".html", ".js", ".md", ".py", ".pyi", ".ts", ".tsx"}
"""Of files that somebody writes. Golden messages and notebooks are data."""
LEFT_OUT = ("neuronwidgets/datasets/data", "neuronwidgets/static", "tests/fixtures", "node_modules")
"""Folders of data, of what a build writes and of what others wrote."""


def lines_of_files(root: Path) -> dict[str, int]:
    """The number of lines of each written file, by its path below `root`."""
    lines = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix in ENDINGS and not any(
                part in f"/{name}" for part in map("/{}/".format, LEFT_OUT)
            ):
                lines[name] = len(path.read_text("utf-8").splitlines())
    return lines


def test_no_file_is_too_long() -> None:
    too_long = {name for name, lines in lines_of_files(ROOT).items() if lines > MOST}
    assert too_long == set()


def test_a_long_file_is_counted(tmp_path: Path) -> None:
    for name in ("js/src/core/long.ts", "tests/fixtures/long.py", "neuronwidgets/static/long.js"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("\n" * (MOST + 1))
    assert lines_of_files(tmp_path) == {"js/src/core/long.ts": MOST + 1}
