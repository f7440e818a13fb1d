"""The suite's own calibration: does splitting a polysemantic neuron find its true features?

    python benchmarks/toy.py --only recovery [--quick] [--threads 1]

Trains toy models (feature decoder, zero start) and splits every live neuron that is not
monosemantic by the paper's 0.999 rule. The reference is what the model computes: a feature drives
a neuron if its response there is at least a tenth of the largest one, and its direction is the
layer's response to it alone. Concepts and features are matched one to one; a feature is recovered
at a cosine of 0.9.

Printed for each method and cut, over all neurons and seeds together: the share of driving features
that are recovered; the same of strong ones (at least half of the largest response) and of those
that reach the top (they are the largest part of the activation of at least `min_size` top
samples); precision, the share of concepts that match a feature; the median over neurons of the
median matched cosine; and per neuron how many concepts are found, how many features drive it, and
how many reach the top. Below, why features that reach the top are missed at the suggested cut: most
of their samples are in a concept with others' ("merged"), in no concept, or in one of their own
whose mean is off.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

import neuronwidgets as nw
from neuronwidgets import toy
from neuronwidgets.concepts.split import Split

DRIVES, STRONG = 0.1, 0.5
BASE = toy.Config.zero_bias(features=64, batch=256, steps=6656, learning_rate=0.01)


class Setting(NamedTuple):
    samples: int
    top: int
    min_size: int | None = None
    alone: bool = False
    """Whether only samples of exactly one feature are taken."""


SETTINGS = [
    Setting(4_000, 100),
    Setting(4_000, 400),
    Setting(4_000, 100, alone=True),
    Setting(40_000, 400),
    Setting(40_000, 400, min_size=5),
]
SHARES = (0.2, 0.35, 0.5)
"""Fixed cuts, as shares of the tree's height."""


@dataclass
class Score:
    """What one method at one cut has found, summed over neurons."""

    counts: dict[str, int] = field(default_factory=dict)
    medians: list[float] = field(default_factory=list)
    neurons: int = 0

    def add(self, found: toy.Calibration, strong: np.ndarray, reach: np.ndarray) -> None:
        hit = np.zeros(found.cosines.shape[1], bool)
        hit[found.true[found.matched >= found.threshold]] = True
        for name, count in {
            "hit": hit.sum(), "drive": len(hit), "strong hit": hit[strong].sum(),
            "strong": strong.sum(), "reach hit": hit[reach].sum(), "reach": reach.sum(),
            "found": len(found.cosines),
        }.items():  # fmt: skip
            self.counts[name] = self.counts.get(name, 0) + int(count)
        if len(found.matched):
            self.medians.append(float(np.median(found.matched)))
        self.neurons += 1

    def row(self) -> str:
        n = self.counts
        shares = (("hit", "drive"), ("strong hit", "strong"), ("reach hit", "reach"),
                  ("hit", "found"))  # fmt: skip
        cells = [f"{n[a] / n[b]:8.1%}" if n[b] else f"{'-':>8}" for a, b in shares]
        middle = np.median(self.medians) if self.medians else np.nan
        return (
            f"{' '.join(cells)} {middle:8.3f} {n['found'] / self.neurons:7.1f} "
            f"{n['drive'] / self.neurons:7.1f} {n['reach'] / self.neurons:7.1f}"
        )


def recovery(seeds: int, quick: bool) -> None:
    """A small model at all settings; one of twice the size at the first two."""
    table(replace(BASE, dims=16, neurons=128), seeds, SETTINGS[: 2 if quick else None])
    if not quick:
        table(replace(BASE, dims=32, neurons=256), seeds, SETTINGS[:2])


