"""Draws of polysemanticity's null that neurons share, beside draws of their own.

    python benchmarks/null.py [--neurons 64] [--draws 19]

For each set of neurons (top 100, Ward by cosine) the z of the geometric part from shared draws is
compared with that from own draws of the same seed, and own draws of one seed with own draws of
another: sharing should not differ more than a seed does. In brackets the same for the certainty
that the score uses, `min(max(z, 0), 5) / 5`. Processor time, one thread.

    python benchmarks/null.py --texts [--neurons 64] [--draws 19]

Tokens of texts that are of no kinds, and of three kinds: the share of neurons with p <= 0.05, where
texts stay together and where tokens are taken alone.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from layer import layer
from scipy.cluster.hierarchy import linkage

import neuronwidgets as nw
from neuronwidgets.clustering.rotation_null import distances, null_separations, separation

TOP, MIN_SIZE = 100, 5
SOURCES = {
    "8 texts of 12 or 13 tokens": np.arange(TOP) * 8 // TOP,
    "50 texts of 2": np.arange(TOP) // 2,
    "1 of 30, 1 of 15, 1 of 5, 50 of 1": np.repeat(np.arange(53), [30, 15, 5, *50 * [1]]),
}
"""The text of each token."""


def sets(count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Each name with points, `N x 100 x D`."""
    rng = np.random.default_rng(0)
    shapes = np.geomspace(1, np.geomspace(0.02, 0.5, count), 40).T[:, None]
    noise = rng.normal(size=(count, TOP, 40)) * shapes
    yield "noise", noise
    groups = rng.integers(0, 1 + np.arange(count) % 5, (TOP, count)).T
    yield "planted, 1 to 5 groups", noise + 2.5 * np.eye(40)[groups]
    values = layer(2048, max(count, 512))
    yield "benchmarks/layer.py", np.stack([values[tops(values[:, i])] for i in range(count)])
    topics = nw.datasets.topics()
    acts = nw.capture(
        topics.model,
        topics.texts,
        topics.layer,
        "max",
        tokenizer=topics.tokenizer,
        progress=False,
    )
    values = np.asarray(acts.values)
    yield "topics, an MLP layer", np.stack([values[tops(values[:, i])] for i in range(count)])


def tops(along: np.ndarray) -> np.ndarray:
    return np.argsort(-along, kind="stable")[:TOP]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=64)
    parser.add_argument("--draws", type=int, default=19)
    parser.add_argument("--texts", action="store_true", help="tokens of texts")
    options = parser.parse_args()
    if options.texts:
        of_texts(options.neurons, options.draws)
        return
    for name, points in sets(options.neurons):
        grams, seen = separated(points)

        def null(part: np.ndarray, seed: int) -> np.ndarray:
            return null_separations(part, "ward", "cosine", MIN_SIZE, options.draws, seed)

        def z(null: np.ndarray, seen: np.ndarray = seen) -> np.ndarray:
            return (seen - null.mean(axis=1)) / null.std(axis=1)

        null(grams[:1], 0)
        begin = time.process_time()
        together = null(grams, 0)
        middle = time.process_time()
        alone = np.concatenate([null(gram[None], 0) for gram in grams])
        end = time.process_time()
        other = np.concatenate([null(gram[None], 1) for gram in grams])
        print(
            f"{name}: {len(np.unique(together, axis=0))} sets of draws for {len(grams)} neurons; "
            f"{(middle - begin) / len(grams) * 1e3:.1f} ms a neuron, on its own "
            f"{(end - middle) / len(grams) * 1e3:.1f} ms; median z {np.median(z(alone)):.1f}"
        )
        for what, one in ("shared, own", together), ("own, other seed", other):
            print(f"    {what:16} {agreement(z(one), z(alone))}")


def separated(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The dot products of points (`N x 100 x D`) about their mean, by direction, and how clearly
    they are separated."""
    points = points / np.linalg.norm(points, axis=2, keepdims=True)
    points -= points.mean(axis=1, keepdims=True)
    grams = points @ points.swapaxes(1, 2)
    apart = distances(grams, "ward", "cosine")
    row, column = np.triu_indices(TOP, 1)
    trees = np.stack([linkage(d[row, column], "ward") for d in apart])
    return grams, separation(apart, trees, MIN_SIZE)


def of_texts(count: int, draws: int) -> None:
    """The null of tokens: texts of no kinds, whatever tokens of one have in common, and of three
    kinds."""
    rng = np.random.default_rng(0)
    for name, source in SOURCES.items():
        for kinds in (1, 3):
            for share in (0.1, 0.5, 0.9):
                text = rng.normal(size=(count, source.max() + 1, 40))[:, source]
                points = np.sqrt(share) * text + np.sqrt(1 - share) * rng.normal(size=text.shape)
                of_text = rng.integers(0, kinds, (count, source.max() + 1))[:, source]
                grams, seen = separated(points + (kinds > 1) * 6 * np.eye(40)[of_text])
                line = f"{name}, {kinds} kinds, texts have {share:.0%} of the variance:"
                for what, sources in (
                    ("together", np.tile(source, (count, 1))),
                    ("alone", None),
                ):
                    begin = time.process_time()
                    null = null_separations(
                        grams, "ward", "cosine", MIN_SIZE, draws, sources=sources
                    )
                    spent = (time.process_time() - begin) / count * 1e3
                    p = (1 + (null >= seen[:, None]).sum(axis=1)) / (1 + draws)
                    line += f" {what} {(p <= 0.05).mean():.2f} ({spent:.1f} ms)"
                print(line)


def agreement(one: np.ndarray, other: np.ndarray) -> str:
    def both(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        return float(np.corrcoef(a, b)[0, 1]), float(np.abs(a - b).max())

    r, most = both(one, other)
    certain = both(np.clip(one, 0, 5) / 5, np.clip(other, 0, 5) / 5)
    return f"r {r:.2f} ({certain[0]:.2f}), largest difference {most:.1f} ({certain[1]:.2f})"


if __name__ == "__main__":
    main()
