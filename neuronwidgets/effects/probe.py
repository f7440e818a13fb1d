"""`probe`: which few neurons of a layer tell a label apart, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import torch

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import integer, number, one_of
from neuronwidgets.effects.probing.l1 import L1Probe, l1_probe
from neuronwidgets.effects.probing.rankings import RANKS
from neuronwidgets.effects.probing.sparse import SparseProbe, sparse_probe
from neuronwidgets.effects.probing.target import Target
from neuronwidgets.toy.threads import few_threads

METHODS = ("sparse", "l1")
DRAWS = 20
"""Permutations of the labels: enough for p = 0.05."""
RESAMPLES = 1000
"""Bootstrap resamples of the test part."""

PAIRS = 64 * 64
"""Multiplications for each sample in a step of the largest usual regression."""


@overload
def probe(
    acts: Any, labels: Any, those: Any = ..., *, method: Literal["sparse"] = ...,
    k: int | Sequence[int] | None = ..., rank: str = ..., search: bool = ..., C: float = ...,
    groups: Any = ..., test: float = ..., draws: int = ..., resamples: int = ..., seed: int = ...,
    device: Any = ...,
) -> SparseProbe: ...  # fmt: skip
@overload
def probe(
    acts: Any, labels: Any, those: Any = ..., *, method: Literal["l1"], weight: str = ...,
    model: Any = ..., into: Any = ..., groups: Any = ..., test: float = ..., draws: int = ...,
    resamples: int = ..., seed: int = ..., device: Any = ...,
) -> L1Probe: ...  # fmt: skip
def probe(
    acts: Any,
    labels: Any,
    those: Any = None,
    *,
    method: str = "sparse",
    k: int | Sequence[int] | None = None,
    rank: str = "mean_dif",
    search: bool = True,
    C: float = 1.0,
    weight: str | None = None,
    model: Any = None,
    into: Any = None,
    groups: Any = None,
    test: float = 0.3,
    draws: int = DRAWS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    device: Any = None,
) -> SparseProbe | L1Probe:
    """Find the few neurons of a layer that tell a label apart, and measure how well they do.

    `method="sparse"` fits logistic regressions on k neurons each (Gurnee et al. 2023, arXiv
    2305.01610). Up to k = 3 the neurons are those of the smallest squared error among *all* sets of
    the 50 best candidates; above, forward selection with swaps over the best candidates. The result
    says which was used. `method="l1"` fits a path of 30 regressions with an L1 penalty on all
    neurons (H-Neurons, arXiv 2512.01797); `L1Probe.control` then measures what its neurons do to
    the model.

    All choices are made on the training part. Each metric is measured on the test part, with a 95%
    bootstrap interval, and beside it what the same procedure gives for permuted labels.

    Args:
        acts: the layer's activations, or a plain `S x D` array.
        labels: a label (its name or number), a bool for each row, or rows: the samples to detect.
        those: the samples to tell them from, given in the same way. Not given: all others; of a
            label, all with another label.
        method: "sparse" or "l1".
        k: "sparse": the largest number of neurons, or all numbers to fit. Not given: 1 to 8, 10,
            12, 16, 32 and 64, at most half of the training samples.
        rank: "sparse": how candidates are ranked: "mean_dif" (the absolute difference of means),
            "f_stat", "lr" (L1 logistic regression), "svm", "mi" (mutual information), or "random",
            a control. The slow ones order the best 512 by "mean_dif".
        search: "sparse": `False` takes the k best by rank, as the paper's sweep does.
        C: "sparse": inverse strength of the L2 penalty, as in scikit-learn; the activations are
            in standard deviations of the training part.
        weight: "l1": "contribution" probes `cett(acts, model)`, the size of each neuron's share of
            the next module's output; "activation" the activations. Not given: "contribution" if
            `model` is given.
        model, into: "l1" with "contribution": the model, and the linear module that reads the
            neurons, see `cett`.
        groups: one entry for each row: samples of one group are never divided between training and
            test. Not given: the tokens of one text (or positions of one image) are a group.
        test: the share of samples for test.
        draws: permutations of the labels.
        resamples: bootstrap resamples.
        seed: of the division, the permutations and the resamples.
        device: where the regressions run, e.g. "cuda". Not given: the CPU.

    Returns:
        a `SparseProbe` or an `L1Probe`: frozen, plain arrays, `to_frame()`, `to_altair()`.

    Raises:
        ValueError, IndexError, TypeError: an empty set, a sample in both, too few samples or groups
            for a test part, an unknown method or rank, `k` larger than the layer or than half of
            the training samples.
    """
    acts = Activations.of(acts)
    one_of("method", method, METHODS)
    one_of("rank", rank, RANKS)
    share = number("test", test, above=0, below=1)
    draws, resamples = integer("draws", draws, 0), integer("resamples", resamples, 1)
    seed, place = integer("seed", seed, 0), torch.device("cpu" if device is None else device)
    C = number("C", C, above=0)
    target = Target.of(acts, labels, those, groups, share, seed)
    if method == "sparse":
        if weight is not None or model is not None or into is not None:
            raise TypeError("weight=, model= and into= go with method='l1'.")
        with few_threads(len(target.rows) * PAIRS):
            return sparse_probe(acts, target, k, rank, search, C, draws, resamples, seed, place)
    if k is not None:
        raise TypeError("k= goes with method='sparse': an L1 probe has a path of strengths C.")
    with few_threads(len(target.rows) * acts.shape[1] * (1 + draws)):
        return l1_probe(acts, target, weight, model, into, draws, resamples, seed, place)
