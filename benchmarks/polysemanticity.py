"""Do scores rank neurons as the entropy of their labels does, and as planted truth does?

    python benchmarks/polysemanticity.py [--neurons 100] [--draws 39] [--minilm DIR] [--texts CSV]

Spearman's rank correlation of each score with

- the entropy of the labels of a neuron's top samples, over the active neurons of a layer (no score
  but `alignment` sees the labels);
- the number of features that drive a neuron, in toy layers made by hand: 60 ReLU neurons, each for
  1 to 4 of 40 features that are there in 3% or 10% of the samples, with noise.

95% bootstrap intervals over neurons. --minilm and --texts as in `concepts.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from concepts import layers
from scipy.stats import spearmanr

import neuronwidgets as nw

SCORES = (
    "polysemanticity",
    "geometry_z",
    "geometry",
    "variety",
    "alignment",
    "concepts",
    "kurtosis",
)
BEFORE = "former index"
"""`geometry * alignment`, the headline until November 2026."""
RESAMPLES = 500


def toys() -> Iterator[tuple[str, nw.Activations, np.ndarray]]:
    for share in (0.03, 0.1):
        rng = np.random.default_rng(0)
        weights = np.zeros((60, 40))
        many = 1 + np.arange(60) % 4
        for neuron, features in enumerate(many):
            chosen = rng.choice(40, features, replace=False)
            weights[neuron, chosen] = rng.uniform(0.7, 1, features)
        present = (rng.random((4000, 40)) < share) * rng.random((4000, 40))
        values = np.maximum(present @ weights.T - 0.05, 0) + 0.05 * rng.normal(size=(4000, 60))
        acts = nw.Activations.from_arrays(values.astype("f4"))
        yield f"toy, features there in {share:.0%}", acts, many.astype(float)


def correlation(score: np.ndarray, truth: np.ndarray) -> str:
    known = ~(np.isnan(score) | np.isnan(truth))
    score, truth = score[known], truth[known]
    if len(score) < 10 or not np.ptp(score) or not np.ptp(truth):
        return "-"
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        draw = rng.integers(0, len(score), len(score))
        if np.ptp(score[draw]) and np.ptp(truth[draw]):
            found.append(spearmanr(score[draw], truth[draw]).statistic)
    low, high = np.quantile(found, [0.025, 0.975])
    return f"{spearmanr(score, truth).statistic:.2f} ({low:.2f}-{high:.2f})"


def report(
    name: str, acts: nw.Activations, truth: np.ndarray | None, most: int, draws: int
) -> None:
    neurons = np.arange(acts.shape[1])
    if len(neurons) > most:
        neurons = np.sort(np.random.default_rng(0).choice(neurons, most, replace=False))
    top = 60 if truth is not None else None
    layer = nw.split_layer(acts, top, neurons=neurons, draws=draws, progress=False)
    found = dict(layer.scores)
    if truth is None:
        truth = np.where(found["active"] < 0.9, np.nan, found["label_entropy"])
    else:
        truth = truth[neurons]
    if "alignment" in found:
        found[BEFORE] = found["geometry"] * np.nan_to_num(found["alignment"], nan=1.0)
    row = [correlation(found[score], truth) if score in found else "-" for score in ALL]
    print(f"{name:34}" + "".join(f"{cell:>20}" for cell in row), flush=True)


ALL = (SCORES[0], BEFORE, *SCORES[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=100, help="of each layer, at most")
    parser.add_argument("--draws", type=int, default=39, help="of the null, for each neuron")
    parser.add_argument("--minilm", type=Path)
    parser.add_argument("--texts", type=Path)
    options = parser.parse_args()
    print(f"{'':34}" + "".join(f"{name:>20}" for name in ALL))
    for name, acts in layers(options.minilm, options.texts):
        report(name, acts, None, options.neurons, options.draws)
    for name, acts, truth in toys():
        report(name, acts, truth, options.neurons, options.draws)


if __name__ == "__main__":
    main()
