"""What ToyLab costs the training that it shows, in JupyterLab and Chromium.

    python benchmarks/toy_lab.py [--features 64 --dims 8 --neurons 128] [--runs 2]
        [--rounds 3]

Trains the same runs with `toy.train` and with ToyLab on the screen, in turns, in one kernel, and
prints steps per second of both, redraws per second, and how long pausing took. Run it with nothing
else on the machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.browser.conftest import Notebook, jupyterlab

SETUP = """import time, torch, neuronwidgets as nw
def config(seed, steps):
    return nw.toy.Config.zero_bias(features={features}, dims={dims}, neurons={neurons},
                                   batch={batch}, steps=steps, seed=seed)
def bare(steps, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    began = time.perf_counter()
    nw.toy.train([config(seed, steps) for seed in range({runs})])
    spent = time.perf_counter() - began
    torch.set_num_threads(before)
    print(steps / spent)
lab = nw.ToyLab([config(seed, 2**30) for seed in range({runs})])
lab"""
COUNT = """seconds => new Promise(done => {{
  const text = document.querySelector('.nw-progress');
  let seen = 0;
  const watch = new MutationObserver(() => {{ seen++; }});
  watch.observe(text, {{ characterData: true, childList: true, subtree: true }});
  setTimeout(() => {{ watch.disconnect(); done(seen / seconds); }}, seconds * 1000);
}})""".replace("{{", "{").replace("}}", "}")
SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, size in (("features", 64), ("dims", 8), ("neurons", 128), ("batch", 256)):
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--runs", type=int, default=2, choices=(1, 2))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(vars(options))
    with tempfile.TemporaryDirectory() as root, jupyterlab(Path(root)) as lab:
        notebook = lab.notebook("bench", [SETUP.format(**vars(options))])
        notebook.run_all()
        notebook.frame()
        measured = [once(notebook) for _ in range(options.rounds)]
        notebook.page.close()
    bare, one, shown, redraws, pause = (
        statistics.median(part) for part in zip(*measured, strict=True)
    )
    print(f"train: {bare:,.0f} steps/s, on one thread {one:,.0f}; in the lab {shown:,.0f}: "
          f"{shown / bare:.2f} and {shown / one:.2f} of it")  # fmt: skip
    print(f"redraws per second {redraws:.1f}; pause {pause * 1000:.0f} ms")


def once(notebook: Notebook) -> tuple[float, ...]:
    steps = 1000
    bare, one = (float(notebook.python(f"bare({steps}, {n})")) for n in (2, 1))
    run: Any = notebook.frame().get_by_role("button", name="run", exact=True)
    run.click()
    notebook.page.wait_for_function(
        "() => document.querySelector('.nw-progress').textContent.includes('steps/s')"
    )
    first = int(notebook.python("began = time.perf_counter(); print(lab._session.trainer.least)"))
    redraws = notebook.page.evaluate(COUNT, SECONDS)
    shown = notebook.python(
        f"print((lab._session.trainer.least - {first}) / (time.perf_counter() - began))"
    )
    began = time.perf_counter()
    notebook.frame().get_by_role("button", name="pause", exact=True).click()
    run.wait_for()
    paused = time.perf_counter() - began
    notebook.python("lab.wait(30)")
    return bare, one, float(shown), redraws, paused


if __name__ == "__main__":
    main()
