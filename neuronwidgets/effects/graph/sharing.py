"""`shared_concepts`: groups of neurons of one layer that share a concept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.clustering.linkage.engine import condensed_distances, linkage
from neuronwidgets.clustering.silhouette import silhouettes
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.core.checks import integer
from neuronwidgets.core.modes import own_modes

MOST = 100
"""Groups at most (NeurFlow's)."""


@dataclass(frozen=True, repr=False, eq=False)
class SharedConcepts:
    """Concepts of several neurons of a layer, grouped.

    Attributes:
        layer: the layer's name.
        neuron, concept: int64 `K`, each concept's neuron and its index there.
        names: `K` names.
        group: int64 `K`, from 0; the largest group first.
        Z: float64 `(K - 1) x 4`, Ward's tree of the concepts.
        silhouette: the mean silhouette of the groups, -1 to 1.
        chance: the largest mean silhouette of the same numbers with each coordinate permuted over
            concepts, the control. Noise exceeds it a little (12 neurons of 1,500 Gaussian samples:
            0.07 and 0.04), since neurons have some of their top samples in common by chance.
    """

    layer: str
    neuron: np.ndarray
    concept: np.ndarray
    names: tuple[str, ...]
    group: np.ndarray
    Z: np.ndarray
    silhouette: float
    chance: float

    def __len__(self) -> int:
        return int(self.group.max()) + 1

    def neurons(self, group: int) -> np.ndarray:
        """int64: the neurons that share the concept of a group."""
        return np.unique(self.neuron[self.group == group])

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each concept: `group`, `neuron`, `concept`, `name`,
        and `neurons`, the number of neurons in the group."""
        import pandas as pd

        sizes = np.array([len(self.neurons(group)) for group in range(len(self))])
        frame = pd.DataFrame({
            "group": self.group, "neuron": self.neuron, "concept": self.concept,
            "name": list(self.names), "neurons": sizes[self.group],
        })  # fmt: skip
        return frame.sort_values(["group", "neuron", "concept"], ignore_index=True)

    def __repr__(self) -> str:
        several = sum(len(self.neurons(group)) > 1 for group in range(len(self)))
        return (
            f"SharedConcepts({len(self.group):,} concepts of {self.layer!r} in {len(self)} groups, "
            f"{several} of several neurons; silhouette {self.silhouette:.2f}, permuted "
            f"{self.chance:.2f})"
        )


@own_modes()
def shared_concepts(
    concepts: Iterable[Concepts], k: int | None = None, seed: int = 0
) -> SharedConcepts:
    """Group the concepts of several neurons: which neurons share one? After NeurFlow (2502.16105).

    Ward's linkage clusters the concepts' directions, of unit length, from the layer's mean to each
    concept's median sample.

    Args:
        concepts: cuts of neurons of one layer, as `layer.concepts(n) for n in layer.neurons`.
        k: the number of groups. Not given: the one from 2 to 100 with the largest mean silhouette.
        seed: of the permutation that is the control.

    Raises:
        TypeError: something else than concepts.
        ValueError: of several layers, fewer than three concepts, or fewer than `k`.
    """
    cuts = list(concepts)
    for cut in cuts:
        if not isinstance(cut, Concepts):
            raise TypeError(f"concepts must be what split.cut gives, got a {type(cut).__name__}.")
    layers = {(cut.layer, cut.top_vectors.shape[1]) for cut in cuts}
    if len(layers) > 1:
        names = ", ".join(sorted(repr(name) for name, _ in layers))
        raise ValueError(f"concepts must be of one layer, got {names}.")
    cuts = [cut for cut in cuts if len(cut)]
    count = sum(map(len, cuts))
    if count < 3:
        raise ValueError(f"concepts must be at least three, got {count}.")
    if k is not None and integer("k", k, 1) > count:
        raise ValueError(f"k must be at most the {count:,} concepts, got {k:,}.")
    points = np.concatenate([cut.differences for cut in cuts]).astype(np.float64)
    Z, best, group = _grouped(points, k)
    rng = np.random.default_rng(seed)
    _, chance, _ = _grouped(rng.permuted(points, axis=0), k)
    order = np.argsort(-np.bincount(group), kind="stable")
    return SharedConcepts(
        cuts[0].layer,
        np.concatenate([[-1 if c.neuron is None else c.neuron] * len(c) for c in cuts]),
        np.concatenate([np.arange(len(c)) for c in cuts]),
        tuple(name for c in cuts for name in c.names), np.argsort(order)[group], Z, best, chance,
    )  # fmt: skip


def _grouped(points: np.ndarray, k: int | None) -> tuple[np.ndarray, float, np.ndarray]:
    """Ward's tree, the mean silhouette of the chosen cut, and its groups: int64 `K`, from 0."""
    from scipy.cluster.hierarchy import fcluster
    from scipy.spatial.distance import squareform

    Z = np.asarray(linkage(points, "ward", "cosine"))
    count = len(points)
    distances = squareform(condensed_distances(points, "ward", "cosine"))
    # Entry `m` is of the cut into `count - m` groups.
    values = silhouettes(distances[None], Z[None], 1, max(2, min(MOST, count - 1)))[0]
    if k is None:
        k = count - int(np.nanargmax(values)) if np.isfinite(values).any() else 1
    inside = 0 <= count - k < len(values) and np.isfinite(values[count - k])
    group = np.asarray(fcluster(Z, k, "maxclust"), np.int64) - 1
    return Z, float(values[count - k]) if inside else float("nan"), group
