"""`chunk_dictionary`: the states between which a layer moves.

Wu, Jain, Yerxa et al., *Concept-Guided Interpretability via Neural Chunking* (NeurIPS 2025,
arXiv 2505.11576), unsupervised chunk discovery. The paper minimizes `- mean max_k cos(h, d_k)` by
gradient; spherical k-means has the same objective.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import CHUNK_VALUES, Activations
from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.activations.tokens import tokens_of
from neuronwidgets.concepts.scores import majority
from neuronwidgets.core.checks import integer, one_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.subsample import evenly_spaced
from neuronwidgets.display.html import table
from neuronwidgets.effects.chunks.spherical import nearest, spherical_kmeans
from neuronwidgets.effects.chunks.strip import ChunkStrip

BY = ("cosine", "cosine-origin")
"""Cosines about the layer's mean, or about the origin as in the paper."""
FITTED = 10_000
"""Samples to which vectors are fitted, at most, evenly spaced."""
SHOWN = 3
"""Texts of the strip, and rows of the table divided by four, that a notebook shows."""


@dataclass(frozen=True, repr=False, eq=False)
class ChunkDictionary:
    """`K` chunks: unit vectors near which the layer's states lie, with most samples first.

    Attributes:
        acts: the activations.
        vectors: float32 `K x D`, of unit length, from `center`.
        center: float64 `D`, the layer's mean, or zeros with `by="cosine-origin"`.
        assignment: int64 `S`, the chunk of each sample; -1 for one at the centre.
        similarity: float32 `S`, the cosine of each sample with its chunk.
        names: `K` names: the tokens, or else the label, of more than half of the samples, or "".
        agreement: float64 `K`: of two dictionaries, each from half of the data, the cosine of the
            two vectors that are nearest to this chunk; 1 where both halves have it.
        held_out: the mean cosine of samples with a dictionary from the other half.
        chance, chance_agreement: the same two numbers, the second a mean, where each neuron's
            activations are permuted over the samples, and all steps repeated.
    """

    acts: Activations
    vectors: np.ndarray
    center: np.ndarray
    assignment: np.ndarray
    similarity: np.ndarray
    names: tuple[str, ...]
    agreement: np.ndarray
    held_out: float
    chance: float
    chance_agreement: float

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def sizes(self) -> np.ndarray:
        """int64 `K`: samples of each chunk."""
        return np.bincount(self.assignment[self.assignment >= 0], minlength=len(self))

    @own_modes()
    def assign(self, acts: Any) -> tuple[np.ndarray, np.ndarray]:
        """The chunk of other samples of the layer, and their cosine with it: int64 and float32 `S`.

        Raises:
            ValueError: activations of another width.
        """
        acts = Activations.of(acts)
        if acts.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"acts must have {self.vectors.shape[1]:,} neurons as the chunks, got "
                f"{acts.shape[1]:,}: pass activations of the same layer."
            )
        return _assigned(acts, self.vectors, self.center)

    def nearest(self, chunk: int, k: int = 10) -> np.ndarray:
        """int64: the `k` samples of a chunk that are nearest to its vector."""
        if not 0 <= integer("chunk", chunk, 0) < len(self):
            raise IndexError(f"chunk {chunk} does not exist: there are {len(self)}, from 0.")
        rows = np.flatnonzero(self.assignment == chunk)
        order = np.argsort(-self.similarity[rows], kind="stable")
        return rows[order][: integer("k", k, 1)]

    def strip(self, texts: int | Iterable[int] = SHOWN) -> ChunkStrip:
        """Texts with the chunk of each token beneath it. A notebook displays them.

        Args:
            texts: how many, from the first, or the numbers of texts.

        Raises:
            ValueError: samples that are no tokens.
            IndexError: no such text.
        """
        return ChunkStrip.of(self.acts.samples, self.assignment, self.names, texts)

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each chunk: `chunk`, `name`, `samples`,
        `similarity` (the mean of its samples), `agreement`; `label` and `purity` if the data has
        labels."""
        import pandas as pd

        groups = [np.flatnonzero(self.assignment == k) for k in range(len(self))]
        columns: dict[str, Any] = {
            "chunk": np.arange(len(self)), "name": list(self.names), "samples": self.sizes,
            "similarity": [float(self.similarity[rows].mean()) for rows in groups],
            "agreement": self.agreement,
        }  # fmt: skip
        if self.acts.labels is not None:
            names = (*self.acts.label_names, "")
            most = [majority(self.acts.labels[rows]) for rows in groups]
            columns["label"] = [names[code] for code, _ in most]
            columns["purity"] = [share for _, share in most]
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        return (
            f"ChunkDictionary({len(self)} chunks of layer {self.acts.layer!r}: mean cosine "
            f"{self.held_out:.3f} held out, {self.chance:.3f} for permuted neurons; agreement of "
            f"halves {self.agreement.mean():.3f}, {self.chance_agreement:.3f} for permuted)"
        )

    def _repr_html_(self) -> str:
        title = f"<p>{html.escape(repr(self))}</p>"
        if self.acts.samples.token is not None and len(self.acts.samples.spans):
            return title + self.strip()._repr_html_()
        head = ("chunk", "name", "samples", "cosine", "agreement")
        rows = [
            (str(row["chunk"]), html.escape(row["name"]), f"{row['samples']:,}",
             f"{row['similarity']:.2f}", f"{row['agreement']:.2f}")
            for row in self.to_frame().head(4 * SHOWN).to_dict("records")
        ]  # fmt: skip
        note = f"the first {len(rows)} of {len(self)}; all: <code>to_frame()</code>"
        return f"{title}{table(head, rows, {1})}<p>{note}</p>"


@own_modes()
def chunk_dictionary(
    acts: Any, chunks: int = 50, *, by: str = "cosine", n_init: int = 3, seed: int = 0
) -> ChunkDictionary:
    """The states that recur in a layer, by spherical k-means of all samples.

    The unit vectors `d_k` maximize the mean over samples `h` of `max_k cos(h, d_k)` (arXiv
    2505.11576, unsupervised chunk discovery).

    Args:
        acts: the layer's activations, or a plain `S x D` array. Of tokens, if texts are to be shown
            with their chunks.
        chunks: how many, at most as many as samples; fewer come back if fewer samples differ.
        by: "cosine": about the layer's mean; "cosine-origin": about the origin, as in the paper.
            Most layers have a large mean, which makes all cosines about the origin large.
        n_init, seed: of k-means.

    Returns:
        a `ChunkDictionary`; a notebook shows texts with their chunks.

    Raises:
        ValueError: an unknown `by`; numbers that are no positive integers; fewer than four samples,
            fewer samples than chunks, or all samples at the centre.
    """
    acts = Activations.of(acts)
    chunks, n_init = integer("chunks", chunks, 1), integer("n_init", n_init, 1)
    by, seed = one_of("by", by, BY), integer("seed", seed, 0)
    if len(acts) < 4:
        raise ValueError(f"acts must have at least four samples, got {len(acts)}.")
    center = acts.mean if by == "cosine" else np.zeros(acts.shape[1])
    rows = evenly_spaced(np.arange(len(acts)), FITTED)
    if chunks > len(rows):
        kind = "samples" if len(rows) == len(acts) else "samples that are fitted"
        raise ValueError(
            f"chunks must be at most {len(rows):,}, the number of {kind}, got {chunks:,}."
        )
    values = (acts.rows(rows) - center).astype(np.float32)
    rng = np.random.default_rng(seed)
    first_half = _half(acts, rows, rng)
    vectors, _ = spherical_kmeans(_directions(values, acts.layer), chunks, n_init, seed)
    held_out, agreement = _repeated(values, vectors, first_half, chunks, seed, acts.layer)
    permuted = rng.permuted(values, axis=0)
    null, _ = spherical_kmeans(_directions(permuted, acts.layer), chunks, 1, seed)
    chance, of_null = _repeated(permuted, null, first_half, chunks, seed, acts.layer)
    assignment, similarity = _assigned(acts, vectors, center)
    names = _names(acts, assignment, len(vectors))
    return ChunkDictionary(
        acts, vectors, center, assignment, similarity, names, agreement, held_out, chance,
        float(of_null.mean()),
    )  # fmt: skip


def _directions(values: np.ndarray, layer: str) -> np.ndarray:
    """float32, of unit length; rows at the centre are left out."""
    rows = normalized(values)
    rows = rows[rows.any(axis=1)]
    if not len(rows):
        raise ValueError(f"layer {layer!r} is constant: no sample differs from the mean.")
    return rows


def _half(acts: Activations, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """bool: half of the rows; tokens of one text are in the same half if there are more texts."""
    item = rows if acts.samples.item is None else acts.samples.item[rows]
    items = np.unique(item)
    if len(items) < 2:
        return np.arange(len(rows)) < len(rows) // 2
    return np.isin(item, rng.permutation(items)[: len(items) // 2])


def _repeated(
    values: np.ndarray, vectors: np.ndarray, first: np.ndarray, chunks: int, seed: int, layer: str
) -> tuple[float, np.ndarray]:
    """The mean cosine of each half with the other's dictionary, and for each vector the cosine of
    the two of the halves that are nearest to it: float64 `K`."""
    halves = [_directions(values[part], layer) for part in (first, ~first)]
    one, other = (spherical_kmeans(half, chunks, 1, seed)[0] for half in halves)
    cosines = [nearest(halves[0], other)[1], nearest(halves[1], one)[1]]
    pairs = one[nearest(vectors, one)[0]], other[nearest(vectors, other)[0]]
    agreement = np.einsum("kd,kd->k", *pairs, dtype=np.float64)
    return float(np.concatenate(cosines).mean(dtype=np.float64)), agreement


def _assigned(
    acts: Activations, vectors: np.ndarray, center: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    assignment, similarity = np.full(len(acts), -1, np.int64), np.zeros(len(acts), np.float32)
    step = max(1, CHUNK_VALUES // (acts.shape[1] + len(vectors)))
    for start in range(0, len(acts), step):
        rows = normalized(acts.values[start : start + step] - center)
        chunk, cosine = nearest(rows, vectors)
        known = rows.any(axis=1)
        assignment[start : start + step] = np.where(known, chunk, -1)
        similarity[start : start + step] = np.where(known, cosine, 0)
    return assignment, similarity


def _names(acts: Activations, assignment: np.ndarray, count: int) -> tuple[str, ...]:
    tokens = tokens_of(acts, np.arange(len(acts)))
    names = []
    for chunk in range(count):
        rows = np.flatnonzero(assignment == chunk)
        name = "" if tokens is None or not len(rows) else tokens.name(rows) or ""
        if not name and acts.labels is not None and len(rows):
            code, share = majority(acts.labels[rows])
            name = acts.label_names[code] if code >= 0 and share > 0.5 else ""
        names.append(name)
    return tuple(names)
