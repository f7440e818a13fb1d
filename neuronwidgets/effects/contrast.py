"""`contrast`: the neurons and concepts that tell two sets of samples apart."""

from __future__ import annotations

import html
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.core.checks import integer
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.steps import drained
from neuronwidgets.effects.ranks import Ranked, parts
from neuronwidgets.effects.sets import Sets

SHOWN = 10
"""Rows of the HTML table."""
DRAWS = 100
"""Permutations of the null. All neurons share them, so that the smallest p of 12,288 neurons is
1 in 1.2 million."""
ROUNDING = 1e-5
"""Relative error of the null's sums, which are float32."""

Steps = Generator[float, None, Any]


@dataclass(frozen=True, repr=False, eq=False)
class Contrast:
    """How well each of `N` neurons (or concepts) tells "these" samples from "those".

    Attributes:
        layer: the layer's name.
        names: the names of the concepts; empty for neurons, whose numbers are 0 to `N - 1`.
        these, those: int64, the rows of the activations that were compared.
        auroc: float64 `N`, the chance that one of these activates the neuron more than one of
            those, ties counting half (`sklearn.metrics.roc_auc_score`). 0.5 is chance; a neuron
            below 0.5 fires for those.
        difference: float64 `N`, the mean of these minus that of those, in standard deviations of
            all that were compared; 0 for a constant neuron.
        p: float64 `N`, two-sided, from permutations of the samples, or of whole texts.
        q: float64 `N`, Benjamini and Hochberg's over all neurons: the expected share of false
            finds among the neurons with at most this q.
        concepts: the same for the concepts that were given; `None` without.
    """

    layer: str
    names: tuple[str, ...]
    these: np.ndarray
    those: np.ndarray
    auroc: np.ndarray
    difference: np.ndarray
    p: np.ndarray
    q: np.ndarray
    concepts: Contrast | None = field(default=None)

    def __len__(self) -> int:
        return len(self.auroc)

    @property
    def kind(self) -> str:
        """ "neuron" or "concept"."""
        return "concept" if self.names else "neuron"

    @cached_property
    def ranked(self) -> np.ndarray:
        """int64 `N`: those that tell the sets apart best first, whichever set they fire for."""
        return np.lexsort((-np.abs(self.difference), -np.abs(self.auroc - 0.5)))

    def to_frame(self) -> Any:
        """A `pandas.DataFrame`, the best first: `neuron` (or `concept`), `auroc`, `difference`,
        `p`, `q`."""
        import pandas as pd

        subjects = np.array(self.names, object) if self.names else np.arange(len(self))
        columns = {self.kind: subjects, "auroc": self.auroc, "difference": self.difference,
                   "p": self.p, "q": self.q}  # fmt: skip
        return pd.DataFrame(columns).iloc[self.ranked].reset_index(drop=True)

    def __repr__(self) -> str:
        best = int(self.ranked[0])
        name = self.names[best] if self.names else f"neuron {best}"
        more = "" if self.concepts is None else f", and {len(self.concepts):,} concepts"
        return (
            f"Contrast({len(self):,} {self.kind}s of layer {self.layer!r}{more}: "
            f"{len(self.these):,} samples against {len(self.those):,}; {name}: "
            f"AUROC {self.auroc[best]:.3f}, q {self.q[best]:.2g})"
        )

    def _repr_html_(self) -> str:
        table = self.to_frame().head(SHOWN)
        text = table.to_html(index=False, border=0, float_format="{:.3g}".format, justify="left")
        note = f"the first {min(SHOWN, len(self))} of {len(self):,}; all: <code>to_frame()</code>"
        below = "" if self.concepts is None else self.concepts._repr_html_()
        return f"<p>{html.escape(repr(self))}</p>{text}<p>{note}</p>{below}"


