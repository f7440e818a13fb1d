"""A concept's vector, colour slot and default name, from the samples that belong to it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.clustering.tree import identities
from neuronwidgets.concepts.naming.majority import majority_name

if TYPE_CHECKING:
    from neuronwidgets.concepts.split import Split


def concept_vectors(vectors: np.ndarray, assignment: np.ndarray, count: int) -> np.ndarray:
    """Each concept's mean vector, divided by its L2 norm (arXiv 2304.09707, step 4).

    Args:
        vectors: `n x D`, the samples' vectors.
        assignment: int `n`, the concept of each, -1 for none.
        count: `K`, the number of concepts.

    Returns:
        float32 `K x D`.
    """
    is_member = (assignment == np.arange(count)[:, None]).astype(vectors.dtype)
    is_member /= np.maximum(is_member.sum(axis=1, keepdims=True), 1)
    return normalized(is_member @ vectors)


def slots_and_names(
    split: Split, nodes: np.ndarray, user_names: Mapping[int, str]
) -> tuple[list[int], list[str | None]]:
    """Each concept's palette slot, and the name that the user gave it, if any.

    Args:
        split: the split whose tree is cut.
        nodes: int `K`, the tree's node of each concept; -1, at the end, for one without a node.
        user_names: tree nodes -> names.
    """
    with_node = [int(node) for node in nodes if node >= 0]
    slots, names = identities(split.tree, split.colors, with_node, user_names)
    # Concepts of k-means without a node of the tree take unused colours.
    unused = (slot for slot in itertools.count() if slot not in slots[: len(with_node)])
    for _ in range(len(nodes) - len(with_node)):
        slots.append(next(unused))
        names.append(None)
    return slots, names


def default_names(split: Split, groups: Sequence[np.ndarray]) -> list[str]:
    """A name for each concept: its tokens, the label of more than half of its samples, or its
    number.

    Args:
        split: the split that was cut.
        groups: each concept's samples, indices into the top samples.
    """
    titles = split.acts.label_titles
    return [
        majority_name(group, split.labels, titles, split.tokens) or f"Concept {number}"
        for number, group in enumerate(groups, 1)
    ]


def check_threshold(threshold: Any, top: float = np.inf) -> float:
    """`threshold` as a float.

    Raises:
        TypeError: it is not a number.
        ValueError: it is negative or NaN. The error names `top`, the largest height of the tree.
    """
    try:
        if isinstance(threshold, str):
            raise TypeError
        threshold = float(threshold)
    except (TypeError, ValueError):
        raise TypeError(f"threshold must be a number, got {threshold!r}.") from None
    if not threshold >= 0:
        heights = f"from 0 to {top:.4g}" if np.isfinite(top) else "of 0 or more"
        raise ValueError(f"threshold must be a height of the tree {heights}, got {threshold}.")
    return float(threshold)
