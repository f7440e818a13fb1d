"""What NeuronBrowser costs in Chromium: first rows, scrolling, sorting, the slider of all cuts.

    python benchmarks/neuron_browser.py [--neurons 12288] [--top 100]

Shows a planted layer (trees of average linkage, ten labels) to the built front end without a
kernel, and prints the main thread's time (scripts, style, layout, paint) beside a frame of 60 Hz.
Run it with nothing else on the machine.
"""

from __future__ import annotations

import argparse
import base64
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neuronwidgets.widgets.protocol.buffers import pack

STATIC = Path(__file__).parent.parent / "neuronwidgets" / "static"
FRAME = 1000 / 60
STEPS = 200
LABELS = 10
LOAD = """async ([script, traits]) => {
  const values = {}, listeners = {};
  for (const [name, value] of Object.entries(traits))
    values[name] = typeof value === "string" && value.startsWith("base64:")
      ? new DataView(Uint8Array.from(atob(value.slice(7)), c => c.charCodeAt(0)).buffer) : value;
  const call = (event) => (listeners[event] ?? []).forEach(act => act());
  window.model = {
    get: (name) => values[name], set: (name, value) => { values[name] = value; },
    save_changes: () => call("change"), send: () => setTimeout(() => call("msg:custom")),
    on: (event, act) => (listeners[event] ??= []).push(act), off: () => {},
  };
  const url = URL.createObjectURL(new Blob([script], {type: "text/javascript"}));
  window.widget = (await import(url)).default;
}"""
DRAW = """async () => {
  widget.render({ model, el: document.body });
  while (!document.querySelector(".nw-neuron-row")) await new Promise(requestAnimationFrame);
}"""
AWAIT = "await new Promise(requestAnimationFrame); await new Promise((done) => setTimeout(done));"
SCROLL = f"""async (i) => {{
  const grid = document.querySelector(".nw-grid");
  grid.scrollTop = i * 340;
  {AWAIT} {AWAIT} }}"""
DRAG = f"""async (i) => {{
  const slider = document.querySelector(".nw-cut input[type=range]");
  slider.value = String(0.1 + 0.8 * Math.abs(Math.sin(i / 20)));
  slider.dispatchEvent(new Event("input", {{ bubbles: true }}));
  {AWAIT} }}"""
SORT = f"""async (i) => {{
  const heads = document.querySelectorAll(".nw-sort");
  heads[i % heads.length].click();
  {AWAIT} }}"""
FILTER = f"""async (i) => {{
  const handles = document.querySelectorAll(".nw-range-filter input");
  handles[2].value = String(i % 150);
  handles[2].dispatchEvent(new Event("input", {{ bubbles: true }}));
  {AWAIT} }}"""

ACTS = {"scroll by 10 rows": SCROLL, "cut all trees": DRAG, "sort": SORT, "filter": FILTER}
TIMED = """async (i) => {
  const begin = performance.now();
  await (%s)(i);
  return performance.now() - begin;
}"""


