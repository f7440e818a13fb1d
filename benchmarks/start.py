"""How long JupyterLab takes to start, in Chromium: without the extension against with it.

    python benchmarks/start.py [--starts 5]

Starts JupyterLab in turns without and with the extension, each time a new server and a browser that
has cached nothing, and takes the time from the request of the page until JupyterLab has restored
its layout. The first start of each is not counted: it warms the disk's cache. Prints milliseconds.
Run it with nothing else on the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).parent.parent
sys.path.insert(0, str(HOME / "tests" / "browser"))
from conftest import jupyterlab  # noqa: E402

GOAL = 200.0
"""The goal: milliseconds that the extension may add, at the median."""
RESTORED = """async () => {
  const due = () => !window.jupyterapp || !document.getElementById("jp-main-dock-panel");
  while (due()) await new Promise(requestAnimationFrame);
  await window.jupyterapp.restored;
  return [performance.now(), Boolean(window._JUPYTERLAB?.neuronwidgets)];
}"""
"""Milliseconds since the page was asked for, and whether the extension is there."""


def start(extension: bool) -> float:
    """The milliseconds of one start."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with jupyterlab(root) as lab:
            if not extension:
                shutil.rmtree(root / "data" / "labextensions")
            page = lab.browser.new_page(viewport={"width": 1500, "height": 1000})
            page.goto(f"{lab.url}/lab")
            time, there = page.evaluate(RESTORED)
            assert there == extension
            return float(time)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How long JupyterLab takes to start.")
    parser.add_argument("--starts", type=int, default=5, help="starts of each that are counted")
    starts = parser.parse_args(arguments).starts
    print(f"{starts} starts of each, in turns; load average {os.getloadavg()[0]:.1f}")
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(starts + 1):
        for extension in times:
            times[extension].append(start(extension))
    medians = {}
    print(f"{'':10}{'median':>8}{'min':>8}{'max':>8} ms")
    for extension, name in ((False, "without"), (True, "with")):
        counted = times[extension][1:]
        medians[extension] = statistics.median(counted)
        print(f"{name:10}{medians[extension]:8.0f}{min(counted):8.0f}{max(counted):8.0f}")
    added = medians[True] - medians[False]
    verdict = "met" if added <= GOAL else "not met"
    print(f"added: {added:.0f} ms (goal, at most {GOAL:g} ms: {verdict})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
