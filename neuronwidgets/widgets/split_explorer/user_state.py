"""What a person gave to each split that was on the screen: its threshold and its names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuronwidgets.clustering.tree import Tree
from neuronwidgets.concepts.identity import Named, anchored, named
from neuronwidgets.concepts.split import Split

Names = dict[str, str]
"""Tree node -> name, as the trait has it."""


class Memory:
    """Threshold and names by neuron, top, method and metric; they outlive their tree."""

    def __init__(self) -> None:
        self._given: dict[Any, tuple[float | None, Named]] = {}
        self._before: tuple[int, Tree, np.ndarray] | None = None

    def keep(self, split: Split, threshold: float | None, names: Mapping[str, str]) -> None:
        """`threshold` is `None` where nobody has chosen one."""
        kept = named(split.tree, split.places, numbered(names))
        self._given[_key(split)] = threshold, kept

    def of(self, split: Split) -> tuple[float | None, Names]:
        """What was given to a split, on its tree as it is now."""
        threshold, kept = self._given.get(_key(split), (None, []))
        return threshold, _written(anchored(split, kept))

    def replaced(self, serial: int, split: Split) -> None:
        """`split` was on the screen as number `serial` and has been made anew."""
        self._before = serial, split.tree, split.places

    def late(self, serial: int, names: Mapping[str, str], split: Split) -> Names | None:
        """Names given to what was on the screen as number `serial`, on `split`, which has taken
        its place; `None` where that is too long ago."""
        if self._before is None or self._before[0] != serial:
            return None
        _, tree, places = self._before
        nodes = {n: name for n, name in numbered(names).items() if n < len(tree.size)}
        return _written(anchored(split, named(tree, places, nodes)))

    def clear(self) -> None:
        """Forget all."""
        self._given.clear()


def numbered(names: Mapping[str, str]) -> dict[int, str]:
    """The trait's names by their nodes."""
    return {int(node): name for node, name in names.items()}


def _written(names: Mapping[int, str]) -> Names:
    return {str(node): name for node, name in names.items()}


def _key(made: Split) -> Any:
    who = made.direction.tobytes() if made.neuron is None else made.neuron
    return who, len(made.index), made.method, made.metric
