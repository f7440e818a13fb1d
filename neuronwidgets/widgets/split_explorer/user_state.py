"""The threshold and the names that a user gave to each split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuronwidgets.clustering.tree import Tree
from neuronwidgets.concepts.identity import Named, anchored, named
from neuronwidgets.concepts.split import Split

Names = dict[str, str]
"""Tree node -> name: the trait `names`."""


class UserState:
    """Threshold and names by neuron, top, method, metric and band. They outlive their tree."""

    def __init__(self) -> None:
        self._given: dict[Any, tuple[float | None, Named]] = {}
        self._before: tuple[int, Tree, np.ndarray] | None = None

    def keep(self, split: Split, threshold: float | None, names: Mapping[str, str]) -> None:
        """Keep what the user gave to a split; `threshold` is `None` if not chosen."""
        kept = named(split.tree, split.places, numbered(names))
        self._given[_key(split)] = threshold, kept

    def of(self, split: Split) -> tuple[float | None, Names]:
        """Threshold (`None` if not chosen) and names of a split, by the nodes of its tree."""
        threshold, kept = self._given.get(_key(split), (None, []))
        return threshold, _written(anchored(split, kept))

    def replaced(self, version: int, split: Split, newer: Split) -> None:
        """`split`, shown as `version`, is replaced by `newer`, of newer activations."""
        self._before = version, split.tree, split.places
        # More samples may have more on top: of this neuron, and of those that were split alike.
        (_, *before), (_, *after) = _key(split), _key(newer)
        if before != after:
            self._given |= {
                (target, *after): given
                for (target, *how), given in self._given.items()
                if how == before
            }

    def late(self, version: int, names: Mapping[str, str], split: Split) -> Names | None:
        """Names given to the picture `version`, by the nodes of `split`, which has replaced it;
        `None` if `version` is older than that."""
        if self._before is None or self._before[0] != version:
            return None
        _, tree, places = self._before
        nodes = {n: name for n, name in numbered(names).items() if n < len(tree.size)}
        return _written(anchored(split, named(tree, places, nodes)))

    def clear(self) -> None:
        """Forget everything."""
        self._given.clear()


def numbered(names: Mapping[str, str]) -> dict[int, str]:
    """The names of the trait by node number."""
    return {int(node): name for node, name in names.items()}


def _written(names: Mapping[int, str]) -> Names:
    return {str(node): name for node, name in names.items()}


def _key(split: Split) -> Any:
    target = split.direction.tobytes() if split.neuron is None else split.neuron
    return target, len(split.index), split.method, split.metric, split.band
