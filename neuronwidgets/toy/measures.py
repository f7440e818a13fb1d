"""Measures of the response matrix `A` (`k x N`): arXiv 2211.09169, and one without a threshold."""

from __future__ import annotations

import numpy as np

MONOSEMANTIC = 0.999
FAINT = 0.1
_TINY = 1e-10


def share(A: np.ndarray) -> np.ndarray:
    """`max_i A[j, i] / (1e-10 + sum_i A[j, i])` of each neuron, the paper's measure: `... x k`.

    1 for a neuron that one feature drives, 0 for a dead one. With GELU and SoLU, whose
    activations can be negative, the sum can be under the maximum and the share above 1; the
    paper's rule counts those neurons as monosemantic too. `selectivity` does not.
    """
    # Runs that diverged have infinities: their share is NaN.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        return A.max(axis=-1) / (_TINY + A.sum(axis=-1))


def monosemantic(A: np.ndarray) -> np.ndarray:
    """Neurons whose `share` is above 0.999: bool `... x k`."""
    return share(A) > MONOSEMANTIC


def dead(A: np.ndarray) -> np.ndarray:
    """Neurons that no single feature moves away from 0: bool `... x k`."""
    return np.abs(A).max(axis=-1) == 0


def faint(A: np.ndarray) -> np.ndarray:
    """Neurons whose largest response is under a tenth of the layer's largest: bool `... x k`.

    The 0.999 rule does not ask how much a neuron responds, so among those that it finds are some
    that have all but died. Dead ones are faint too.
    """
    top = np.abs(A).max(axis=-1)
    return (top < FAINT * top.max(axis=-1, keepdims=True)) | (top == 0)


def selectivity(A: np.ndarray) -> np.ndarray:
    """`max_i |A[j, i]| / sum_i |A[j, i]|` of each neuron, in [1 / N, 1]; NaN for dead ones."""
    size = np.abs(A)
    with np.errstate(invalid="ignore", over="ignore"):
        total = size.sum(axis=-1)
        return np.divide(size.max(axis=-1), total, out=np.full_like(total, np.nan), where=total > 0)


def covered(A: np.ndarray) -> np.ndarray:
    """Features that some monosemantic neuron stands for: bool `N`, for one `k x N` matrix."""
    found = np.zeros(A.shape[1], bool)
    found[A[monosemantic(A)].argmax(axis=1)] = True
    return found


def order(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neurons and features sorted for a heatmap: int64 `k` and `N`.

    Neurons by `max / mean` of their responses, the most monosemantic first, but faint ones after
    all others; features in the order in which they first are some neuron's strongest, then those
    that never are, by the place of the neuron that they drive most. So the monosemantic neurons
    lie along the diagonal, as in the paper's figures. Ties by index.
    """
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        peaked = A.max(axis=1) / (_TINY + A.mean(axis=1))
    neurons = np.lexsort((-peaked, faint(A)))
    best = A[neurons].argmax(axis=1)[~dead(A)[neurons]]
    features = best[np.sort(np.unique(best, return_index=True)[1])]
    rest = np.setdiff1d(np.arange(A.shape[1]), features)
    by_place = np.argsort(A[neurons][:, rest].argmax(axis=0), kind="stable")
    return neurons, np.concatenate([features, rest[by_place]])
