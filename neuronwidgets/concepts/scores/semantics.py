"""What neurons' top samples have in common, and with those of other neurons.

Dreyer et al. 2025, *Mechanistic understanding and validation of large AI models with SemanticLens*
(Nature Machine Intelligence, arXiv 2501.05398): clarity, redundancy and similarity. The paper
embeds samples by a foundation model; here `encoder=` does so, and the layer's own vectors are the
default. Vectors are centred about the data set's mean, so that random samples have 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.topk import largest
from neuronwidgets.concepts.scores.embedding import POOL, Embedding, Encoder
from neuronwidgets.concepts.scores.neurons import Neurons
from neuronwidgets.concepts.scores.polysemanticity import ACTIVE, against
from neuronwidgets.concepts.scores.registry import Column, score
from neuronwidgets.core.checks import integer

DRAWS = 99
"""Random groups of samples in the null: the smallest p is 1/100."""
BLOCK = 1 << 24
"""Activations whose largest are looked for at once: 128 MB in float64."""


def _null_columns(name: str) -> dict[str, Column]:
    return {
        f"{name}_z": Column(f"z of {name}", -np.inf, np.inf, "further above random samples"),
        f"{name}_p": Column(f"p of {name}", 0, 1, "random samples have as much"),
    }


@score(
    title="clarity",
    source="arXiv 2501.05398",
    low=-1,
    high=1,
    higher="the top samples look more alike",
    columns=_null_columns("clarity"),
    on_request=True,
)
def clarity(
    neurons: Neurons, encoder: Encoder | None = None, draws: int = DRAWS, seed: int = 0
) -> dict[str, np.ndarray]:
    """How alike a neuron's top samples are: their mean pairwise cosine.

    `(|m|^2 - 1 / n) * n / (n - 1)`, `m` the mean of the `n` vectors of unit length. By the layer's
    own vectors it is 1 minus `variety`. z and p compare it with as many random samples of the data
    set. By the layer's own vectors p is small even for noise, because top samples share the neuron
    itself; by an encoder p is uniform for samples that have nothing in common. NaN for a
    neuron at rest on more than a tenth of its top samples.

    -1 / (n - 1) to 1; higher: more alike; 0: like random samples.

    Args:
        encoder: gives samples' vectors: texts or images -> an array with a row for each. It runs
            with torch's default modes. Not given: the layer's own vectors.
        draws: random groups in the null.
        seed: of the null.
    """
    n = neurons.index.shape[1]
    embedding, random_groups = _null(neurons, encoder, draws, seed)
    null = np.array([_mean_cosine(embedding.unit(group)) for group in random_groups])
    value = np.array([_mean_cosine(embedding.unit(group)) for group in neurons.index])
    return _beside_null("clarity", neurons, value, null) if n > 1 else _nothing("clarity", neurons)


@score(
    title="redundancy",
    source="arXiv 2501.05398",
    low=-1,
    high=1,
    higher="another neuron of the layer has the same kind of top samples",
    columns=_null_columns("redundancy"),
    on_request=True,
)
def redundancy(
    neurons: Neurons, encoder: Encoder | None = None, draws: int = DRAWS, seed: int = 0
) -> dict[str, np.ndarray]:
    """How much a neuron's top samples are those of another neuron of the layer.

    The largest cosine of the mean direction of its top samples with that of any other neuron's, as
    many top samples each. The score of a layer is the mean over its neurons. z and p compare it
    with random samples in place of the neuron's own. Neurons at rest on more than a tenth of their
    top samples are left out; NaN for them.

    -1 to 1; higher: more redundant. By the layer's own vectors neighbours are more alike than by an
    encoder.

    Args:
        encoder, draws, seed: see `clarity`. An encoder gets the top samples of the whole layer.
    """
    embedding, random_groups = _null(neurons, encoder, draws, seed)
    groups, numbers = _active_tops(neurons.acts, neurons.index.shape[1])
    cosines = embedding.means(neurons.index) @ embedding.means(groups).T
    for i, along in enumerate(neurons.along):
        column = _itself(neurons.acts, along, neurons.index[i], numbers)
        cosines[i, numbers == column] = -np.inf
    return _largest("redundancy", neurons, embedding, cosines, groups, random_groups)


@score(
    title="similarity",
    source="arXiv 2501.05398",
    low=-1,
    high=1,
    higher="the other layer or model has a neuron with the same kind of top samples",
    columns={
        **_null_columns("similarity"),
        "similarity_match": Column("most similar", 0, np.inf, "its number in the other layer"),
    },
    on_request=True,
)
def similarity(
    neurons: Neurons, other: Activations, encoder: Encoder | None = None, draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, np.ndarray]:  # fmt: skip
    """How much a neuron's top samples are those of some neuron of another layer or model.

    The largest cosine of the mean directions of their top samples, as in `redundancy`; both are
    embedded in the same space. `similarity_match` is that neuron.

    -1 to 1; higher: more similar.

    Args:
        other: the activations of the other layer or model on the same samples, row for row.
        encoder: see `clarity`. Not given: the vectors of the neurons' own layer.
        draws, seed: see `clarity`.
    """
    if not isinstance(other, Activations) or len(other) != len(neurons.acts):
        shown = f"{len(other):,} samples" if isinstance(other, Activations) else repr(other)[:60]
        raise ValueError(
            f"other must be Activations on the same {len(neurons.acts):,} samples, got {shown}."
        )
    embedding, random_groups = _null(neurons, encoder, draws, seed)
    groups, numbers = _active_tops(other, neurons.index.shape[1])
    cosines = embedding.means(neurons.index) @ embedding.means(groups).T
    out = _largest("similarity", neurons, embedding, cosines, groups, random_groups)
    match = np.full(len(neurons), np.nan)
    if len(numbers):
        match = np.where(np.isnan(out["similarity"]), np.nan, numbers[cosines.argmax(axis=1)])
    return {**out, "similarity_match": match}


def _null(
    neurons: Neurons, encoder: Encoder | None, draws: int, seed: int
) -> tuple[Embedding, np.ndarray]:
    """The embedding, and random groups of samples: int64 `draws x n`."""
    n = neurons.index.shape[1]
    embedding = Embedding(neurons.acts, encoder, max(POOL, 10 * n))
    rng = np.random.default_rng(integer("seed", seed, 0))
    count = integer("draws", draws, 0)
    groups = [rng.choice(embedding.pool, n, replace=False) for _ in range(count)]
    return embedding, np.array(groups, np.int64).reshape(count, n)


def _mean_cosine(unit: np.ndarray) -> float:
    """The mean cosine of two different rows of unit length."""
    n = len(unit)
    total = unit.sum(axis=0)
    return float((total @ total - n) / (n * (n - 1))) if n > 1 else float("nan")


def _active_tops(acts: Activations, n: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 `N x n`, the top samples of the layer's neurons that are not at rest, and the neurons.

    At rest as in `Neurons.active`.
    """
    groups, numbers = [], []
    step = max(1, BLOCK // len(acts))
    for start in range(0, acts.shape[1], step):
        along = np.array(acts.values[:, start : start + step].T, order="C")
        index = largest(along, n)
        least = along.min(axis=1, keepdims=True)
        can_rest = (along == least).sum(axis=1, keepdims=True) > 1
        is_active = (np.take_along_axis(along, index, 1) > least) | ~can_rest
        kept = np.flatnonzero(is_active.mean(axis=1) >= ACTIVE)
        groups.append(index[kept])
        numbers.append(start + kept)
    return np.concatenate(groups), np.concatenate(numbers)


def _itself(acts: Activations, along: np.ndarray, index: np.ndarray, numbers: np.ndarray) -> int:
    """The neuron that a row of `Neurons.along` is; -1 for a direction."""
    probed = acts.rows(index)[:, numbers]
    same = numbers[(probed == along[index][:, None]).all(axis=0)]
    return next((int(j) for j in same if np.array_equal(acts.neuron(j), along)), -1)


def _largest(
    name: str, neurons: Neurons, embedding: Embedding, cosines: np.ndarray, groups: np.ndarray,
    random_groups: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The largest of each row of cosines, beside those of random groups."""
    if not len(groups) or not np.isfinite(cosines).any():
        return _nothing(name, neurons)
    value = cosines.max(axis=1)
    null = np.zeros(0)
    if len(random_groups):
        null = (embedding.means(random_groups) @ embedding.means(groups).T).max(axis=1)
    return _beside_null(name, neurons, np.where(np.isfinite(value), value, np.nan), null)


def _beside_null(
    name: str, neurons: Neurons, value: np.ndarray, null: np.ndarray
) -> dict[str, np.ndarray]:
    z, p = against(value, np.tile(null, (len(value), 1)))
    missing = (neurons.active < ACTIVE) | np.isnan(value)
    columns: dict[str, Any] = {name: value, f"{name}_z": z, f"{name}_p": p}
    return {key: np.where(missing, np.nan, column) for key, column in columns.items()}


def _nothing(name: str, neurons: Neurons) -> dict[str, np.ndarray]:
    return {key: np.full(len(neurons), np.nan) for key in (name, f"{name}_z", f"{name}_p")}
