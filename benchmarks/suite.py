"""The numbers that the widgets have to reach, in Chromium, each beside its goal.

    python benchmarks/suite.py [--steps 200] [--only browser,explore,probe,leaks,size]

Times are the 95% quantile over the steps. `until painted` is what a user waits: it depends on
what else the machine does, and no step is shorter than a frame. `processor` is the time that the
page's main thread works on the step. Where a step has a goal of one frame, `processor` is compared
with it; else `until painted`.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

import neuron_browser
import probe

from tests.browser import test_leaks
from tests.browser.conftest import Lab, jupyterlab
from tests.browser.memory import MEASURED, Held, PageMemory

ROOT = Path(__file__).parent.parent
NEURONS, TOP = 12_288, 100
PATIENCE = 600
"""Seconds for all trees of a wide layer; the memory is measured then, complete or not."""
ROUNDS = 9
"""Of seven widgets each: more than the 50 that are asked for."""
FASHION = "import neuronwidgets as nw\nds = nw.datasets.fashion()"
EXPLORE = "explorer = nw.explore(ds.model, ds.images[:2000], labels=ds.labels[:2000])\nexplorer"
WIDE = """import numpy as np, neuronwidgets as nw
values = np.maximum(np.random.default_rng(0).standard_normal((2000, 12288), np.float32), 0)
acts = nw.Activations.from_arrays(values, labels=np.arange(2000) % 10)"""
BROWSE = "explorer = nw.explore(acts, neuron=3)\nexplorer"
FIRST = """() => new Promise(done => {
  const painted = () => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now() - window.begun);
    port2.postMessage(null);
  });
  const seen = () => {
    if (!document.querySelector('.nw-neuron-row .nw-tile')) return requestAnimationFrame(seen);
    painted();
  };
  seen();
})"""


class Number(NamedTuple):
    """A number beside its goal, or a control without one. `processor`: of the same steps, where it
    was measured."""

    what: str
    value: float
    goal: float | None
    unit: str = "ms"
    processor: float | None = None
    by_processor: bool = False

    def __str__(self) -> str:
        spent = "" if self.processor is None else f"{self.processor:.1f}"
        compared = self.processor if self.by_processor and self.processor else self.value
        measured = f"{self.what:52s} {self.value:8.1f} {self.unit:5s} {spent:>10s}"
        if self.goal is None:
            return f"{measured}  control"
        return f"{measured} {self.goal:8.1f} {'reached' if compared <= self.goal else 'missed'}"


def browser(lab: Lab, steps: int) -> Iterator[Number]:
    """NeuronBrowser in an empty page, without a kernel."""
    found, memory = neuron_browser.measured(lab.browser, NEURONS, TOP, steps)
    goals = {"first rows": 300.0, "sort": 100.0, "filter": 100.0}
    for what, (wall, busy) in found.items():
        goal = goals.get(what, neuron_browser.FRAME)
        yield Number(
            f"browser, {NEURONS:,} neurons: {what}", p95(wall), goal, "ms", p95(busy),
            what not in goals,
        )  # fmt: skip
    yield Number("   memory of an empty page with it", memory, 300, "MB")


def explore(lab: Lab, _steps: int) -> Iterator[Number]:
    """nw.explore in JupyterLab: the first picture on `fashion`; the memory with many neurons."""
    notebook = lab.notebook("fashion", [FASHION, EXPLORE, EXPLORE], 1600, 1100)
    notebook.run_cell(0)
    notebook.python("1")
    for cell, what in ((1, "the first time in a kernel"), (2, "again")):
        notebook.clear()
        notebook.python("import time; used = time.process_time()")
        notebook.page.evaluate("() => { window.begun = performance.now(); }")
        notebook.run_cell(cell)
        first = float(notebook.page.evaluate(FIRST))
        used = 1000 * float(notebook.python("print(time.process_time() - used)"))
        yield Number(f"explore on fashion: first rows, {what}", first, 3000, "ms", used)
        notebook.python("explorer.browser.wait(); explorer.close()")
    notebook.page.close()
    notebook = lab.notebook("wide", [WIDE, BROWSE], 1600, 1100)
    empty = neuron_browser.private_memory(lab.browser, notebook.page)
    notebook.run_all()
    notebook.frame(1)
    notebook.python(f"explorer.browser.wait({PATIENCE})")
    PageMemory(notebook.page).held()
    full = neuron_browser.private_memory(lab.browser, notebook.page)
    yield Number(f"explore, {NEURONS:,} neurons: JupyterLab's page", full, 300, "MB")
    yield Number("   of that the widgets", full - empty, 300, "MB")
    notebook.page.close()


def typing(lab: Lab, steps: int) -> Iterator[Number]:
    """LiveProbe in JupyterLab."""
    for name, (texts, layer, begin) in probe.MODELS.items():
        setup = probe.SETUP.format(name=name, texts=texts, layer=layer, begin=begin)
        notebook = lab.notebook(name, [setup])
        notebook.run_all()
        notebook.frame()
        spent, _ = probe.measured(notebook, steps)
        yield Number(f"probe on {name}: key to paint", p95(spent), 100)
        notebook.page.close()


def leaks(lab: Lab, _steps: int) -> Iterator[Number]:
    """All widgets, opened and closed in one page; beside them as many anywidgets of one line."""
    notebook = lab.notebook("leaks", test_leaks.CELLS, 1300, 1000)
    notebook.run_cell(0)
    for plain in (False, True):
        test_leaks.rounds(notebook, 1, plain)
    memory = PageMemory(notebook.page)
    start, first = memory.held(), memory.observers()
    test_leaks.rounds(notebook, ROUNDS, plain=True)
    before, second = memory.held(), memory.observers()
    kernel = notebook.python("print(*left())").split()
    test_leaks.rounds(notebook, ROUNDS)
    after, third = memory.held(), memory.observers()
    still = notebook.python("print(*left())").split()
    count = ROUNDS * len(test_leaks.WIDGETS)
    yield Number(f"{count} widgets opened and closed: heap", grown(before, after), 5, "% up")
    yield Number("      as many anywidgets of one line", grown(start, before), None, "% up")
    yield Number("   roots of widgets left", after.roots, 0, "")
    yield Number("   listeners more", after.listeners - before.listeners, 0, "")
    yield Number("      anywidgets of one line", before.listeners - start.listeners, None, "")
    for name in MEASURED:
        yield Number(f"   {name}s more", third[name] - second[name], 0, "")
        yield Number("      anywidgets of one line", second[name] - first[name], None, "")
    for what, was, now in zip(("widgets", "threads"), kernel, still, strict=True):
        yield Number(f"   {what} in the kernel more", int(now) - int(was), 0, "")
    notebook.page.close()


def grown(before: Held, after: Held) -> float:
    """By how many percent the heap has grown."""
    return after.heap / before.heap * 100 - 100


def size(_lab: Lab, _steps: int) -> Iterator[Number]:
    """The largest script."""
    scripts = (ROOT / "neuronwidgets" / "static").glob("*.js")
    largest = max(len(gzip.compress(script.read_bytes())) for script in scripts)
    yield Number("the largest widget's JavaScript, gzipped", largest / 1024, 150, "KB")


PARTS: dict[str, Callable[[Lab, int], Iterator[Number]]] = {
    "size": size, "browser": browser, "explore": explore, "probe": typing, "leaks": leaks,
}  # fmt: skip


def p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--only", default=",".join(PARTS))
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'p95':52s} {'until painted':>14s} {'processor':>10s} {'goal':>8s}")
    with tempfile.TemporaryDirectory() as root, jupyterlab(Path(root)) as lab:
        for name in given.only.split(","):
            for number in PARTS[name](lab, given.steps):
                print(number, flush=True)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
