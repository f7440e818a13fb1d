"""What NeuronBrowser costs the kernel for a large layer: first rows, map, search, trees.

    python benchmarks/overviews.py [--neurons 12288 --samples 2000 --split 1024]

Synthetic activations: each neuron fires for three of 256 features, each sample has two. The map is
judged by the share of top samples that neighbours have in common, beside random pairs of
cells.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import neuronwidgets as nw
from neuronwidgets.core.steps import drained
from neuronwidgets.overviews.forest import Forest
from neuronwidgets.overviews.overview import extremes, histograms
from neuronwidgets.overviews.placement import placement
from neuronwidgets.overviews.search import Standard, by_samples
from neuronwidgets.widgets.neuron_browser.messages import pack_table, pack_trees
from neuronwidgets.widgets.neuron_browser.nulls import Nulls
from neuronwidgets.widgets.neuron_browser.rows import TOP, Rows

FEATURES = 256
TURNS = 3


def layer(samples: int, neurons: int) -> np.ndarray:
    """float32 `samples x neurons`, after a ReLU."""
    rng = np.random.default_rng(0)
    features = np.zeros((samples, FEATURES), np.float32)
    features[np.arange(samples), rng.integers(0, FEATURES // 2, samples)] = 1
    features[np.arange(samples), rng.integers(FEATURES // 2, FEATURES, samples)] = 0.7
    weights = np.zeros((FEATURES, neurons), np.float32)
    for _ in range(3):
        weights[rng.integers(0, FEATURES, neurons), np.arange(neurons)] = rng.random(neurons) + 0.5
    values = features @ weights - 0.2
    values += 0.3 * rng.standard_normal(values.shape, dtype=np.float32)
    return np.maximum(values, 0, out=values)


def timed(what: str, work: Callable[[], Any], turns: int = TURNS) -> Any:
    """Print the shortest of some turns, and its time on all cores; returns the last result."""
    seconds = []
    for _ in range(turns):
        start, busy = time.perf_counter(), time.process_time()
        result = work()
        seconds.append((time.perf_counter() - start, time.process_time() - busy))
    wall, cores = (1000 * part for part in min(seconds))
    print(f"{what:48s} {wall:9.0f} ms    on all cores {cores:7.0f} ms")
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--neurons", type=int, default=12_288)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--split", type=int, default=1_024)
    given = parser.parse_args()
    acts = nw.Activations.from_arrays(layer(given.samples, given.neurons), layer="synthetic")
    print(f"{given.neurons:,} neurons x {given.samples:,} samples")
    neurons = np.arange(given.neurons)

    def first_rows() -> tuple[Rows, bytes]:
        found = drained(extremes(acts.values, TOP))
        rows = Rows.blank(neurons).with_extremes(found)
        return rows, pack_table(acts, rows, Forest(acts, neurons), Nulls(acts))

    rows, packed = timed("first rows: top 5, least, largest, packed", first_rows)
    print(f"{'   message table':48s} {len(packed) / 1e6:9.2f} MB")
    timed("histograms", lambda: drained(histograms(acts.values, rows.least, rows.largest)))
    top = timed("top 100 of every neuron", lambda: drained(extremes(acts.values, 100))).top
    place = timed("placement", lambda: drained(placement(top, given.samples)))
    print(f"{'   neighbours share':48s} {place.shared:9.1%}    by chance {place.chance:.1%}")
    rng = np.random.default_rng(1)
    these = rng.choice(given.samples, given.samples // 10, replace=False)
    timed("contrast, first (ranks every neuron)", lambda: nw.contrast(acts, these), 1)
    timed("contrast, later", lambda: nw.contrast(acts, these))
    standard = timed("deviations of every neuron, once", lambda: Standard.of(acts), 1)
    timed("search by samples", lambda: by_samples(acts, these, standard))
    if not given.split:
        return
    split = timed(
        f"split of {given.split:,} neurons, cheap scores",
        lambda: nw.split_layer(
            acts, neurons=neurons[: given.split], scores=("active", "kurtosis", "sparsity"),
            progress=False,
        ),
        1,
    )  # fmt: skip
    forest = Forest(acts, neurons)
    timed("   its compact form and names", lambda: forest.add(split.blocks, split.settings), 1)
    packed = timed("   message trees", lambda: pack_trees(acts, forest))
    print(f"{'   message trees':48s} {len(packed) / 1e6:9.2f} MB")


if __name__ == "__main__":
    main()
