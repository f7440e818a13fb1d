"""Whether concepts come back from another half of the top samples, beside permuted clusters."""

from __future__ import annotations

import numpy as np
import pytest

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.split import split


def of_kinds(seed: int, kinds: int, apart: float, tails: float = np.inf) -> Activations:
    """1,000 samples of `kinds` kinds, whose centres are `apart` standard deviations long."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(1000, 32))
    if np.isfinite(tails):
        values = rng.standard_t(tails, size=(1000, 32))
    values += (apart * rng.normal(size=(kinds, 32)))[np.arange(1000) % kinds]
    values[:, 0] = np.abs(values[:, 0]) + rng.random(1000)
    return Activations.from_arrays(values.astype(np.float32))


@pytest.mark.parametrize("tails", [np.inf, 3])
def test_noise_is_seldom_above_what_permuted_clusters_reach(tails: float) -> None:
    agreement, chance, high = (
        np.concatenate(part)
        for part in zip(
            *(
                split(of_kinds(seed, 1, 0, tails), 1, top=100).cut().half_agreement()
                for seed in range(8)
            ),
            strict=True,
        )
    )
    known = np.isfinite(agreement)
    assert known.sum() > 40
    assert (high[known] > chance[known]).all()
    assert (agreement > high)[known].mean() < 0.15
    # The mean of the permutations is no bound.
    assert (agreement > chance)[known].mean() > 0.35


def test_planted_kinds_are_above_it() -> None:
    agreement, chance, high = split(of_kinds(0, 3, 1.5), 0, top=90).cut().half_agreement()
    assert agreement.mean() > 0.8
    assert (agreement > high).all()
    assert (chance <= high).all()


def test_too_few_samples_are_not_compared() -> None:
    few = Activations.from_arrays(np.random.default_rng(0).normal(size=(40, 4)))
    found = split(few, 0, top=3, min_size=1).cut(0.0).half_agreement()
    assert all(np.isnan(part).all() for part in found)
    assert len(found.high) == 3