def contrast(
    acts: Any,
    these: Any,
    those: Any = None,
    *,
    concepts: Concepts | Iterable[Concepts] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Contrast:
    """Rank all neurons of a layer by how well they tell two sets of samples apart.

    The first call ranks the samples of each neuron, which takes some seconds for a large layer.
    Later calls with the same activations take one matrix product.

    The null permutes the samples of both sets. Samples of one text (tokens, windows) are alike: if
    each text has samples in one set only, whole texts are permuted, and otherwise `p` and `q` are
    too small. Each neuron's AUROC is standardized by its exact deviation under permutation (ties
    included), and all neurons share the null's values, so that `q` can be small with few
    permutations.

    Args:
        acts: the layer's activations, or a plain `S x D` array.
        these: rows of the activations, a bool for each row, or a label (its name or number).
        those: what to compare with, given in the same way. Not given: all other rows; if `these`
            is a label, all rows with another label.
        concepts: one or several `Concepts`, whose vectors are ranked too: the samples are
            projected on them.
        draws: permutations of the null.
        seed: of the null.

    Returns:
        A `Contrast`: `to_frame()` lists the best neurons first.

    Raises:
        ValueError, IndexError, TypeError: an empty set, a sample in both sets, no such row or
            label.
    """
    return drained(contrast_steps(acts, these, those, concepts=concepts, draws=draws, seed=seed))


def contrast_steps(
    acts: Any, these: Any, those: Any = None, *, concepts: Any = None, draws: int = DRAWS,
    seed: int = 0,
) -> Generator[float, None, Contrast]:  # fmt: skip
    """`contrast` in steps: each yields the share that is done, 0 to 1."""
    acts = Activations.of(acts)
    draws, seed = integer("draws", draws, 1), integer("seed", seed, 0)
    sets = Sets.of(acts, these, those)
    texts = _whole_texts(acts, sets)
    with own_modes():
        named = _vectors(acts, concepts)
    of_concepts = None
    if named is not None:
        names, projections = named
        whole = Activations.from_arrays(projections)
        of_concepts = yield from _compared(whole, sets, texts, draws, seed, names, acts.layer)
    return (yield from _compared(acts, sets, texts, draws, seed, (), acts.layer, of_concepts))


def _compared(
    acts: Activations, sets: Sets, texts: np.ndarray | None, draws: int, seed: int,
    names: tuple[str, ...], layer: str, of_concepts: Contrast | None = None,
) -> Generator[float, None, Contrast]:  # fmt: skip
    width = acts.shape[1]
    auroc, difference, z = (np.zeros(width) for _ in range(3))
    null = np.zeros((draws, width), np.float32)
    one, other = len(sets.these), len(sets.those)
    # What the null permutes: samples, or texts.
    permuted, count = one, one + other
    if texts is not None:
        permuted, count = len(np.unique(texts[sets.inside])), int(texts.max()) + 1
    rng = np.random.default_rng(seed)
    order = np.array([rng.permutation(count)[:permuted] for _ in range(draws)])
    drawn = np.zeros((draws, count), np.float32)
    np.put_along_axis(drawn, order, 1, axis=1)
    varies = np.zeros(width, bool)
    for columns, ranked in parts(acts, sets.rows):
        with own_modes():
            total = ranked.ranks[sets.inside].sum(axis=0, dtype=np.float64)
            ranks, squares = ranked.ranks, ranked.squares
            if texts is not None:
                ranks, squares = _summed(ranked, texts)
            deviation = _deviation(squares, permuted, count - permuted)
            varies[columns] = deviation > 0
            scale = np.where(deviation > 0, deviation, 1)
            auroc[columns] = 0.5 + total / (2 * one * other)
            z[columns] = total / scale
            null[:, columns] = np.abs(drawn @ ranks) / scale.astype(np.float32)
            mean = acts.values[sets.these, columns].mean(axis=0, dtype=np.float64)
            apart = (mean - ranked.mean) * (one + other) / other
            spread = np.where(ranked.std > 0, ranked.std, 1)
            difference[columns] = np.where(ranked.std > 0, apart / spread, 0)
        yield columns.stop / width
    p = np.ones(width)
    if varies.any():
        values = np.sort(null[:, varies], axis=None)
        reached = np.abs(z[varies]).astype(np.float32) * np.float32(1 - ROUNDING)
        above = len(values) - np.searchsorted(values, reached)
        p[varies] = (1 + above) / (1 + len(values))
    return Contrast(
        layer, names, sets.these, sets.those, auroc, difference, p, false_discovery(p), of_concepts
    )


def _whole_texts(acts: Activations, sets: Sets) -> np.ndarray | None:
    """The text of each sample of both sets, from 0: int64 `n`. `None` if texts have one sample
    each, or if a text has samples in both sets."""
    rows = slice(None) if sets.rows is None else sets.rows
    text = np.unique(acts.samples.source[rows], return_inverse=True)[1].ravel()
    inside = np.zeros(len(text), bool)
    inside[sets.inside] = True
    size, within = np.bincount(text), np.bincount(text[inside], minlength=int(text.max()) + 1)
    divided = (within > 0) & (within < size)
    return None if len(size) == len(text) or divided.any() else text


def _summed(ranked: Ranked, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of ranks of each text, float32 `T x D`, and of their squares, float64 `D`."""
    order = np.argsort(texts, kind="stable")
    starts = np.searchsorted(texts[order], np.arange(int(texts.max()) + 1))
    sums = np.add.reduceat(ranked.ranks[order], starts, axis=0, dtype=np.float64)
    return sums.astype(np.float32), (sums**2).sum(axis=0)


def _deviation(squares: np.ndarray, one: int, other: int) -> np.ndarray:
    """The standard deviation, over all permutations, of the sum of `one` of `one + other` numbers
    whose mean is 0.

    Args:
        squares: `D`, the sums of the squares of all numbers.
    """
    count = one + other
    return np.sqrt(one * other / (count * max(1, count - 1)) * squares)


def false_discovery(p: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's q (1995) of `N` p values: float64 `N`."""
    count = len(p)
    order = np.argsort(p, kind="stable")
    adjusted = p[order] * count / np.arange(1, count + 1)
    q = np.empty(count)
    q[order] = np.minimum(1, np.minimum.accumulate(adjusted[::-1])[::-1])
    return q


def _vectors(acts: Activations, concepts: Any) -> tuple[tuple[str, ...], np.ndarray] | None:
    """The names of all concepts, and the samples' projections on their vectors: `S x K`."""
    if concepts is None:
        return None
    several = [concepts] if isinstance(concepts, Concepts) else list(concepts)
    for given in several:
        if not isinstance(given, Concepts):
            kind = type(given).__name__
            raise TypeError(f"concepts must be Concepts or a list of them, got a {kind}.")
    vectors = [given.vectors for given in several if len(given)]
    if not vectors:
        raise ValueError("concepts holds no concept: lower the threshold of its cut.")
    width = acts.shape[1]
    for other in {v.shape[1] for v in vectors} - {width}:
        raise ValueError(
            f"concepts must be of a layer of {width:,} neurons, as {acts.layer!r} is: some of "
            f"their vectors have {other:,} numbers."
        )
    names = tuple(_name(given, i) for given in several for i in range(len(given)))
    return names, acts.project(np.concatenate(vectors))


def _name(concepts: Concepts, concept: int) -> str:
    name = concepts.names[concept] or f"concept {concept}"
    return name if concepts.split is None else f"{concepts.split.name}: {name}"
