"""Names and colours that a neuron's concepts keep when it is split again on more samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from neuronwidgets.clustering.tree import Tree
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.modes import own_modes

Named = list[tuple[str, np.ndarray]]
"""Names, each with the data set indices (int64 `m x 2`, see `Samples.places`) of its samples."""


def named(tree: Tree, places: np.ndarray, names: Mapping[int, str]) -> Named:
    """The names of tree nodes, with their samples.

    Args:
        tree: the tree.
        places: int64 `n x 2`, the data set indices of all its samples.
        names: tree nodes -> names.
    """
    return [(name, places[tree.samples_of(node)]) for node, name in names.items()]


def anchored(split: Split, kept: Named) -> dict[int, str]:
    """The names `kept` on the tree of another split: node -> name.

    Names and nodes are paired by the Jaccard index of their samples, largest first. A name without
    any sample among the top samples is dropped.
    """
    if not kept:
        return {}
    tree, sample_of = split.tree, _sample_of(split)
    jaccard = np.zeros((len(kept), 2 * tree.n - 1))
    for row, (_, places) in zip(jaccard, kept, strict=True):
        has_name = np.zeros(tree.n, np.int64)
        has_name[[sample_of[p] for p in map(tuple, places.tolist()) if p in sample_of]] = 1
        cumulative = np.concatenate([[0], np.cumsum(has_name[tree.order])])
        shared = cumulative[tree.start + tree.size] - cumulative[tree.start]
        row[:] = shared / (tree.size + len(places) - shared)
    return {node: kept[i][0] for i, node in sorted(_pairs(jaccard))}


@own_modes()
def recolored(
    split: Split, threshold: float | None, before: Concepts, names: Mapping[int, str]
) -> Split:
    """`split`, with the colours of the former concepts that share most of its concepts' samples.

    Args:
        split: the same neuron or direction as that of `before`, on other activations.
        threshold: the cut that gives its concepts; `None`: the suggested one.
        before: the former concepts.
        names: the names on their tree.
    """
    old = before.split
    assert old is not None
    kept = anchored(split, named(old.tree, old.places, names))
    after = Concepts.at(split, split.suggested if threshold is None else threshold, kept)
    sample_of = _sample_of(split)
    shared = np.zeros((len(after), len(before)))
    old_places = map(tuple, old.places.tolist())
    for place, old_concept in zip(old_places, before.assignment.tolist(), strict=True):
        concept = after.assignment[sample_of[place]] if place in sample_of else -1
        if concept >= 0 and old_concept >= 0:
            shared[concept, old_concept] += 1
    jaccard = shared / np.maximum(1, after.sizes[:, None] + before.sizes - shared)
    old_slot = {int(after.slots[i]): int(before.slots[j]) for i, j in _pairs(jaccard)}
    count = 1 + max([0, *split.colors.tolist(), *after.slots.tolist(), *old_slot.values()])
    free = iter(sorted(set(range(count)) - set(old_slot.values())))
    slots = [old_slot[slot] if slot in old_slot else next(free) for slot in range(count)]
    # The former direction is kept: normalized again it may differ in its last digit.
    top_samples = replace(split.top_samples, direction=old.direction)
    return replace(split, slots=np.array(slots, np.int16), top_samples=top_samples)


def _pairs(scores: np.ndarray) -> list[tuple[int, int]]:
    """Greedy pairs of rows and columns, the largest score first, while it is above zero."""
    scores, pairs = scores.copy(), []
    for _ in range(min(scores.shape)):
        i, j = divmod(int(scores.argmax()), scores.shape[1])
        if scores[i, j] <= 0:
            break
        pairs.append((i, j))
        scores[i] = scores[:, j] = 0
    return pairs


def _sample_of(split: Split) -> dict[tuple[int, ...], int]:
    """Data set indices -> the index of the top sample."""
    return {tuple(place): i for i, place in enumerate(split.places.tolist())}
