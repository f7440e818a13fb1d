"""Samples whose activation lies in a band between two quantiles: from everywhere in the band.

After O'Mahony et al. (2024, arXiv 2411.10019), who look at the middle of a neuron's
range because confounders show there, while its top shows the clean concept.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.top_samples import (
    FEWEST,
    NEAR,
    first_of_each,
    nearly_equal,
    resting_value,
)
from neuronwidgets.core.subsample import between_ends

Band = tuple[float, float]
"""The lower and the upper quantile of a neuron's activation over the data, from 0 to 1."""
SPARE = 2
"""Candidates for each sample that is wanted, so that copies can be left out."""


def check_band(band: Any) -> Band:
    """`band` as two floats, the smaller first.

    Raises:
        ValueError: they are no two increasing numbers from 0 to 1.
    """
    try:
        low, high = (float(end) for end in band)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 <= low < high <= 1:
        raise ValueError(
            f"band must be two quantiles from 0 to 1, the smaller first, got {band!r:.60}: the "
            "middle of a neuron's range is (0.5, 0.9)."
        )
    return low, high


def band_samples(
    acts: Activations,
    along: np.ndarray,
    band: Band,
    k: int,
    distinct: str | None = "vector",
    projected: bool = False,
) -> np.ndarray:
    """At most `k` samples whose activation lies in `band`, evenly spaced by rank.

    The rule has no chance in it. The samples from the band's lower to its upper quantile, both
    included, are sorted by activation, ties by row. Of these, `2 k` of evenly spaced ranks are
    candidates, the first and the last among them. Copies are left out as in `top_samples`. Of what
    is left, `k` of evenly spaced ranks are taken.

    Samples on which the neuron is at rest (see `top_samples`) count only if the band holds fewer
    than two others.

    Args:
        acts, distinct, projected: see `top_samples`.
        along: `S`, the neuron's activation (or the projection on a direction).
        band: see `check_band`.
        k: samples, at most.

    Returns:
        int64 `n`, rows of `acts`, strongest first.
    """
    low, high = np.quantile(along.astype(np.float64), band)
    rows = np.flatnonzero((along >= low) & (along <= high))
    active = rows[along[rows] > resting_value(along)]
    rows = active if len(active) >= 2 else rows
    rows = rows[np.argsort(-along[rows], kind="stable")]
    candidates = between_ends(rows, k if distinct is None else SPARE * k)
    if distinct is not None:
        near = nearly_equal(along[candidates][None], NEAR if projected else 0.0)[0]
        kept = candidates[first_of_each(acts, candidates, near)]
        if distinct == "text":
            kept = kept[np.sort(np.unique(acts.samples.sources(kept), return_index=True)[1])]
        if len(kept) >= min(FEWEST, len(candidates)):
            candidates = kept
    spread: np.ndarray = between_ends(candidates, k)
    return spread


def quantiles_of(along: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where `values` lie in a neuron's activations `along` (`S`): the share of samples below each,
    equal ones counting half; float64, 0 to 1."""
    ordered = np.sort(along)
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    shares: np.ndarray = below / (2 * len(ordered))
    return shares
