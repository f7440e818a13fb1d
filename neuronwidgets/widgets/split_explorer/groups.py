"""Any nodes of a tree as concepts: in groups that share no sample, as those of one cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.split import Split


def disjoint(split: Split, nodes: Sequence[int], most: int | None = None) -> list[list[int]]:
    """`nodes` in groups of at most `most` that share no sample, as the concepts of one cut."""
    groups: list[list[int]] = []
    taken: list[np.ndarray] = []
    for node in nodes:
        own = split.tree.samples_of(node)
        for group, mask in zip(groups, taken, strict=True):
            if len(group) != most and not mask[own].any():
                break
        else:
            group, mask = [], np.zeros(split.tree.n, bool)
            groups.append(group)
            taken.append(mask)
        group.append(node)
        mask[own] = True
    return groups


def concepts_of(split: Split, nodes: Sequence[int]) -> Concepts:
    """The concepts of some nodes that share no sample."""
    assignment = np.full(split.tree.n, -1, np.int64)
    for k, node in enumerate(nodes):
        assignment[split.tree.samples_of(node)] = k
    return Concepts.grouped(split, 0.0, assignment, np.array(nodes))
