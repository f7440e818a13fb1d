"""The workshop notebooks run from top to bottom, as a reader would run them, with less data and
fewer steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from neuronwidgets.__main__ import NOTEBOOKS, notebook_source

PATHS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


Small = Callable[[list[str], dict[str, str]], list[str]]
SMALL = {
    "01_split_a_neuron.ipynb": {
        "fashion.images, fashion.layer, labels=fashion.labels": (
            "fashion.images[:2000], fashion.layer, labels=fashion.labels[:2000]"
        ),
        'topics.texts, topics.layer, "max", topics.labels,': (
            'topics.texts[:400], topics.layer, "max", topics.labels[:400],'
        ),
    },
    "02_neurons_speak_in_ranges.ipynb": {
        "slice(0, 1500), slice(1500, 2000)": "slice(0, 300), slice(300, 360)",
        "tau=[0.5, 1, 1.5, 2, 3]": "tau=[1, 2]",
    },
    "03_engineering_monosemanticity.ipynb": {
        "lab = nw.ToyLab()\n": (
            "import dataclasses\nlab = nw.ToyLab()\n"
            "lab.configs = [dataclasses.replace(c, steps=512) for c in lab.configs]\n"
        ),
        '"steps": 4608': '"steps": 256',
        "steps=2500": "steps=200",
    },
}
"""What a notebook has -> what is run, unless `NEURONWIDGETS_BUDGET=full`."""


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_runs(path: Path, tmp_path: Path, small: Small) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not committed"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(len(cell.source.splitlines()) <= 12 for cell in code)
    for cell, source in zip(code, small([c.source for c in code], SMALL[path.name]), strict=True):
        cell.source = source
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
