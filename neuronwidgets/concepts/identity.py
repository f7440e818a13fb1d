"""What stays the same to a person when a neuron is split again on more samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from neuronwidgets.clustering.tree import Tree
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.modes import own_modes

Named = list[tuple[str, np.ndarray]]
"""Names, each with the places (`m x 2`, see `Samples.places`) of the samples that have it."""


def named(tree: Tree, places: np.ndarray, names: Mapping[int, str]) -> Named:
    """The names of some nodes, with their samples; `places` are those of all `n` samples."""
    return [(name, places[tree.samples_of(node)]) for node, name in names.items()]


def anchored(split: Split, kept: Named) -> dict[int, str]:
    """Names on the tree of another split: node -> name.

    The pair of name and node with the largest overlap (Jaccard index of their samples) is served
    first; a name none of whose samples is among the top ones is dropped.
    """
    if not kept:
        return {}
    tree, at = split.tree, _positions(split)
    overlap = np.zeros((len(kept), 2 * tree.n - 1))
    for row, (_, places) in zip(overlap, kept, strict=True):
        inside = np.zeros(tree.n, np.int64)
        inside[[at[place] for place in map(tuple, places.tolist()) if place in at]] = 1
        before = np.concatenate([[0], np.cumsum(inside[tree.order])])
        common = before[tree.start + tree.size] - before[tree.start]
        row[:] = common / (tree.size + len(places) - common)
    return {node: kept[i][0] for i, node in sorted(_pairs(overlap))}


@own_modes()
def recolored(
    made: Split, threshold: float | None, before: Concepts, names: Mapping[int, str]
) -> Split:
    """`made` in such colours that its concepts have those of the concepts `before` with which
    they share most samples (by the Jaccard index).

    Args:
        made: the same neuron or direction as that of `before`, on other activations.
        threshold: at which its concepts are seen; `None`: where the data suggests.
        before: the concepts that were seen before.
        names: the names on their tree.
    """
    old = before.split
    assert old is not None
    kept = anchored(made, named(old.tree, old.places, names))
    now = Concepts.at(made, made.suggested if threshold is None else threshold, kept)
    at = _positions(made)
    common = np.zeros((len(now), len(before)))
    for place, label in zip(
        map(tuple, old.places.tolist()), before.assignment.tolist(), strict=True
    ):
        here = now.assignment[at[place]] if place in at else -1
        if here >= 0 and label >= 0:
            common[here, label] += 1
    overlap = common / np.maximum(1, now.sizes[:, None] + before.sizes - common)
    wanted = {int(now.slots[i]): int(before.slots[j]) for i, j in _pairs(overlap)}
    count = 1 + max([0, *made.colors.tolist(), *now.slots.tolist(), *wanted.values()])
    free = iter(sorted(set(range(count)) - set(wanted.values())))
    slots = [wanted[slot] if slot in wanted else next(free) for slot in range(count)]
    # The direction as it was: normalized once more it may differ in its last digit.
    top_samples = replace(made.top_samples, direction=old.direction)
    return replace(made, slots=np.array(slots, np.int16), top_samples=top_samples)


def _pairs(score: np.ndarray) -> list[tuple[int, int]]:
    """Rows with columns, the largest score first, each once, as long as it is above zero."""
    score, out = score.copy(), []
    for _ in range(min(score.shape)):
        i, j = divmod(int(score.argmax()), score.shape[1])
        if score[i, j] <= 0:
            break
        out.append((i, j))
        score[i] = score[:, j] = 0
    return out


def _positions(split: Split) -> dict[tuple[int, ...], int]:
    return {tuple(place): i for i, place in enumerate(split.places.tolist())}
