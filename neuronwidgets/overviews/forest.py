"""The trees, concepts and scores of a layer's neurons, block after block as they are split."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.layer_splits.block import Block
from neuronwidgets.layer_splits.layer_split import LayerSplit
from neuronwidgets.layer_splits.settings import Settings

NONE = -1
"""The number of concepts of a neuron that is not split yet, and the row of no sample."""


@dataclass(frozen=True, eq=False)
class Forested:
    """The trees of `M` neurons, in the order of splitting.

    Attributes:
        place: int64 `M`, the positions of the neurons among all of the forest.
        sample: int32 `M x n`, the top samples; -1: fewer.
        tops: int64 `M`, how many top samples each has.
        child: uint16 `M x (n - 1) x 2`, the nodes that each merge joins, merges from `tops` on, in
            the order in which `Tree` draws them.
        height: float32 `M x (n - 1)`, the heights of the merges, ascending; 0 for filling.
        own: float32 `M`, the height of each tree's own cut.
    """

    place: np.ndarray
    sample: np.ndarray
    tops: np.ndarray
    child: np.ndarray
    height: np.ndarray
    own: np.ndarray


class Forest:
    """The compact form of the splits of `N` neurons, of which some may be missing.

    Concept vectors are dropped: those of a layer of 12,288 neurons take 1.8 GB.

    Attributes:
        neurons: int64 `N`, ascending.
        settings: those of the splits; `None` before the first.
        concepts: int32 `N`, how many concepts each has at its own cut; -1: not split yet.
        words: the names of its concepts; "" without.
        scores: float32 `N` each, NaN: not known.
        unscored: bool `N`, the neurons whose `late` scores were not computed yet.
    """

    def __init__(self, acts: Activations, neurons: np.ndarray, late: Sequence[str] = ()) -> None:
        """An empty forest; `late` are the columns of scores that are added by `score`."""
        self.acts, self.neurons = acts, neurons
        self.settings: Settings | None = None
        self.concepts = np.full(len(neurons), NONE, np.int32)
        self.words = [""] * len(neurons)
        self.late = tuple(late)
        self.scores = {name: self._blank() for name in self.late}
        self.unscored = np.full(len(neurons), bool(self.late))
        self._parts: list[tuple[np.ndarray, ...]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(len(part[0]) for part in self._parts)

    @property
    def absolute(self) -> bool:
        """Whether the heights of all trees have one unit; else they are shares of each tree's."""
        return self.settings is not None and self.settings.metric == "cosine"

    @property
    def unit(self) -> str:
        """What the heights measure, in words."""
        if self.settings is None or not self.absolute:
            return "share of the height of the neuron's whole tree"
        if self.settings.method == "ward":
            return "Ward's distance between clusters of vectors at unit length"
        return f"cosine distance ({self.settings.method} linkage)"

    def add(self, blocks: Sequence[Block], settings: Settings) -> None:
        """Take the neurons of these blocks, which were split by these settings."""
        self.settings = settings
        neurons = np.concatenate([block.neurons for block in blocks])
        split = LayerSplit(self.acts, self.acts.layer, neurons, settings, tuple(blocks))
        place = np.searchsorted(self.neurons, split.neurons)
        words = [split.names(i) for i in range(len(split))]
        part = (place, *self._trees(split))
        with self._lock:
            self.concepts[place] = split.counts
            for i, text in zip(place.tolist(), words, strict=True):
                self.words[i] = text
            self._take_scores(split, place)
            self._parts.append(part)

    def score(self, split: LayerSplit) -> None:
        """Take the scores of neurons that were split before, their late ones among them."""
        place = np.searchsorted(self.neurons, split.neurons)
        with self._lock:
            self._take_scores(split, place)
            self.unscored[place] = False

    def _take_scores(self, split: LayerSplit, place: np.ndarray) -> None:
        for name, values in split.scores.items():
            # The number of concepts is there already.
            if name != "concepts":
                self.scores.setdefault(name, self._blank())[place] = values

    def _blank(self) -> np.ndarray:
        return np.full(len(self.neurons), np.nan, np.float32)

    def _trees(self, split: LayerSplit) -> tuple[np.ndarray, ...]:
        """Samples, tops, children, heights and own cuts of some neurons."""
        tops = np.asarray(split.tops)
        index = np.asarray(split.index).astype(np.int32)
        n = index.shape[1]
        Z = np.asarray(split.Z)
        merges = np.arange(n - 1) < (tops - 1)[:, None]
        # Linkages of fewer samples are padded: their merges are numbered from `n`.
        children = _as_drawn(Z[:, :, :2].astype(np.int64), Z[:, :, 3])
        children -= np.where(children >= n, (n - tops)[:, None, None], 0)
        child = np.where(merges[:, :, None], children, 0).astype(np.uint16)
        height = np.where(merges, np.maximum.accumulate(Z[:, :, 2], axis=1), 0)
        own = np.asarray(split.threshold, np.float64)
        if not self.absolute:
            whole = height.max(axis=1, initial=0)
            scale = np.where(whole > 0, whole, 1)
            height, own = height / scale[:, None], own / scale
        return index, tops, child, height.astype(np.float32), own.astype(np.float32)

    def missing(self) -> np.ndarray:
        """int64: the neurons that are not split yet."""
        return self.neurons[self.concepts == NONE]

    def trees(self) -> Forested:
        """All trees so far, joined."""
        with self._lock:
            parts = list(self._parts)
        return Forested(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _as_drawn(children: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The children of merges (int64 `N x (n - 1) x 2`) as `Tree` has them, the larger first; so
    concepts have one number wherever a neuron is shown.

    Args:
        children: as the linkage joins them.
        size: `N x (n - 1)`, how many samples each merge has.
    """
    count, merges, _ = children.shape
    sizes = np.concatenate([np.ones((count, merges + 1)), size], axis=1)
    left, right = (
        np.take_along_axis(sizes, children.reshape(count, -1), 1)
        .reshape(children.shape)
        .transpose(2, 0, 1)
    )
    swap = (right > left) | ((right == left) & (children[:, :, 1] < children[:, :, 0]))
    drawn: np.ndarray = np.where(swap[:, :, None], children[:, :, ::-1], children)
    return drawn
