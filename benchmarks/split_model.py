"""How long every neuron of a model takes, in processor time, and how that grows.

    python benchmarks/split_model.py [--width 768 --layers 12 --tokens 16384] [--scores]
                                      [--device cuda]
    python benchmarks/split_model.py --merging
    python benchmarks/split_model.py --growth split-model-growth.svg [--width 256]

A model of GPT-2's shape with random weights (`4 width` neurons a layer) reads random tokens, 128 a
text, `pooling="token"`, top 100. Prints for each step the processor time of all threads, the time
by the clock, the bytes in the folder and the peak of memory; beside them the plain forward pass.
`--growth` measures layers and tokens one after the other, in a process for each, and draws them as
an SVG.
"""

from __future__ import annotations

import argparse
import copy
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

STEPS = {"forward": "#999999", "pass 1": "#4477aa", "pass 2": "#228833", "trees": "#cc3311"}
"""The steps and their colours; "forward" is the plain forward pass."""
TEXT = 128
"""Tokens of a text."""
LAYERS, TOKENS = (1, 2, 4, 8), (8_192, 16_384, 32_768, 65_536, 131_072)
"""What `--growth` measures: layers with the fewest tokens but one, tokens with two layers."""


def model_of(width: int, layers: int) -> Any:
    """A GPT-2 with random weights, without its unembedding."""
    import torch
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=5_000, n_positions=TEXT, n_embd=width, n_layer=layers, n_head=width // 64
    )
    return GPT2Model(config).eval()


