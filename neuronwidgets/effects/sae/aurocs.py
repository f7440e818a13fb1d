"""How well features tell the members of groups apart, with what chance gives."""

from __future__ import annotations

import numpy as np

from neuronwidgets.effects.ranks import ranked

HALVES = 20
"""Random divisions into halves: the mean of the held-out AUROC then varies by about 0.01."""
BLOCK = 1 << 24
"""AUROCs of permuted groups that are in memory at once: 64 MB."""


def aurocs(strengths: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """float64 `K x F`: the chance that a member of a group has more of a feature than another
    sample, ties counting half; NaN for a group without members or of all samples.

    Args:
        strengths: float32 `n x F`.
        groups: bool `n x K`.
    """
    return _from_ranks(ranked(strengths).ranks, groups)


def _from_ranks(ranks: np.ndarray, groups: np.ndarray) -> np.ndarray:
    members = groups.sum(axis=0)
    pairs = (2.0 * members * (len(groups) - members))[:, None]
    sums = (groups.T.astype(np.float32) @ ranks).astype(np.float64)
    return np.where(pairs > 0, 0.5 + sums / np.where(pairs > 0, pairs, 1), np.nan)


def best_of_permuted(
    strengths: np.ndarray, groups: np.ndarray, draws: int, seed: int, either: bool = False
) -> np.ndarray:
    """float64 `draws x K`: the largest AUROC of all features with the samples of the groups
    permuted; with `either`, of the features and their negatives."""
    ranks = ranked(strengths).ranks
    rng = np.random.default_rng(seed)
    best = np.empty((draws, groups.shape[1]))
    step = max(1, BLOCK // (groups.shape[1] * strengths.shape[1]))
    for start in range(0, draws, step):
        orders = [rng.permutation(len(groups)) for _ in range(start, min(start + step, draws))]
        permuted = np.concatenate([groups[order] for order in orders], axis=1)
        found = _from_ranks(ranks, permuted)
        found = np.maximum(found, 1 - found) if either else found
        best[start : start + step] = found.max(axis=1).reshape(len(orders), -1)
    return best


def held_out(
    strengths: np.ndarray, groups: np.ndarray, seed: int, halves: int = HALVES
) -> tuple[np.ndarray, np.ndarray]:
    """The AUROC, on one half of the samples, of the feature that is the best on the other half.

    Returns:
        float64 `K`, the mean over halves; and float64 `K`, the share of divisions in which both
        halves choose the same feature. NaN for a group that no division halves.
    """
    rng = np.random.default_rng(seed)
    values, same = [], []
    for _ in range(halves):
        order = rng.permutation(len(groups))
        parts = order[: len(order) // 2], order[len(order) // 2 :]
        one, other = (aurocs(strengths[part], groups[part]) for part in parts)
        known = np.isfinite(one[:, 0]) & np.isfinite(other[:, 0])
        chosen = [np.where(known, np.nan_to_num(each).argmax(axis=1), 0) for each in (one, other)]
        group = np.arange(groups.shape[1])
        crossed = (other[group, chosen[0]] + one[group, chosen[1]]) / 2
        values.append(np.where(known, crossed, np.nan))
        same.append(np.where(known, chosen[0] == chosen[1], np.nan))
    return _means(np.array(values)), _means(np.array(same))


def random_features(values: np.ndarray, strengths: np.ndarray, seed: int) -> np.ndarray:
    """Random directions, each active on as many samples as one of the features: float32 `n x F`.

    Args:
        values: `n x D`, the layer on the samples.
        strengths: float32 `n x F`, the features on them.
    """
    rng = np.random.default_rng(seed)
    centered = (values - values.mean(axis=0)).astype(np.float32)
    along = centered @ rng.standard_normal((values.shape[1], strengths.shape[1]), np.float32)
    active = (strengths > 0).sum(axis=0)
    in_order = -np.sort(-along, axis=0)
    following = np.minimum(active, len(along) - 1)
    rest = np.take_along_axis(in_order, following[None], 0)[0]
    # Where all samples are active, so is the last.
    rest = np.where(active == len(along), rest - 1, rest)
    return np.maximum(along - rest, 0)


def _means(rows: np.ndarray) -> np.ndarray:
    """float64 `K`: the mean of each column without its NaN; NaN if it has nothing else."""
    known = np.isfinite(rows)
    count = known.sum(axis=0)
    return np.where(count, np.where(known, rows, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
