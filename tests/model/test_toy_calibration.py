"""Splitting a toy model's polysemantic neurons finds the true features: the suite's calibration."""

from __future__ import annotations

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets import toy


@pytest.fixture(scope="module")
def polysemantic() -> toy.Run:
    return toy.train(toy.Config.zero_bias(features=64, dims=16, neurons=128, batch=256, steps=1536))


def test_concept_vectors_are_the_directions_of_the_features_that_drive_a_neuron() -> None:
    config = toy.Config.negative_bias(
        features=64, dims=16, neurons=128, batch=128, steps=1024, learning_rate=0.01
    )
    run = toy.train(config)
    v, _ = run.sample(10_000, seed=1)
    acts = nw.capture(run.model(), v, layer="act", progress=False)
    share = toy.measures.share(run.A)
    cosines = []
    for neuron in np.flatnonzero((share > 0.2) & (share < 0.5))[:8]:
        drivers = run.A[neuron] > 0.3 * run.A[neuron].max()
        concepts = nw.split(acts, int(neuron), top=100).cut()
        cosines += list(toy.calibrate(concepts.vectors, run.directions[drivers]).matched)
    # Not every driver is among the top samples; what is found points at a true feature.
    assert len(cosines) >= 8
    assert np.median(cosines) > 0.95


@pytest.mark.parametrize(
    ("method", "recovered", "precise"), [("ward", 0.6, 0.6), ("average", 0.75, 0.75)]
)
def test_features_that_reach_the_top_are_recovered_at_the_suggested_cut(
    polysemantic: toy.Run, method: str, recovered: float, precise: float
) -> None:
    run = polysemantic
    v, _ = run.sample(4000, seed=1)
    acts = nw.capture(run.model(), v, layer="act", progress=False)
    live = np.flatnonzero(~run.dead & ~run.monosemantic)
    assert len(live) > 100
    reached = hits = good = found = 0
    for neuron in live:
        drivers = np.flatnonzero(run.A[neuron] >= 0.1 * run.A[neuron].max())
        made = nw.split(acts, int(neuron), top=100, method=method)
        calibration = toy.calibrate(made.cut().vectors, run.directions[drivers])
        hit = calibration.true[calibration.matched >= calibration.threshold]
        # What each feature gives the neuron; those that give most to five samples are in the top.
        given = v[made.index][:, drivers] * run.A[neuron, drivers]
        top = np.bincount(given.argmax(axis=1)[given.max(axis=1) > 0], minlength=len(drivers)) >= 5
        reached, hits = reached + top.sum(), hits + top[hit].sum()
        good, found = good + len(hit), found + len(calibration.cosines)
    # Two concepts and more per neuron, so not by one mean of all.
    assert reached > 2 * len(live)
    assert hits / reached > recovered
    assert good / found > precise