@contextmanager
def timed(times: dict[str, list[float]], name: str) -> Iterator[None]:
    """Add the processor's and the clock's seconds to `times[name]`."""
    processor, clock = time.process_time(), time.perf_counter()
    yield
    spent = [time.process_time() - processor, time.perf_counter() - clock]
    times[name] = [a + b for a, b in zip(times.get(name, [0.0, 0.0]), spent, strict=True)]


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """One run. Returns its numbers."""
    import torch

    import neuronwidgets as nw
    from neuronwidgets.layer_splits.model_run import ModelRun

    model = model_of(options.width, options.layers).to(options.device)
    ids = np.random.default_rng(0).integers(0, 5_000, (options.tokens // TEXT, TEXT))
    times: dict[str, list[float]] = {}
    with timed(times, "forward"), torch.inference_mode():
        for start in range(0, len(ids), 64):
            model(torch.from_numpy(ids[start : start + 64]).to(options.device))

    def watched(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            with timed(times, name):
                return method(*arguments)

        return run

    ModelRun.find_tops = watched("pass 1", ModelRun.find_tops)  # type: ignore[method-assign]
    ModelRun.gather = watched("pass 2", ModelRun.gather)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        with timed(times, "all"):
            splits = nw.split_model(
                model, ids, None, 100, "token", out=folder, first=True, progress=False,
                dtype=options.dtype, scores=None if options.scores else (),
            )  # fmt: skip
        count = sum(len(acts.tops) for acts in splits.values())
        rows = sum(len(layer.acts or ()) for layer in splits.values())
        sizes = {
            kind: sum(f.stat().st_size for f in (Path(folder) / kind).rglob("*") if f.is_file())
            for kind in ("pass", "tops", "rows", "splits")
        }
    both = zip(times["pass 1"], times["pass 2"], strict=True)
    times["trees"] = [all_ - a - b for all_, (a, b) in zip(times["all"], both, strict=True)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    about = {name: getattr(options, name) for name in ("width", "layers", "tokens", "dtype")}
    return {**about, "neurons": count, "rows": rows, "times": times, "bytes": sizes, "peak": peak}


def merging(neurons: int) -> float:
    """Processor seconds that one neuron's top samples of a worker take to be merged."""
    import torch

    from neuronwidgets.capturing.collectors.chunk import Chunk
    from neuronwidgets.layer_splits.candidates import Candidates

    torch.set_num_threads(1)
    states = []
    for worker in range(4):
        state = Candidates(100)
        for batch in range(2):
            first = (2 * worker + batch) * 2048
            state.add(Chunk(torch.randn(2048, neurons), torch.arange(first, first + 2048)))
        states.append(copy.deepcopy(state))  # as a worker sends it
    began = time.process_time()
    for state in states[1:]:
        states[0].merge(state)
    return (time.process_time() - began) / 3 / neurons


def show(run: dict[str, Any]) -> None:
    """Print one run."""
    print(
        f"{run['neurons']:,} neurons in {run['layers']} layers, {run['tokens']:,} tokens, "
        f"{run['rows']:,} rows gathered; peak {run['peak'] / 1e9:.1f} GB"
    )
    for name, (processor, clock) in run["times"].items():
        print(f"  {name:8} {processor:8.1f} s of the processor {clock:8.1f} s by the clock")
    print("  " + ", ".join(f"{kind} {size / 1e6:,.0f} MB" for kind, size in run["bytes"].items()))


def growth(options: argparse.Namespace) -> None:
    """Runs of more and more layers and tokens, each in a process of its own."""
    runs = []
    for layers, tokens in [(n, TOKENS[1]) for n in LAYERS] + [(2, n) for n in TOKENS]:
        command = [
            sys.executable, __file__, "--json", "--width", str(options.width), "--layers",
            str(layers), "--tokens", str(tokens), "--dtype", options.dtype,
        ]  # fmt: skip
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        runs.append(json.loads(done.stdout))
        show(runs[-1])
    Path(options.growth).write_text(drawn(runs), "utf-8")


def drawn(runs: list[dict[str, Any]]) -> str:
    """An SVG: the seconds of each step by neurons, and by tokens."""
    by_layers = [run for run in runs if run["tokens"] == TOKENS[1]]
    by_tokens = sorted((run for run in runs if run["layers"] == 2), key=lambda run: run["tokens"])
    panels = [
        panel(by_layers, "neurons", f"neurons ({TOKENS[1]:,} tokens)", 56),
        panel(by_tokens, "tokens", f"tokens ({by_tokens[0]['neurons']:,} neurons)", 436),
    ]
    legend = [
        f'<g transform="translate({76 + 110 * i},18)"><rect width="14" height="4" y="-5" '
        f'fill="{colour}"/><text x="20">{step}</text></g>'
        for i, (step, colour) in enumerate(STEPS.items())
    ]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="784" height="312" '
        'font-family="sans-serif" font-size="12" fill="#222">'
        '<rect width="784" height="312" fill="white"/>\n'
        + "\n".join([*legend, *panels])
        + "\n</svg>\n"
    )


def panel(runs: list[dict[str, Any]], axis: str, title: str, left: int) -> str:
    """One panel of the drawing, both axes linear from 0."""
    width, height = 310, 224
    most_x = max(run[axis] for run in runs)
    most_y = max(run["times"][step][0] for run in runs for step in STEPS)
    tick = next(t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500) if most_y / t <= 6)
    parts = [f'<g transform="translate({left},36)">']
    for value in range(0, int(most_y) + 1, tick):
        y = height - value / most_y * height
        parts.append(
            f'<path d="M0,{y:.1f}h{width}" stroke="#ddd"/>'
            f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{value}</text>'
        )
    # Below 1/6 of the axis numbers would overlap.
    for x in sorted({run[axis] for run in runs if run[axis] * 6 > most_x}):
        place = x / most_x * width
        parts.append(f'<text x="{place:.1f}" y="{height + 18}" text-anchor="middle">{x:,}</text>')
    for step, colour in STEPS.items():
        places = [
            (run[axis] / most_x * width, height - run["times"][step][0] / most_y * height)
            for run in runs
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    parts.append(f'<path d="M0,0v{height}h{width}" stroke="#888" fill="none"/>')
    middle = width / 2
    parts.append(f'<text x="{middle}" y="{height + 40}" text-anchor="middle">{title}</text>')
    turned = f'x="{-height / 2}" y="-38" text-anchor="middle"'
    parts.append(f'<text transform="rotate(-90)" {turned}>seconds of the processor</text></g>')
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=16_384)
    parser.add_argument("--dtype", default="float32", help="of the gathered rows")
    parser.add_argument("--device", default="cpu", help="of the model, such as cuda")
    parser.add_argument("--scores", action="store_true")
    parser.add_argument("--folder", help="where the temporary folder is made")
    parser.add_argument("--growth", metavar="FILE.svg")
    parser.add_argument("--json", action="store_true", help="print the numbers of one run as JSON")
    parser.add_argument("--merging", action="store_true", help="what merging workers' states takes")
    options = parser.parse_args()
    if options.growth:
        growth(options)
    elif options.merging:
        print(f"{1e6 * merging(4 * options.width):.1f} us of the processor for each neuron")
    elif options.json:
        print(json.dumps(measured(options)))
    else:
        show(measured(options))


if __name__ == "__main__":
    main()
