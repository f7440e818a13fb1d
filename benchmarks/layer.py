"""How long every neuron of a layer takes, beside loops over SciPy, fastcluster and scikit-learn.

    python benchmarks/layer.py [--neurons 2048 --samples 20000 --width 2048 --top 100]
                               [--threads 2] [--turns 3] [--only ours,scipy] [--everything]

Each takes a neuron's top samples, their tree, the flat clusters at one threshold and the clusters'
unit mean vectors; the loops do it with NumPy and the library, neuron by neuron. In turns, in one
process, on the same float32 activations (32 directions of unequal strength behind a ReLU, which is
sparse and has ties). Then all flat clusters are compared with SciPy's. `--everything` adds what a
table has by default: suggested thresholds and every score.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WHO = ("ours", "scipy", "fastcluster", "sklearn")
MIN_SIZE = 5


def layer(samples: int, width: int) -> np.ndarray:
    """float32 `samples x width`."""
    rng = np.random.default_rng(0)
    strength = rng.gamma(1, 1, size=32)
    values = (rng.normal(size=(samples, 32)) * strength) @ rng.normal(size=(32, width))
    values += rng.normal(size=(samples, width)) - 0.5
    return np.maximum(values, 0, out=values).astype(np.float32)


def flat(who: str, points: np.ndarray, threshold: float) -> np.ndarray:
    """The flat Ward clusters of one neuron's top samples."""
    if who == "sklearn":
        from sklearn.cluster import AgglomerativeClustering

        made = AgglomerativeClustering(None, distance_threshold=threshold).fit(points)
        return np.asarray(made.labels_)
    from scipy.cluster import hierarchy

    if who == "fastcluster":
        import fastcluster

        Z = fastcluster.linkage(points, "ward")
    else:
        from scipy.spatial.distance import pdist

        Z = hierarchy.linkage(pdist(points), "ward")
    return hierarchy.fcluster(Z, threshold, "distance")


def loop(who: str, values: np.ndarray, neurons: int, top: int, threshold: float) -> np.ndarray:
    """int `neurons x top`: the flat clusters; the concept vectors are made and dropped."""
    out = np.empty((neurons, top), np.int64)
    for neuron in range(neurons):
        along = values[:, neuron]
        index = np.argpartition(-along, top)[:top]
        index = index[np.lexsort((index, -along[index]))]
        points = values[index]
        out[neuron] = flat(who, points, threshold)
        for cluster in np.unique(out[neuron]):
            mean = points[out[neuron] == cluster].mean(axis=0)
            mean /= np.linalg.norm(mean)
    return out


def ours(acts: Any, neurons: int, top: int, threshold: float) -> np.ndarray:
    import neuronwidgets as nw

    made = nw.split_layer(
        acts, top, threshold, neurons=np.arange(neurons), min_size=1, scores=(), progress=False
    )
    return np.asarray(made.assignment)


def same(one: np.ndarray, other: np.ndarray) -> float:
    """The share of neurons whose flat clusters are the same sets of samples."""
    fine = 0
    for a, b in zip(one, other, strict=True):
        pairs = np.unique(np.stack([a, b]), axis=1).shape[1]
        fine += pairs == len(np.unique(a)) == len(np.unique(b))
    return fine / len(one)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--neurons", type=int, default=2048)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--only", default=",".join(WHO))
    parser.add_argument("--everything", action="store_true")
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != str(options.threads):
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    chosen = [w for w in options.only.split(",") if w == "ours" or importlib.util.find_spec(w)]
    import neuronwidgets as nw

    values = layer(options.samples, options.width)
    acts = nw.Activations.from_arrays(values)
    size = options.neurons, options.top
    heights = [np.linalg.norm(values[i] - values[i + 1]) for i in range(100)]
    # About where a tree of 100 has five clusters.
    threshold = float(np.median(heights)) * 1.5
    ways: dict[str, Callable[[], np.ndarray]] = {
        who: (
            (lambda: ours(acts, *size, threshold))
            if who == "ours"
            else (lambda who=who: loop(who, values, *size, threshold))
        )
        for who in chosen
    }
    for who in chosen:
        # Importing is not splitting.
        if who == "ours":
            ours(acts, 4, 20, threshold)
        else:
            loop(who, values, 4, 20, threshold)
    seconds: dict[str, list[float]] = {who: [] for who in chosen}
    found = {}
    for _ in range(options.turns):
        for who, way in ways.items():
            begin = time.perf_counter()
            found[who] = way()
            seconds[who].append(time.perf_counter() - begin)
    clusters = np.mean([len(np.unique(row)) for row in found[chosen[-1]]])
    print(
        f"{options.neurons:,} neurons x top {options.top} x {options.width:,}, of "
        f"{options.samples:,} samples, {options.threads} threads, median of {options.turns}; "
        f"{clusters:.1f} clusters each"
    )
    reference = "scipy" if "scipy" in chosen else chosen[0]
    base = float(np.median(seconds[chosen[0]]))
    for who in chosen:
        took = float(np.median(seconds[who]))
        alike = f"same flat clusters {same(found[who], found[reference]):.2%}"
        print(f"{who:12}{took:8.2f} s {took / base:6.1f} x  {alike}")
    if options.everything:
        for what, more in (
            ("suggested thresholds", {"scores": ()}),
            ("k-means membership too", {"scores": (), "refined": True}),
            ("every score too", {}),
        ):
            begin = time.perf_counter()
            nw.split_layer(
                acts, options.top, neurons=np.arange(options.neurons), progress=False, **more
            )
            print(f"{what:24}{time.perf_counter() - begin:8.2f} s")


if __name__ == "__main__":
    main()
