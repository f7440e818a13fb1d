"""How long a tree takes, beside SciPy, fastcluster and scikit-learn, and what memory.

    python benchmarks/linkage.py [--samples 10000 --neurons 768] [--method ward] [--metric ...]
                                 [--data mixture] [--threads 2] [--turns 1] [--only ours,scipy]

Every run is a fresh process that makes the same float32 samples and clusters them once; the clock
runs around the clustering, and the memory is the most that the whole process took (the libraries
and the samples are part of it). In turns. Then each tree is compared with SciPy's, or with our own
where SciPy was left out. Rivals that are not installed are left out. `--data`: "noise" (normal),
"mixture" (100 centres), "loose" (20 centres, half as far apart as their samples), "layer" (32
directions of unequal strength behind a ReLU).

    python benchmarks/linkage.py --growth linkage-growth.html

prints and draws (Altair: .html or .json; .svg with vl-convert-python) our time for 1,000 to 50,000
samples and for each doubling of neurons.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

WHO = ("ours", "scipy", "fastcluster", "sklearn")


def samples(data: str, count: int, width: int) -> np.ndarray:
    """float32 `count x width`."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(count, width)).astype(np.float32)
    if data == "mixture":
        noise *= 0.5
        noise += rng.normal(size=(100, width)).astype(np.float32)[rng.integers(0, 100, count)]
    elif data == "loose":
        noise += 0.5 * rng.normal(size=(20, width)).astype(np.float32)[rng.integers(0, 20, count)]
    elif data == "layer":
        strength = rng.gamma(1, 1, size=32)
        noise *= 0.3
        noise += (rng.normal(size=(count, 32)) * strength) @ rng.normal(size=(32, width)) - 0.5
        noise = np.maximum(noise, 0)
    return noise


def cluster(who: str, X: np.ndarray, method: str, metric: str) -> np.ndarray:
    """`Z`; scikit-learn's in the same numbering."""
    if who == "ours":
        import neuronwidgets as nw

        return nw.linkage(X, method, metric)
    if who == "scipy":
        from scipy.cluster import hierarchy
        from scipy.spatial.distance import pdist

        return hierarchy.linkage(pdist(X, metric), method)
    if who == "fastcluster":
        import fastcluster

        return fastcluster.linkage(X, method, metric)
    from sklearn.cluster import AgglomerativeClustering

    made = AgglomerativeClustering(
        None, linkage=method, metric=metric, distance_threshold=0, compute_full_tree=True
    ).fit(X)
    sizes = np.zeros(len(made.children_))
    return np.column_stack([made.children_, made.distances_, sizes])


def once(who: str, options: argparse.Namespace, folder: str) -> tuple[float, float, np.ndarray]:
    """Seconds, peak gigabytes, `Z`, of one run in a fresh process."""
    out = Path(folder) / "Z.npz"
    values = [options.data, options.samples, options.neurons, options.method, options.metric, out]
    env = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    command = [sys.executable, __file__, "--run", who, *map(str, values)]
    subprocess.run(command, check=True, env=env)
    with np.load(out) as saved:
        return float(saved["seconds"]), float(saved["gigabytes"]), saved["Z"]


def run(who: str, data: str, count: str, width: str, method: str, metric: str, out: str) -> None:
    """The fresh process: clusters and saves what `once` reads."""
    X = samples(data, int(count), int(width))
    # Importing is not clustering.
    cluster(who, X[:50], method, metric)
    if who == "ours":
        import torch  # noqa: F401
    begin = time.perf_counter()
    Z = cluster(who, X, method, metric)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    np.savez(out, seconds=seconds, gigabytes=peak, Z=Z)


def compare(Z: np.ndarray, reference: np.ndarray) -> str:
    """How far the heights are apart, and whether the nodes are the same."""
    height = reference[:, 2]
    apart = np.abs(Z[:, 2] - height).max() / height[-1]
    relative = np.abs(Z[:, 2] / np.where(height > 0, height, 1) - 1)[height > 0].max()
    same = (np.sort(Z[:, :2]) == np.sort(reference[:, :2])).all(axis=1).mean()
    return f"heights within {relative:.1e} relative ({apart:.1e} of the top), same nodes {same:.2%}"


def race(options: argparse.Namespace) -> None:
    chosen = options.only.split(",") if options.only else [*WHO]
    chosen = [who for who in chosen if who == "ours" or importlib.util.find_spec(who)]
    seconds: dict[str, list[float]] = {who: [] for who in chosen}
    trees: dict[str, np.ndarray] = {}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.turns):
            for who in chosen:
                took, memory[who], trees[who] = once(who, options, folder)
                seconds[who].append(took)
    print(
        f"{options.method}/{options.metric}, {options.data}, {options.samples:,} x "
        f"{options.neurons:,} float32, {options.threads} threads, median of {options.turns}"
    )
    ours = float(np.median(seconds["ours"])) if "ours" in chosen else np.nan
    reference = "scipy" if "scipy" in chosen else chosen[0]
    for who in chosen:
        took = float(np.median(seconds[who]))
        beside = "" if who == reference else compare(trees[who], trees[reference])
        print(f"{who:12}{took:8.2f} s {took / ours:6.1f} x {memory[who]:6.2f} GB  {beside}")


def growth(options: argparse.Namespace) -> None:
    """Our time for 1,000 to 50,000 samples, and for each doubling of neurons."""
    rows = []
    sizes = [(count, 768, "samples") for count in (1000, 2000, 5000, 10_000, 20_000, 50_000)]
    sizes += [(10_000, 96 * 2**i, "neurons") for i in range(6)]
    with tempfile.TemporaryDirectory() as folder:
        for options.samples, options.neurons, doubled in sizes:
            took, memory, _ = once("ours", options, folder)
            size = options.samples if doubled == "samples" else options.neurons
            before = [row for row in rows if row["doubled"] == doubled]
            factor = f"{took / before[-1]['seconds']:.1f} x" if before else ""
            print(
                f"{options.samples:8,} x {options.neurons:5,}{took:8.2f} s{memory:7.2f} GB {factor}"
            )
            rows.append({"doubled": doubled, "size": size, "seconds": took})
    draw(rows).save(options.growth)


def draw(rows: list[dict[str, Any]]) -> Any:
    """Seconds over samples, and over neurons (Altair)."""
    import altair as alt
    import pandas as pd

    titles = {"samples": "samples (of 768 neurons)", "neurons": "neurons (10,000 samples)"}
    charts = []
    for doubled, title in titles.items():
        some = pd.DataFrame([row for row in rows if row["doubled"] == doubled])
        sizes = some["size"].tolist()
        x = alt.X("size").scale(type="log", domain=[sizes[0] / 1.2, sizes[-1] * 1.2])
        y = alt.Y("seconds").scale(type="log").axis(values=[0.1, 0.3, 1, 3, 10, 30], format="~g")
        chart = alt.Chart(some, width=330, height=240).mark_line(point=True, color="#4477aa")
        charts.append(chart.encode(x.title(title).axis(values=sizes, labelAngle=-40), y))
    return alt.hconcat(*charts).resolve_scale(y="shared")


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        return run(*sys.argv[2:])
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--neurons", type=int, default=768)
    parser.add_argument("--method", default="ward")
    parser.add_argument("--metric", default="")
    parser.add_argument("--data", default="mixture", choices=("noise", "mixture", "loose", "layer"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--growth", default="")
    options = parser.parse_args()
    default = "cosine" if options.method == "average" else "euclidean"
    options.metric = options.metric or default
    if options.growth:
        return growth(options)
    race(options)


if __name__ == "__main__":
    main()
