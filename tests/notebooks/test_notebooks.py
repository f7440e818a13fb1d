"""The workshop notebooks run from top to bottom, as a reader of a slow machine would run them, and
show what their text says."""

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
SLOW = [
    ("01_split_a_neuron.ipynb", "split", 10.0),
    ("02_neurons_speak_in_ranges.ipynb", "ranges", 2.5),
    ("03_engineering_monosemanticity.ipynb", "toys", 0.024),
    ("04_what_a_neuron_does.ipynb", "effects", 10.0),
]
"""Notebook, its name for `nw.workshop.sizes`, and what it is told that a probe takes, unless
`NEURONWIDGETS_BUDGET=full`: seconds of a machine ten times as slow as two idle cores, or forty."""

CLAIMS = {
    "01_split_a_neuron.ipynb": {
        "split-5": """
by_dot = beside_chance(explorer.concepts, by="dot")
bags = by_dot.index.str.contains("Bag")
assert 0 < bags.sum() < len(by_dot)
assert by_dot["random groups"][bags].between(0.5, 0.85).all(), by_dot
assert (by_dot["precision"] > by_dot["random groups"] + 0.1)[~bags].any(), by_dot
""",
        "split-7": """
places = {
    by: np.median(place[explorer.concepts.retrieve(by=by)], axis=1) for by in ("dot", "cosine")
}
assert (places["dot"] > 0.9).all(), places
assert (places["cosine"] < places["dot"]).all(), places
""",
        "split-9": """
by_cosine = beside_chance(explorer.concepts, by="cosine")
assert (by_cosine["precision"] >= 0.8).all(), by_cosine
assert (by_cosine["random groups"][~bags] < 0.3).all(), by_cosine
assert (by_cosine["random groups"][bags] > 0.8).all(), by_cosine
""",
    },
    "02_neurons_speak_in_ranges.ipynb": {
        "ranges-3": "assert 0.35 < pairs.mean() < at_random[at_random < 1].mean() - 0.1",
        "ranges-13": """
drops = report.frontier().query("rule == 'gaussian' and 1 <= tau <= 2")
assert (drops["target_drop"] > drops["other_drop"] + 0.05).all(), drops
assert len(report.label_names) == 14
""",
    },
    "03_engineering_monosemanticity.ipynb": {
        "toys-3": """
table = nw.toy.compare(lab).to_frame()
assert table["monosemantic"][1] > table["monosemantic"][0] + 3, table
assert table["loss"][1] < 1.02 * table["loss"][0], table
assert table["selectivity"][1] > table["selectivity"][0], table
""",
        "toys-5": """
biases = neurons.groupby("monosemantic")["bias"].mean()
assert biases[True] < biases[False] - 0.05, biases
""",
        "toys-7": """
table = nw.toy.compare(runs).to_frame()
means = table.groupby("learning_rate")["monosemantic"].mean()
assert means[0.03] > means[0.01] + 5, table
assert table["loss"].max() < 1.15 * table["loss"].min(), table
""",
        "toys-9": """
table = nw.toy.compare(runs).to_frame()
assert (table["covered"].diff()[1:] >= 0).all(), table
assert table["covered"].iloc[-1] > table["covered"].iloc[0], table
assert (table["loss"].diff()[1:] < 0).all(), table
""",
        "toys-11": """
assert len(lab.explorer.driving_features) > 3
assert 0 <= lab.explorer.calibration.recovered < 1
""",
        "toys-13": """
counts = [represented for _, represented in rows]
assert counts == sorted(counts), rows
assert counts[0] <= 8 and counts[-1] >= 16, rows
""",
    },
    "04_what_a_neuron_does.ipynb": {
        "effects-6": "assert len(named) > 2 and sum(named) < len(named), named",
        "effects-8": """
assert (told.q < 0.05).sum() > 100
assert (control.q < 0.05).sum() < 10
""",
        "effects-10": """
table = probe.to_frame().set_index("k")
assert (table["f1"].loc[:3] > 0.6).all(), table
assert (table["f1_null"] < 0.3).all(), table
""",
        "effects-12": """
table = report.to_frame()
assert "do not" not in report.findings[0], report.findings
assert (table["change"].abs() < 0.01).all(), table
""",
        "effects-14": """
assert abs(lost(once).loc["concept", "own_accuracy"]) < 0.02, lost(once)
assert abs(lost(once).loc["concept", "own"]) < 0.05, lost(once)
""",
        "effects-16": """
table = lost(equal)
assert table.loc["concept", "own"] > 1, table
assert table.loc["random", "own"] < 0.1, table
assert equal.strength[:, 0].min() > 3
""",
        "effects-18": """
table = lost(stream)
assert table.loc["concept", "own"] > 0.5, table
assert table.loc["concept", "own_accuracy"] > 0.2, table
assert table.loc["concept", ["siblings", "others"]].max() < 0.1, table
assert abs(table.loc["random", "own"]) < 0.1, table
""",
        "effects-20": """
index, p = nw.compare_splits(state, effect).to_frame()[["suggested", "suggested_p"]].iloc[0]
assert p < 0.05 and index < 0.6, (index, p)
""",
        "effects-22": """
core = graph.cores[0]
assert core.without < core.without_random, core
assert set(graph.layers) == set(names)
""",
    },
}
"""What a cell shows, by the cell's id, at every size."""


