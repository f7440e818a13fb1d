"""Measures of the response matrix `A` (`k x N`): those of arXiv 2211.09169, and `selectivity`."""

from __future__ import annotations

import numpy as np
import torch

MONOSEMANTIC = 0.999
"""Share of a neuron's responses that its largest must exceed: the paper's rule."""
FAINT = 0.1
"""Share of the layer's largest response below which a neuron counts as faint."""
_DRAWS = 1 << 18
"""Responses that `monosemantic_by_chance` draws: 4,096 rows of 64 features, in milliseconds."""
_TINY = 1e-10
"""Added to sums, so that dead neurons have share 0: the paper's value."""


def share(A: np.ndarray) -> np.ndarray:
    """`max_i A[j, i] / (1e-10 + sum_i A[j, i])` of each neuron, the paper's measure: `... x k`.

    1 for a neuron that one feature drives, 0 for a dead one. GELU and SoLU can be negative, so
    there the sum can be under the maximum and the share above 1; the paper's rule counts those
    neurons as monosemantic too, `selectivity` does not.
    """
    # Diverged runs have infinite responses, whose share is NaN.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        return A.max(axis=-1) / (_TINY + A.sum(axis=-1))


def monosemantic(A: np.ndarray) -> np.ndarray:
    """Neurons whose `share` is above 0.999: bool `... x k`."""
    return share(A) > MONOSEMANTIC


def count_monosemantic(A: torch.Tensor) -> torch.Tensor:
    """The number of monosemantic neurons of `... x k x N` responses, on their device: int64 `...`.

    The sums round otherwise than those of `monosemantic`, so a neuron at 0.999 may count otherwise.
    """
    return (A.amax(-1) / (_TINY + A.sum(-1)) > MONOSEMANTIC).sum(-1)


def dead(A: np.ndarray) -> np.ndarray:
    """Neurons that no single feature moves away from 0: bool `... x k`."""
    return np.abs(A).max(axis=-1) == 0


def faint(A: np.ndarray) -> np.ndarray:
    """Neurons whose largest response is under a tenth of the layer's largest: bool `... x k`.

    The 0.999 rule ignores the size of the responses, so some monosemantic neurons hardly respond.
    Dead neurons are faint too.
    """
    top = np.abs(A).max(axis=-1)
    return (top < FAINT * top.max(axis=-1, keepdims=True)) | (top == 0)


def monosemantic_by_chance(A: np.ndarray) -> float:
    """The number of monosemantic neurons to expect if the responses of `A` (`k x N`) were shuffled.

    A layer in which most neurons are dead has rows with a single response by accident: of 1,000
    responses in 1,000 rows, about a third. The mean over rows of responses that are drawn from all
    of `A`, with replacement; always the same draws.
    """
    neurons, features = A.shape
    rng = np.random.default_rng(0)
    rows = max(1, _DRAWS // features)
    drawn = A.ravel()[rng.integers(A.size, size=(rows, features))]
    return float(monosemantic(drawn).mean() * neurons)


def selectivity(A: np.ndarray) -> np.ndarray:
    """`max_i |A[j, i]| / sum_i |A[j, i]|` of each neuron, in [1 / N, 1]; NaN for dead ones.

    A measure without a threshold; not in the paper.
    """
    size = np.abs(A)
    with np.errstate(invalid="ignore", over="ignore"):
        total = size.sum(axis=-1)
        return np.divide(size.max(axis=-1), total, out=np.full_like(total, np.nan), where=total > 0)


def covered(A: np.ndarray) -> np.ndarray:
    """Features that drive some monosemantic neuron: bool `N`, for one `k x N` matrix."""
    driving_features = np.zeros(A.shape[1], bool)
    driving_features[A[monosemantic(A)].argmax(axis=1)] = True
    return driving_features


def order(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order of neurons and features in a heatmap: int64 `k` and `N`.

    Neurons are sorted by `max / mean` of their responses, the most monosemantic first, faint ones
    after all others. Features follow the neurons that they drive most: first those that are some
    neuron's strongest feature, then the others. So monosemantic neurons lie along the diagonal, as
    in the paper's figures. Ties are broken by index.
    """
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        peaked = A.max(axis=1) / (_TINY + A.mean(axis=1))
    neurons = np.lexsort((-peaked, faint(A)))
    best = A[neurons].argmax(axis=1)[~dead(A)[neurons]]
    features = best[np.sort(np.unique(best, return_index=True)[1])]
    rest = np.setdiff1d(np.arange(A.shape[1]), features)
    by_neuron = np.argsort(A[neurons][:, rest].argmax(axis=0), kind="stable")
    return neurons, np.concatenate([features, rest[by_neuron]])
