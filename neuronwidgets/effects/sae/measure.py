"""How features stand to groups of samples, beside random directions: in steps."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from neuronwidgets.effects.sae.aurocs import aurocs, best_of_permuted, held_out, random_features
from neuronwidgets.effects.sae.cover import cover

LIKELY = 0.95
"""Quantile of the null above which a feature's AUROC is not due to chance."""
RANDOM_DRAWS, RANDOM_HALVES = 5, 4
"""Draws of random directions, and divisions into halves of each."""


@dataclass(frozen=True, eq=False)
class Measured:
    """`F` features on `n` samples, beside `K` groups of these.

    Attributes:
        auroc: float64 `K x F`, of the features.
        column: int64 `K`, the feature with the largest AUROC.
        held_out, same: float64 `K`, see `aurocs.held_out`.
        random: float64 `d x K`, `held_out` of `F` random directions.
        null: float64 `draws x K`, see `aurocs.best_of_permuted`.
        cover: `K` of int64, the features that make the group, see `cover.cover`.
        covered: float64 `K`, the share of the group that they cover.
        random_covered: float64 `K`, the share that as many random directions cover (at least one).
        random_active: bool `d x K x n`, a random direction that is active on as many samples as the
            best feature.
    """

    auroc: np.ndarray
    column: np.ndarray
    held_out: np.ndarray
    same: np.ndarray
    random: np.ndarray
    null: np.ndarray
    cover: tuple[np.ndarray, ...]
    covered: np.ndarray
    random_covered: np.ndarray
    random_active: np.ndarray


def measuring(
    values: np.ndarray, strengths: np.ndarray, groups: np.ndarray, draws: int, seed: int
) -> Generator[float, None, Measured]:
    """Measure features. Yields the share that is done.

    Args:
        values: `n x D`, the layer on the samples.
        strengths: float32 `n x F`, the features on them.
        groups: bool `n x K`, the groups; they may share samples.
        draws: permutations of the null.
        seed: of permutations, halves and random directions.
    """
    steps = RANDOM_DRAWS + 2
    auroc = aurocs(strengths, groups)
    null = best_of_permuted(strengths, groups, draws, seed)
    # A group of all samples cannot be told from others.
    auroc, null = np.where(np.isfinite(auroc), auroc, 0.5), np.where(np.isfinite(null), null, 0.5)
    column = auroc.argmax(axis=1)
    least = np.quantile(null, LIKELY, axis=0)
    chosen, covered = cover(strengths > 0, groups, auroc, least)
    most = [max(1, len(columns)) for columns in chosen]
    yield 1 / steps
    crossed, same = held_out(strengths, groups, seed)
    random, random_covered, random_active = [], [], []
    for draw in range(RANDOM_DRAWS):
        yield (2 + draw) / steps
        drawn = random_features(values, strengths, seed + draw)
        random.append(held_out(drawn, groups, seed, RANDOM_HALVES)[0])
        random_covered.append(cover(drawn > 0, groups, aurocs(drawn, groups), least, most)[1])
        random_active.append((drawn[:, column] > 0).T)
    return Measured(
        auroc, column, crossed, same, np.array(random), null, tuple(chosen), covered,
        np.mean(random_covered, axis=0), np.array(random_active),
    )  # fmt: skip


def reached(random: np.ndarray) -> np.ndarray:
    """What random directions reach by chance, of `d x K` draws: float64 `K`.

    One more draw exceeds it in 5% of cases (Student's t), if draws are about normal.
    """
    from scipy.stats import t

    count = len(random)
    width = t.ppf(LIKELY, count - 1) * np.sqrt(1 + 1 / count)
    high: np.ndarray = random.mean(axis=0) + width * random.std(axis=0, ddof=1)
    return high


def telling(
    values: np.ndarray, strengths: np.ndarray, first: np.ndarray, seed: int
) -> tuple[int, float, float]:
    """The feature that tells two branches apart best: active on more of one than of the other.

    Args:
        values: `n x D`, the layer on the samples of both.
        strengths: float32 `n x F`.
        first: bool `n`, the samples of the first branch; the others are of the second.
        seed: of halves and random directions.

    Returns:
        its column; its AUROC, held out; that of `F` random directions. NaN where no division halves
        both branches.
    """
    groups = np.stack([first, ~first], axis=1)
    found = aurocs(strengths, groups)
    random = [
        _larger(held_out(random_features(values, strengths, seed + draw), groups, seed,
                         RANDOM_HALVES)[0])
        for draw in range(RANDOM_DRAWS)
    ]  # fmt: skip
    column = int(found.max(axis=0).argmax())
    return column, _larger(held_out(strengths, groups, seed)[0]), float(np.mean(random))


def _larger(two: np.ndarray) -> float:
    known = two[np.isfinite(two)]
    return float(known.max()) if len(known) else float("nan")