def table(base: toy.Config, seeds: int, settings: list[Setting]) -> None:
    """Train, split, and print a table for each of `settings`."""
    began = time.perf_counter()
    runs = toy.train([replace(base, seed=seed) for seed in range(seeds)])
    polysemantic = [int((~run.dead & ~run.monosemantic).sum()) for run in runs]
    drivers = np.concatenate([_driving(run).sum(axis=1) for run in runs])
    low, middle, high = np.quantile(drivers[drivers > 0], [0.1, 0.5, 0.9])
    print(
        f"{base}, {seeds} seeds, {time.perf_counter() - began:.0f} s: {sum(polysemantic)} live "
        f"polysemantic neurons, driven by {middle:.0f} features (10% to 90%: {low:.0f} to "
        f"{high:.0f}); relative loss {np.mean([run.relative_loss for run in runs]):.3f}"
    )
    for setting in settings:
        began = time.perf_counter()
        scores: dict[str, Score] = {}
        causes: dict[str, Counter[str]] = {}
        for run in runs:
            for name, found, strong, reach in splits(run, setting, causes):
                scores.setdefault(name, Score()).add(found, strong, reach)
        least = setting.min_size or max(2, setting.top // 20)
        print(
            f"top {setting.top} of {setting.samples:,}"
            f"{' with one feature each' if setting.alone else ''}, concepts of at least {least}"
        )
        heads = ("recover", "strong", "reach", "precise", "median", "found", "true", "reach")
        print(f"{'':32}" + " ".join(f"{h:>{8 if i < 5 else 7}}" for i, h in enumerate(heads)))
        for name, score in scores.items():
            print(f"{name:32}{score.row()}")
        for name, counts in causes.items():
            all_of_them = counts.total()
            said = ", ".join(f"{n / all_of_them:.1%} {cause}" for cause, n in counts.most_common())
            print(f"  {name}, of those that reach the top: {said}")
        print(f"  {time.perf_counter() - began:.0f} s", flush=True)


def splits(
    run: toy.Run, setting: Setting, causes: dict[str, Counter[str]]
) -> Iterator[tuple[str, toy.Calibration, np.ndarray, np.ndarray]]:
    """For every polysemantic neuron, each method and cut: its calibration, and which of its
    features are strong, and reach the top."""
    v = samples(run, setting)
    acts = nw.capture(run.model(), v, layer="act", progress=False)
    driving = _driving(run)
    for neuron in np.flatnonzero(~run.dead & ~run.monosemantic):
        features = np.flatnonzero(driving[neuron])
        response = run.A[neuron, features]
        true = run.A.T[features]
        for method in ("ward", "average"):
            try:
                made = nw.split(acts, int(neuron), setting.top, method, min_size=setting.min_size)
            except ValueError:  # a neuron that fires for so few that all-zero samples are on top
                continue
            part = v[made.index][:, features] * response
            most = np.where(part.max(axis=1) > 0, part.argmax(axis=1), -1)
            reach = np.bincount(most[most >= 0], minlength=len(features)) >= made.min_size
            about = response >= STRONG * response.max(), reach
            chosen = cuts(made, len(features))
            tried = [_calibrate(_vectors(made, t), true) for t in _heights(made, 40)]
            best = max(tried, key=lambda c: ((c.matched >= c.threshold).sum(), c.precise))
            for name, threshold in chosen.items():
                found = _calibrate(_vectors(made, threshold), true)
                yield f"{method}, {name}", found, *about
                if name == "suggested":
                    causes.setdefault(method, Counter()).update(
                        why(found, made.cut().assignment, most, reach)
                    )
            yield f"{method}, the best of 40 cuts", best, *about
            if method == "ward":
                for name in ("suggested", "as many as drive"):
                    refined = made.cut(chosen[name]).refine()
                    yield f"k-means, {name}", _calibrate(refined.vectors, true), *about


def samples(run: toy.Run, setting: Setting) -> np.ndarray:
    """Features of samples that were not trained on: `samples x N`."""
    if not setting.alone:
        return run.sample(setting.samples, seed=1)[0]
    v, _ = run.sample(4 * setting.samples, seed=1)
    return v[(v > 0).sum(axis=1) == 1][: setting.samples]


def why(
    found: toy.Calibration, labels: np.ndarray, most: np.ndarray, reach: np.ndarray
) -> Iterator[str]:
    """What became of each feature that reaches the top.

    `labels` are the concepts of the top samples, `most` the feature that gives most to each.
    """
    hit = set(found.true[found.matched >= found.threshold].tolist())
    for feature in np.flatnonzero(reach):
        mine = labels[most == feature]
        if feature in hit:
            yield "recovered"
        elif (mine < 0).mean() > 0.5:
            yield "in no concept"
        else:
            concept = np.bincount(mine[mine >= 0]).argmax()
            own = (most[labels == concept] == feature).mean()
            yield "off" if own > 0.7 else "merged"


def cuts(made: Split, drivers: int) -> dict[str, float]:
    """The thresholds that are tried, by name."""
    heights = _heights(made, 200)
    tree = made.tree
    counts = [int((tree.size[tree.cut(t)] >= made.min_size).sum()) for t in heights]
    near = int(np.argmin([abs(count - drivers) for count in counts]))
    return {
        "suggested": made.suggested,
        **{f"{share:.0%} of the height": share * tree.top for share in SHARES},
        "as many as drive": heights[near],
    }


def _heights(made: Split, count: int) -> list[float]:
    """From the top down, even on the square-root scale."""
    return [float(u * u * made.tree.top) for u in np.linspace(1.01, 0.02, count)]


def _vectors(made: Split, threshold: float) -> np.ndarray:
    """The concept vectors at a cut, but for their length."""
    tree = made.tree
    nodes = [n for n in tree.cut(threshold).tolist() if tree.size[n] >= made.min_size]
    means = [made.vectors[tree.samples_of(n)].mean(axis=0, dtype=np.float64) for n in nodes]
    return np.stack(means) if means else np.zeros((0, made.vectors.shape[1]))


def _calibrate(vectors: np.ndarray, true: np.ndarray) -> toy.Calibration:
    # Of samples that are all zero there is no direction.
    return toy.calibrate(vectors[vectors.any(axis=1)], true)


def _driving(run: toy.Run) -> np.ndarray:
    """Which features drive which neurons: bool `k x N`."""
    largest = run.A.max(axis=1, keepdims=True)
    return (run.A > 0) & (run.A / np.where(largest > 0, largest, 1) >= DRIVES)
