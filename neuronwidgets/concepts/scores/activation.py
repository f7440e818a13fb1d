"""Scores of a neuron that need only its activations on all samples. NaN for a constant neuron."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from neuronwidgets.concepts.scores.neurons import Neurons
from neuronwidgets.concepts.scores.registry import score

BLOCK = 1 << 18
"""Numbers in a block: 2 MB in float64."""


def _by_blocks(along: np.ndarray, measure: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`measure` of each row of `along`, in blocks; float64, NaN for constant rows.

    Rows are scaled to a largest absolute value of 1.
    """
    out = np.full(len(along), np.nan)
    step = max(1, BLOCK // along.shape[1])
    for begin in range(0, len(along), step):
        block = along[begin : begin + step].astype(np.float64)
        peak = np.abs(block).max(axis=1)
        varies = (block != block[:, :1]).any(axis=1)
        if varies.any():
            out[begin : begin + step][varies] = measure(block[varies] / peak[varies, None])
    return out


def _standard(values: np.ndarray) -> np.ndarray:
    """Rows minus their mean, divided by their standard deviation."""
    values = values - values.mean(axis=1, keepdims=True)
    deviation: np.ndarray = np.sqrt(np.square(values).mean(axis=1, keepdims=True))
    return np.divide(values, deviation, out=values)


@score(
    title="monosemantic scale",
    source="arXiv 2312.11560",
    low=1,
    higher="one input stands out more: rather monosemantic",
)
def monosemantic_scale(neurons: Neurons) -> np.ndarray:
    """Wang et al. 2023, *Learning from Emergence* (arXiv 2312.11560): `max (a - mean)^2 / var`.

    The paper defines the scale of a neuron at an input, `(a - mean)^2 / var`, with the mean and
    variance of the inputs so far. Here these are of the whole data set (the variance with `1 / S`),
    and a neuron's scale is its largest one. (Its mean over a data set is 1.)

    1 to `S - 1`; higher: one sample stands out more. It grows with the number of samples.
    """
    return _by_blocks(neurons.along, lambda x: np.square(_standard(x)).max(axis=1))


@score(
    title="Wasserstein distance",
    source="arXiv 2405.15756",
    low=0,
    high=math.sqrt(2),
    higher="further from a Gaussian: entangled",
)
def wasserstein(neurons: Neurons) -> np.ndarray:
    """Sawmya et al. 2024, *Wasserstein Distances, Neuronal Entanglement, and Sparsity*.

    arXiv 2405.15756: the 1-Wasserstein distance of the standardised activations to N(0, 1), here
    exactly, `sum_i int |x_(i) - q(u)| du` over `u` from `(i - 1) / S` to `i / S`, where `q` is the
    normal quantile function, whose integral is `-phi(q(u))`.

    0 to sqrt(2) (0.80 if one sample of many differs); higher: further from a Gaussian, which the
    paper reads as entanglement.
    """
    from scipy.special import ndtr, ndtri

    count = neurons.along.shape[1]
    u = np.arange(count + 1) / count
    q = ndtri(u)
    density = np.exp(-np.square(q) / 2)

    def measure(values: np.ndarray) -> np.ndarray:
        x = _standard(values)
        x.sort(axis=1)
        # The quantile at which x crosses the quantile function, within its own interval.
        z = np.clip(x, q[:-1], q[1:])
        areas = x * (2 * ndtr(z) - (u[:-1] + u[1:]))
        np.multiply(z, z, out=z)
        z *= -0.5
        tails = 2 * np.exp(z, out=z).sum(axis=1) - 2 * density.sum()
        return np.asarray(areas.sum(axis=1) + tails / math.sqrt(2 * math.pi))

    return np.maximum(_by_blocks(neurons.along, measure), 0)


@score(
    title="excess kurtosis",
    source="Fisher's moments",
    low=-2,
    higher="rare, strong activations: rather monosemantic",
)
def kurtosis(neurons: Neurons) -> np.ndarray:
    """`E[z^4] - 3` of the standardised activations: 0 for a Gaussian, population moments.

    -2 (two values in equal shares) to infinity; higher: heavier tails, so rare and strong
    activations.
    """
    return _by_blocks(neurons.along, lambda x: np.square(np.square(_standard(x))).mean(axis=1) - 3)


@score(
    title="sparsity",
    source="Vinje & Gallant 2000",
    low=0,
    high=1,
    higher="fewer samples carry its activation",
)
def sparsity(neurons: Neurons) -> np.ndarray:
    """Lifetime sparseness, `(1 - mean(|a|)^2 / mean(a^2)) / (1 - 1 / S)`.

    Treves & Rolls 1991, *What determines the capacity of autoassociative memories in the brain?*,
    in the form of Vinje & Gallant 2000, *Sparse coding and decorrelation in primary visual cortex
    during natural vision*, Science 287. Absolute values are used: activations may be negative.

    0 (all samples alike) to 1 (one sample only), 1 - 2 / pi for a Gaussian about zero; higher:
    fewer samples carry the activation.
    """
    count = neurons.along.shape[1]

    def measure(values: np.ndarray) -> np.ndarray:
        mean = np.abs(values).mean(axis=1)
        return np.asarray((1 - mean**2 / np.square(values).mean(axis=1)) / (1 - 1 / count))

    return _by_blocks(neurons.along, measure)
