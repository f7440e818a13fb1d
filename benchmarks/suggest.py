"""Which rule finds the cut? Planted clusters and toy models whose features are known.

    python benchmarks/suggest.py [--planted 200] [--seeds 2]

Rules: the widest gap; its width times the number of concepts or the root of that (two former
defaults); the default (`split.suggested`: the largest silhouette times the fourth root of the
number of concepts); the best silhouette, and the same of the samples in concepts alone; the
stablest cut (`split.suggest()`); and the best of all stretches, by the truth.

Planted: 100 samples of 2 to 8 Gaussian clusters of unequal size in 4 to 256 dimensions, at a
separation drawn at random; the adjusted Rand index with the truth, samples in no concept being one
more group. Toys: see `toy_recovery.py`; the harmonic mean of precision and of the share of
features that reach the top which are recovered. Means, with the error of the mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import toy_recovery
from sklearn.metrics import adjusted_rand_score, silhouette_score

import neuronwidgets as nw
from neuronwidgets import toy
from neuronwidgets.concepts.split import Split
from neuronwidgets.concepts.suggest import stretches

METHODS: tuple[tuple[str, str | None], ...] = (
    ("ward", "cosine"), ("ward", "euclidean"), ("average", None),
)  # fmt: skip
Scores = dict[str, list[float]]


def add(scores: Scores, made: Split, quality: Callable[[float], float]) -> None:
    """How good each rule's cut of one split is."""
    found = [s for s in stretches(made.tree, made.min_size) if s.concepts > 1]
    if not found:
        return
    chosen = {
        "widest gap": max(found, key=lambda s: s.gap).threshold,
        "width x root K": max(found, key=lambda s: s.gap * s.concepts**0.5).threshold,
        "width x K": max(found, key=lambda s: s.gap * s.concepts).threshold,
        "default": made.suggested,
        "silhouette": max(found, key=lambda s: silhouette(made, s.threshold)).threshold,
        "silhouette in concepts": max(found, key=lambda s: alone(made, s.threshold)).threshold,
    }
    said = made.suggest("stable")
    chosen["stable"] = said[0].threshold if said else made.suggested
    every = {s.threshold: quality(s.threshold) for s in found}
    for name, threshold in chosen.items():
        scores.setdefault(name, []).append(every[threshold])
    scores.setdefault("the best, by the truth", []).append(max(every.values()))


def alone(made: Split, threshold: float) -> float:
    """The mean silhouette of the samples in concepts, as if the others were not there."""
    labels = made.cut(threshold).assignment
    kept = labels >= 0
    distances = made.distances[np.ix_(kept, kept)]
    return float(silhouette_score(distances, labels[kept], metric="precomputed"))


def silhouette(made: Split, threshold: float) -> float:
    """The mean silhouette, samples in no concept counting 0."""
    return alone(made, threshold) * float((made.cut(threshold).assignment >= 0).mean())


def planted(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Samples and their clusters."""
    clusters, width = int(rng.integers(2, 9)), int(rng.choice([4, 16, 64, 256]))
    sizes = np.maximum(7, np.round(rng.dirichlet(np.full(clusters, 4.0)) * 100).astype(int))
    sizes[sizes.argmax()] -= sizes.sum() - 100
    kind = np.repeat(np.arange(clusters), sizes)
    spread = rng.uniform(0.6, 1.4, clusters) if rng.random() < 0.5 else np.ones(clusters)
    centres = rng.normal(size=(clusters, width)) * rng.uniform(1.5, 6.0)
    noise = rng.normal(size=(100, width)) * spread[kind, None] * width**0.25
    return centres[kind] + noise * np.sqrt(2.0), kind


def run_planted(count: int) -> None:
    for method, metric in METHODS:
        rng, scores = np.random.default_rng(0), Scores()
        for _ in range(count):
            values, kind = planted(rng)
            made = nw.split(values, 0, 100, method, metric)
            truth = kind[made.index]

            def quality(t: float, made: Split = made, truth: np.ndarray = truth) -> float:
                return float(adjusted_rand_score(truth, made.cut(t).assignment))

            add(scores, made, quality)
        show(f"planted clusters, {method} {metric or ''}", scores)


def run_toys(seeds: int) -> None:
    base = replace(toy_recovery.BASE, dims=16, neurons=128)
    runs = toy.train([replace(base, seed=seed) for seed in range(seeds)], progress=False)
    for setting in toy_recovery.SETTINGS[:3]:
        for method, metric in METHODS:
            scores = Scores()
            for run in runs:
                add_toy(scores, run, setting, method, metric)
            only = " with one feature each" if setting.alone else ""
            show(
                f"toys, top {setting.top} of {setting.samples:,}{only}, {method} {metric or ''}",
                scores,
            )


def add_toy(
    scores: Scores, run: toy.Run, setting: toy_recovery.Setting, method: str, metric: str | None
) -> None:
    v = toy_recovery.samples(run, setting)
    acts = nw.capture(run.model(), v, layer="act", progress=False)
    driving = toy_recovery._driving(run)
    for neuron in np.flatnonzero(~run.dead & ~run.monosemantic)[:: setting.top // 50]:
        features = np.flatnonzero(driving[neuron])
        true = run.A.T[features]
        try:
            made = nw.split(acts, int(neuron), setting.top, method, metric)
        except ValueError:
            continue
        part = v[made.index][:, features] * run.A[neuron, features]
        most = np.where(part.max(axis=1) > 0, part.argmax(axis=1), -1)
        reach = np.bincount(most[most >= 0], minlength=len(features)) >= made.min_size
        if not reach.any():
            continue

        def quality(
            t: float, made: Split = made, true: np.ndarray = true, reach: np.ndarray = reach
        ) -> float:
            found = toy_recovery._calibrate(toy_recovery._vectors(made, t), true)
            hit = np.zeros(len(true), bool)
            hit[found.true[found.matched >= found.threshold]] = True
            recall, precision = hit[reach].mean(), hit.sum() / max(1, len(found.cosines))
            return float(2 * recall * precision / max(recall + precision, 1e-9))

        add(scores, made, quality)


def show(title: str, scores: Scores) -> None:
    count = len(next(iter(scores.values())))
    print(f"{title} ({count} splits)")
    for name, values in scores.items():
        error = np.std(values) / np.sqrt(count)
        print(f"  {name:24} {np.mean(values):.3f} ± {error:.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    run_planted(arguments.planted)
    run_toys(arguments.seeds)
