"""True features of a layer, and which of them drive a split neuron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.arrays import require_unmasked
from neuronwidgets.toy.calibration import COSINE, Calibration, cosines_of
from neuronwidgets.toy.run import Run

DRIVES = 0.1
"""A feature drives a neuron if its projection is at least this share of the largest one."""


@dataclass(frozen=True, eq=False)
class Truth:
    """`N` true features of a layer of `D` neurons.

    Attributes:
        vectors: float64 `N x D`, what the layer holds when a feature is there alone. Their lengths
            say which features drive a neuron; their directions are what concepts are matched with.
        names: one for each.
        recovered: the least cosine of a recovered feature.
    """

    vectors: np.ndarray
    names: tuple[str, ...]
    recovered: float = COSINE

    @classmethod
    def of(cls, truth: Any, names: Any, neurons: int) -> Truth:
        """The arguments `truth` and `truth_names` of SplitExplorer, checked."""
        rows = _responses(truth) if isinstance(truth, Run) else _matrix(truth)
        if rows.shape[1] != neurons:
            raise ValueError(
                f"truth has {rows.shape[1]:,} dimensions and the layer {neurons:,} neurons: "
                "give directions of the layer's own space."
            )
        signed = isinstance(truth, Run) and truth.config.task == "absolute"
        titles = _titles(names, len(rows) // 2 if signed else len(rows))
        if signed:
            titles += tuple(f"{title}, negative" for title in titles)
        return cls(rows, titles)

    def drivers(self, split: Split) -> np.ndarray:
        """The features that drive a split neuron or direction: int64 `F`, ascending.

        Those whose projection on it is at least a tenth of the largest; none where the largest is
        not above 0.
        """
        along = self.vectors @ split.direction
        if not len(along) or not along.max() > 0:
            return np.zeros(0, np.int64)
        return np.flatnonzero(along >= DRIVES * along.max())

    def cosines(self, split: Split, vectors: np.ndarray) -> np.ndarray:
        """float64 `K x F`, of `K x D` vectors with the features that drive what is split."""
        return cosines_of(vectors, self.vectors[self.drivers(split)])

    def calibration(self, concepts: Concepts) -> Calibration:
        """Concepts matched with the features that drive what they are a split of."""
        assert concepts.split is not None
        return Calibration.of(self.cosines(concepts.split, concepts.vectors), self.recovered)


def _responses(run: Run) -> np.ndarray:
    """What each feature does to the layer; of signed features, also what its negative does."""
    rows = run.A.T.astype(np.float64)
    if run.config.task == "absolute":
        rows = np.concatenate([rows, run.response(-1.0).T])
    if not np.isfinite(rows).all():
        raise ValueError("truth is a run that diverged: its responses are not finite.")
    return rows


def _matrix(truth: Any) -> np.ndarray:
    if hasattr(truth, "detach"):
        truth = truth.detach().cpu().double().numpy()
    require_unmasked(truth, "truth")
    try:
        rows = np.asarray(truth)
        if rows.dtype.kind not in "fiub":
            raise TypeError
        rows = rows.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"truth must be a matrix of numbers, a direction of the layer's space in each row, or "
            f"a toy.Run, got a {type(truth).__name__}."
        ) from None
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(
            f"truth must have the shape features x neurons, with at least one of each, got "
            f"{rows.shape}."
        )
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise ValueError(f"truth[{int(np.argmin(finite))}] holds NaN or inf.")
    zero = ~rows.any(axis=1)
    if zero.any():
        raise ValueError(
            f"truth[{int(np.argmax(zero))}] is all zeros ({int(zero.sum())} such rows): it has no "
            "direction. Leave it out; a toy.Run may be given as it is."
        )
    return rows


def _titles(names: Any, count: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"feature {i}" for i in range(count))
    if isinstance(names, str) or not isinstance(names, Sequence | np.ndarray):
        raise TypeError(f"truth_names must be a list with a name for each feature, got {names!r}.")
    if len(names) != count:
        raise ValueError(f"truth_names has {len(names):,} names for {count:,} true features.")
    return tuple(str(name) for name in names)