def layer(neurons: int, top: int) -> dict[str, bytes]:
    """The messages of a planted layer: `_table`, `_trees` and `_map`."""
    from scipy.cluster.hierarchy import linkage

    rng = np.random.default_rng(0)
    shapes = min(neurons, 1000)
    concepts = rng.choice([1, 2, 3, 4], shapes)
    child = np.zeros((shapes, top - 1, 2), np.uint16)
    height = np.zeros((shapes, top - 1))
    own = np.zeros(shapes)
    for i, count in enumerate(concepts):
        centres = rng.normal(0, 3, (count, 4))[rng.integers(0, count, top)]
        tree = linkage(centres + rng.normal(0, rng.uniform(0.3, 1), (top, 4)), "average")
        child[i], height[i] = tree[:, :2], tree[:, 2]
        own[i] = tree[-count, 2]
    of = np.arange(neurons) % shapes
    samples = 60_000
    sample = rng.integers(0, samples, (neurons, top)).astype(np.int32)
    histogram = rng.integers(0, 256, (neurons, 24)).astype(np.uint8)
    score = rng.random((4, neurons)).astype(np.float32)
    columns = [
        {
            "name": f"score{i}",
            "title": f"Score {i}",
            "about": "0 to 1.",
            "main": True,
            "late": False,
        }
        for i in range(4)
    ]
    names = [f"label {i}" for i in range(LABELS)]
    side = int(np.ceil(np.sqrt(neurons)))
    cell = rng.permutation(neurons)
    table = pack(
        {
            "neuron": np.arange(neurons, dtype=np.int32),
            "histogram": histogram,
            "least": np.zeros(neurons, np.float32),
            "largest": np.ones(neurons, np.float32),
            "top": sample[:, :5],
            "concepts": concepts[of].astype(np.int32),
            "score": score,
        },
        {
            "layer": "planted",
            "samples": samples,
            "split": neurons,
            "columns": columns,
            "words": [f"label {i % LABELS}" for i in range(neurons)],
            "labels": names,
            "colored": list(range(LABELS)),
        },
    )
    scale = float(height.max())
    trees = pack(
        {
            "neuron": np.arange(neurons, dtype=np.int32),
            "tops": np.full(neurons, top, np.int32),
            "child": child[of],
            "height": np.round(height[of] / scale * 65535).astype(np.uint16),
            "own": own[of].astype(np.float32),
            "sample": sample,
            "label": rng.integers(0, LABELS, (neurons, top)).astype(np.int16),
        },
        {
            "scale": scale,
            "unit": "distance",
            "minSize": 5,
            "suggested": float(np.median(own)),
            "labels": names,
        },
    )
    cells = pack(
        {"column": (cell % side).astype(np.int16), "row": (cell // side).astype(np.int16)},
        {"columns": side, "rows": -(-neurons // side), "shared": 0.4, "chance": 0.01},
    )
    empty = dict.fromkeys(("_match", "_previews", "_peaks"), b"")
    return {"_table": table, "_trees": trees, "_map": cells, **empty}


def traits(messages: dict[str, bytes]) -> dict[str, Any]:
    packed = {k: f"base64:{base64.b64encode(v).decode()}" for k, v in messages.items()}
    return packed | {
        "status": {"state": "idle", "text": "", "progress": 1},
        "reading": {},
        "searched": {},
        "_version": 1,
        "_view_version": 1,
        "_key": "benchmark",
        "_held": False,
        "neuron": 0,
        "neurons": [],
        "selection": [],
        "lit": [],
        "pinned": [],
        "notes": {},
        "_library": [],
        "threshold": -1,
        "sorting": {"column": "neuron", "descending": False},
        "filters": {},
    }


class Steps(NamedTuple):
    """Milliseconds of each step of one kind.

    Attributes:
        wall: until the step is painted.
        busy: processor time of the page's main thread: scripts, style, layout and paint.
    """

    wall: list[float]
    busy: list[float]


def measured(
    browser: Any, neurons: int, top: int, steps: int = STEPS
) -> tuple[dict[str, Steps], float]:
    """Show a planted layer in a page of `browser`, and act on it.

    Returns the times of each kind of step, and the page's memory in MB: of the process that draws
    it, the empty page's included.
    """
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.goto("about:blank")
    page.add_style_tag(path=STATIC / "neuron-browser.css")
    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        metrics = cdp.send("Performance.getMetrics")["metrics"]
        return 1000 * float({m["name"]: m["value"] for m in metrics}["TaskDuration"])

    script = (STATIC / "neuron-browser.js").read_text(encoding="utf-8")
    page.evaluate(LOAD, [script, traits(layer(neurons, top))])
    begin = busy()
    drawn = page.evaluate(TIMED % DRAW)
    found = {"first rows": Steps([drawn], [busy() - begin])}
    page.wait_for_function("() => document.querySelectorAll('.nw-neuron-row').length > 5")
    for what, act in ACTS.items():
        wall, spent = [], []
        for i in range(steps):
            before = busy()
            wall.append(page.evaluate(TIMED % act, i))
            spent.append(busy() - before)
        found[what] = Steps(wall, spent)
    cdp.send("HeapProfiler.collectGarbage")
    memory = private_memory(browser, page)
    page.close()
    return found, memory


def private_memory(browser: Any, page: Any) -> float:
    """MB of the largest process of `browser` that draws a page: that of `page`, if it is large."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    drawing = [process["id"] for process in processes if process["type"] == "renderer"]
    own = [
        int(line.split()[1])
        for pid in drawing
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("RssAnon:")
    ]
    return max(own) / 1024


def main() -> int:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=12_288)
    parser.add_argument("--top", type=int, default=100)
    args = parser.parse_args()
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        found, memory = measured(browser, args.neurons, args.top)
        browser.close()
    print(f"{args.neurons:,} neurons, {args.top} top samples; a frame: {FRAME:.1f} ms")
    for what, (wall, busy) in found.items():
        print(
            f"{what}: main thread p50 {np.percentile(busy, 50):.1f}, p95 "
            f"{np.percentile(busy, 95):.1f} ms; until painted p95 {np.percentile(wall, 95):.1f} ms"
        )
    print(f"memory of the page: {memory:.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