@pytest.mark.parametrize(("file", "name", "unit"), SLOW)
def test_runs(file: str, name: str, unit: float, tmp_path: Path, small: Small) -> None:
    path = PATHS[list(NOTEBOOKS).index(file)]
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not committed"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(len(cell.source.splitlines()) <= 12 for cell in code)
    told = {f'sizes("{name}")': f'sizes("{name}", unit={unit})'}
    for cell, source in zip(code, small([c.source for c in code], told), strict=True):
        cell.source = source
    with_checks(notebook, CLAIMS[file])
    began = time.monotonic()
    run(notebook, tmp_path)
    print(f"{file}: {time.monotonic() - began:.0f} s")
    for cell in code:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert "Traceback" not in output.get("text", "")
    assert "Sizes for this machine: " in code[0].outputs[0].data["text/html"]
    state = widget_state(notebook)
    for kind in ("SplitExplorer", "RangeExplorer", "ToyLab"):
        explorers = [s for s in state if s["_anywidget_id"].endswith(kind)]
        made = sum(f"{kind}(" in cell.source for cell in code)
        if kind == "SplitExplorer":
            made += sum("lab.split(" in cell.source for cell in code)
        assert len(explorers) == made
        assert all(s["status"]["state"] != "error" for s in explorers)


def with_checks(notebook: Any, claims: dict[str, str]) -> None:
    """Put a cell that checks a claim below the cell that shows it."""
    ids = [cell.id for cell in notebook.cells]
    assert set(claims) <= set(ids)
    for name, source in reversed(claims.items()):
        check = nbformat.v4.new_code_cell(source.strip())
        notebook.cells.insert(ids.index(name) + 1, check)


def run(notebook: Any, folder: Path) -> None:
    """Run a notebook in a folder of its own, with warnings as errors."""
    first = nbformat.v4.new_code_cell(
        "import warnings; warnings.simplefilter('error')\n"
        "warnings.simplefilter('ignore', PendingDeprecationWarning)  # ipykernel's, as it ends"
    )
    notebook.cells.insert(0, first)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute()


def widget_state(notebook: Any) -> list[dict[str, Any]]:
    saved = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    return [m["state"] for m in saved.values() if "_anywidget_id" in m["state"]]


STOPPED = """
import os, signal, warnings
import neuronwidgets as nw

warnings.filterwarnings("default", "stopped after")


def press_stop(change):
    lab.unobserve(press_stop, "_picture")
    os.kill(os.getpid(), signal.SIGINT)  # as Jupyter does


size = {"features": 16, "dims": 8, "neurons": 16, "batch": 32, "steps": 1 << 30}
lab = nw.ToyLab(nw.toy.Config.zero_bias(**size))
lab.observe(press_stop, "_picture")
lab.finish()
"""


def test_an_interrupted_cell_ends_with_a_sentence(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(STOPPED), nbformat.v4.new_code_cell("lab.runs[0].step")]
    )
    run(notebook, tmp_path)
    _, stopped, after = notebook.cells
    sentences = [o.text for o in stopped.outputs if o.output_type == "stream"]
    assert "stopped after" in "".join(sentences)
    assert "of 1,073,741,824 steps" in "".join(sentences)
    assert int(after.outputs[0].data["text/plain"]) >= 0


def test_the_launcher_has_every_notebook() -> None:
    assert list(NOTEBOOKS) == [path.name for path in PATHS]
    assert all(notebook_source(name).exists() for name in NOTEBOOKS)
