"""The workshop notebooks run from top to bottom, as a reader would run them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from neuronwidgets.__main__ import NOTEBOOKS, notebook_source

PATHS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not committed"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(len(cell.source.splitlines()) <= 12 for cell in code)
    # Beginning to end in a folder of its own, with warnings as errors.
    first = nbformat.v4.new_code_cell(
        "import warnings; warnings.simplefilter('error')\n"
        "warnings.simplefilter('ignore', PendingDeprecationWarning)  # ipykernel's, as it ends"
    )
    notebook.cells.insert(0, first)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    began = time.monotonic()
    client.execute()
    print(f"{path.name}: {time.monotonic() - began:.0f} s")
    for cell in code:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert "Traceback" not in output.get("text", "")
    state = widget_state(notebook)
    for name in ("SplitExplorer", "RangeExplorer", "ToyLab"):
        explorers = [s for s in state if s["_anywidget_id"].endswith(name)]
        made = sum(f"{name}(" in cell.source for cell in code)
        if name == "SplitExplorer":
            made += sum("lab.split(" in cell.source for cell in code)
        assert len(explorers) == made
        assert all(s["status"]["state"] != "error" for s in explorers)


def widget_state(notebook: Any) -> list[dict[str, Any]]:
    saved = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    return [m["state"] for m in saved.values() if "_anywidget_id" in m["state"]]


def test_the_launcher_has_every_notebook() -> None:
    assert list(NOTEBOOKS) == [path.name for path in PATHS]
    assert all(notebook_source(name).exists() for name in NOTEBOOKS)
