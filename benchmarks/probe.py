"""LiveProbe: from a key press to the paint of the tokens, in Chromium.

    python benchmarks/probe.py --keys 200

Each key is pressed in the box of a text in JupyterLab. The time ends when the frame has been
painted in which the strip of tokens shows the text with that key. `echo` is the same for the first
frame after the key, the least that any key takes. `kernel` is one reading alone, without a page.
Run it with nothing else on the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.browser.conftest import Notebook, jupyterlab

SETUP = """import time, numpy as np, neuronwidgets as nw
data = nw.datasets.{name}()
texts = {texts}
acts = nw.capture(
    data.model, texts, {layer}, tokenizer=data.tokenizer, progress=False
)
probe = nw.LiveProbe(acts, data.model, neuron=5, tokenizer=data.tokenizer, text={begin!r})
def alone(rounds=100):
    spent = []
    for i in range(rounds):
        begun = time.perf_counter()
        probe._session._reader.texts([{begin!r} + " a" * (i % 5)], probe._session.subject.axes)
        spent.append(1000 * (time.perf_counter() - begun))
    print(float(np.quantile(spent, 0.95)))
probe
"""
MODELS = {
    "topics": ("data.texts[:1000]", "data.layer", "The museum is located in the town of"),
    "stories": (
        "[f'{a} had a {b} {c}.' for a in ('Lily', 'Tom', 'Ben', 'Sue') for b in ('red', 'big', "
        "'sad', 'new') for c in ('cat', 'ball', 'dog', 'hat', 'toy', 'car')]",
        "'model.layers.2.mlp.act_fn'",
        "Once upon a time, there was a little girl named Lily.",
    ),
}
TYPED = "schoolofarchitectureandcompaniesofthenorthernmountains"
WATCH = """() => {
  const frame = document.querySelector('.nw-live-probe');
  const box = frame.querySelector('textarea');
  const probed = window.probed = { spent: [], echo: [], from: 0 };
  // The first task after a frame's callbacks comes when the frame has been painted.
  const painted = (then) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => then(performance.now());
    port2.postMessage(null);
  });
  box.addEventListener('keydown', ({ timeStamp }) => {
    probed.from = timeStamp;
    painted((now) => probed.echo.push(now - timeStamp));
  }, true);
  const seen = () => {
    const { from } = probed;
    if (!from || frame.querySelector('.nw-tokens')?.textContent !== box.value) return;
    probed.from = 0;
    painted((now) => probed.spent.push(now - from));
  };
  const what = { subtree: true, childList: true, characterData: true };
  new MutationObserver(seen).observe(frame, what);
}"""
ENOUGH = "count => window.probed.spent.length >= count"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=200)
    keys = parser.parse_args().keys
    with tempfile.TemporaryDirectory() as root, jupyterlab(Path(root)) as lab:
        for name, (texts, layer, begin) in MODELS.items():
            setup = SETUP.format(name=name, texts=texts, layer=layer, begin=begin)
            notebook = lab.notebook(name, [setup])
            notebook.run_all()
            notebook.frame()
            spent, echo = measured(notebook, keys)
            kernel = float(notebook.python("alone()"))
            print(
                f"{name}: key to paint, {len(spent)} keys: median {statistics.median(spent):.0f} "
                f"ms, p95 {quantile(spent):.0f} ms, max {max(spent):.0f} ms; echo p95 "
                f"{quantile(echo):.0f} ms; kernel p95 {kernel:.0f} ms"
            )
            notebook.page.close()


def measured(notebook: Notebook, keys: int) -> tuple[list[float], list[float]]:
    """Milliseconds from each key to the paint of its reading, and to the next frame."""
    page = notebook.page
    page.evaluate(WATCH)
    box = page.locator(".nw-live-probe textarea").first
    box.focus()
    page.keyboard.press("End")
    page.keyboard.type(" ")
    page.evaluate("() => { window.probed.from = 0; window.probed.spent = []; }")
    for i in range(keys):
        page.keyboard.press(TYPED[i % len(TYPED)])
        page.wait_for_function(ENOUGH, arg=i + 1)
        if i % len(TYPED) == len(TYPED) - 1:
            # The text stays as long as one that people type.
            notebook.python("probe.text = probe.text[: -40]")
            notebook.follows("probe.result.text == probe.text", "True")
            box.focus()
            page.keyboard.press("End")
    spent, echo = json.loads(
        page.evaluate("() => JSON.stringify([window.probed.spent, window.probed.echo])")
    )
    return spent, echo


def quantile(values: list[float]) -> float:
    """The 95% quantile."""
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main()
