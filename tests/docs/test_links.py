"""Relative links of all Markdown files and notebooks resolve, and so do the paths they name."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDRESS = "https://github.com/neuronwidgets/neuronwidgets/blob/main/"
"""A notebook is copied elsewhere, so it names pages of the repository by their address."""
BUILT = ("neuronwidgets/static/", "neuronwidgets/labextension/")
"""Not there before the front end is built."""
FOLDERS = [ROOT / name for name in ("docs", "js/src", "neuronwidgets", ".github")]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(page for folder in FOLDERS for page in folder.rglob("*.md")),
        *(ROOT / "notebooks").glob("*.ipynb"),
    ]
)


def text_of(page: Path) -> str:
    """Its Markdown without blocks of code."""
    text = page.read_text("utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


@cache
def anchors(page: Path) -> set[str]:
    """What `#` may name on a page, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text_of(page))):
        base = ROOT if link.startswith(ADDRESS) else page.parent
        path, _, anchor = link.removeprefix(ADDRESS).partition("#")
        if re.match(r"\w+:", path):
            continue
        target = base / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.resolve())):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if p.name != "CHANGELOG.md" and "decisions" not in p.parts],
    ids=name_of,
)
def test_paths_exist(page: Path) -> None:
    """A path in backticks is one if its first folder is the repository's or a room."""
    homes = (ROOT, ROOT / "neuronwidgets") if page.name == "ARCHITECTURE.md" else (ROOT,)
    missing = []
    for path in re.findall(r"`([\w./*-]+/[\w./*-]*)`", text_of(page)):
        if "NAME" in path or path in BUILT:
            continue
        home = next((home for home in homes if (home / path.split("/")[0]).is_dir()), None)
        if home is not None and not any(home.glob(path)):
            missing.append(path)
    assert missing == []


def test_docstrings_name_pages_that_exist() -> None:
    named = {
        page
        for file in (ROOT / "neuronwidgets").rglob("*.py")
        for page in re.findall(r"\bdocs/[\w/-]+(?:\.md)?", file.read_text("utf-8"))
    }
    assert len(named) >= 5
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []
