"""Features that together make a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ENOUGH = 0.9
"""The share of a group's samples that its features must cover."""
MOSTLY = 0.5
"""A feature belongs to a group if this share of the samples on which it is active is of it."""


def cover(
    active: np.ndarray, groups: np.ndarray, auroc: np.ndarray, least: np.ndarray,
    most: Sequence[int] | None = None,
) -> tuple[list[np.ndarray], np.ndarray]:  # fmt: skip
    """Choose features one by one, each with most of the group's samples that are left.

    Args:
        active: bool `n x F`, where the features are active.
        groups: bool `n x K`.
        auroc: float64 `K x F`.
        least: float64 `K`, the AUROC that a feature of the group must exceed.
        most: of each group, how many features at most; `None`: until they cover 90%.

    Returns:
        `K` of int64, the chosen columns, and float64 `K`, the share of the group's samples on which
        one of them is active.
    """
    chosen: list[np.ndarray] = []
    covered = np.zeros(groups.shape[1])
    for group, members in enumerate(groups.T):
        mostly = active[members].sum(axis=0) >= MOSTLY * active.sum(axis=0)
        own = active[members] & mostly & (auroc[group] > least[group])
        left = np.ones(len(own), bool)
        columns: list[int] = []
        limit = own.shape[1] if most is None else most[group]
        while 1 - left.mean() < ENOUGH and own[left].any() and len(columns) < limit:
            columns.append(int(own[left].sum(axis=0).argmax()))
            left &= ~own[:, columns[-1]]
        chosen.append(np.array(columns, np.int64))
        covered[group] = 1 - left.mean()
    return chosen, covered
