"""How long a widget waits for the kernel, in Chromium: stock JupyterLab against ours.

    python benchmarks/latency.py [--turns 200]

*Stock* is without the server extension and with Python's own interval between turns of threads.
Opens a SplitExplorer in JupyterLab twice, without and with the server extension
`neuronwidgets.lab.server`, and sends a small request over the widget's own comm, the next as soon
as the kernel has acknowledged the one before: with an idle kernel, and while a cell computes.
Beside it, in the same page, an anywidget of one line, which only answers: what is left there is
the time of JupyterLab, the server and the kernel's own loop. Prints milliseconds. Run it with
nothing else on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent.parent
sys.path.insert(0, str(HOME / "tests" / "browser"))
from conftest import Notebook, jupyterlab  # noqa: E402

GOALS = {"idle": 8.0, "busy": 45.0}
"""The goals: milliseconds within which 95 of 100 requests are answered."""
WIDGET = """
import neuronwidgets as nw, numpy as np
values = np.random.default_rng(0).normal(size=(300, 12)).astype("f4")
explorer = nw.SplitExplorer(values, neuron=0)
import anywidget
class Plain(anywidget.AnyWidget):
    _esm = "export default { render() {} }"
plain = Plain()
plain.on_msg(lambda widget, content, buffers: widget.send({"type": "job.ack"}))
explorer"""
CELL = """
import os, time
looked = 0.0
while time.monotonic() < looked + 0.25 or not os.path.exists("stop"):
    if time.monotonic() >= looked + 0.25:
        looked = time.monotonic()
    sum(i * i for i in range(10_000))
"""
"""Computes in Python. It looks for the file rarely: a system call gives Python's lock up and takes
it back at once, which keeps the threads that wait for it from ever asking for it."""
MOST = 40
"""Seconds of each kind of turn, at most: in stock JupyterLab a turn may take seconds while a cell
computes."""
TURNS = """async ([model, turns, most]) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const comm = kernel._comms.get(model);
  const own = comm.onMsg;
  const times = [];
  const turn = () => new Promise((resolve, reject) => {
    const begun = performance.now();
    const late = setTimeout(() => reject(new Error("no answer within 20 s")), 20000);
    comm.onMsg = message => {
      const data = message.content.data;
      if (data.method === "custom" && data.content.type === "job.ack") {
        clearTimeout(late);
        times.push(performance.now() - begun);
        resolve();
      }
      return own(message);
    };
    comm.send({ method: "custom", content: { type: "views.count", count: 1 } });
  });
  try {
    // The first ten warm up: delayed acknowledgements begin after some packets.
    const end = performance.now() + 1000 * most;
    for (let i = 0; i < turns + 10 && (i < 13 || performance.now() < end); i++) await turn();
  } finally {
    comm.onMsg = own;
  }
  return times.slice(10);
}"""


def measured(ours: bool, turns: int) -> dict[str, list[float]]:
    """The milliseconds of each turn, with an idle kernel and while a cell runs."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config").mkdir()
        config = {
            "ServerApp": {"jpserver_extensions": {"neuronwidgets.lab.server": True}},
            "NeuronWidgets": {"no_delay": ours},
        }
        (root / "config" / "jupyter_server_config.json").write_text(json.dumps(config))
        with jupyterlab(root) as lab:
            notebook = lab.notebook("latency", [WIDGET, CELL])
            notebook.run_cell(0)
            notebook.frame()
            if not ours:
                notebook.python("import sys; sys.setswitchinterval(0.005)")
            assert notebook.python("print(explorer.wait(90))") == "True"
            widgets = {
                name: notebook.python(f"print({variable}.model_id)")
                for name, variable in (("", "explorer"), (", plain", "plain"))
            }
            times = {f"idle{name}": run(notebook, model, turns) for name, model in widgets.items()}
            begin(notebook)
            try:
                for name, model in widgets.items():
                    times[f"busy{name}"] = run(notebook, model, turns)
            finally:
                (root / "stop").touch()
            return times


def run(notebook: Notebook, model: str, turns: int) -> list[float]:
    times: list[float] = notebook.page.evaluate(TURNS, [model, turns, MOST])
    return sorted(times)


def begin(notebook: Notebook) -> None:
    """Begin to run the cell that computes, and wait until it does."""
    notebook.page.evaluate("""() => {
      window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1;
      window.jupyterapp.commands.execute('notebook:run-cell');
    }""")
    notebook.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
        " === 'busy'"
    )


def percentile(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(share * len(times)))]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How long a widget waits for the kernel.")
    parser.add_argument("--turns", type=int, default=200, help="requests of each kind")
    turns = parser.parse_args(arguments).turns
    print(f"{turns} requests, one after the other; load average {os.getloadavg()[0]:.1f}")
    print(f"{'':20}{'turns':>8}{'p50':>8}{'p95':>8}{'max':>8} ms")
    reached: list[bool] = []
    for ours in (False, True):
        times: dict[str, Any] = measured(ours, turns)
        for kind, found in times.items():
            p50, p95 = (percentile(found, share) for share in (0.5, 0.95))
            name = f"{'ours' if ours else 'stock'}, {kind}"
            print(f"{name:20}{len(found):8}{p50:8.1f}{p95:8.1f}{found[-1]:8.1f}", flush=True)
            reached += [p95 <= GOALS[kind]] if ours and kind in GOALS else []
    goals = f"p95 {GOALS['idle']:g} ms idle, {GOALS['busy']:g} ms busy"
    print(f"goals ({goals}): {'met' if all(reached) else 'not met'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
