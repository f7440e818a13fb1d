"""The paper's claim on `fashion`: concept vectors are purer than the neurons they come from."""

from __future__ import annotations

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.activations.retrieval import BY
from neuronwidgets.concepts.scores import majority


@pytest.mark.slow
def test_concept_vectors_are_purer_than_polysemantic_neurons() -> None:
    fashion = nw.datasets.fashion()
    acts = nw.capture(
        fashion.model, fashion.images, fashion.layer, labels=fashion.labels, progress=False
    )
    assert acts.labels is not None
    polysemantic = np.flatnonzero(nw.label_entropy(acts, 100) > 1)
    assert len(polysemantic) >= 8
    own, within, between = [], [], []
    purity: dict[str, list[float]] = {by: [] for by in BY}
    precision: dict[str, list[float]] = {by: [] for by in BY}
    chance: dict[str, list[float]] = {by: [] for by in BY}
    for neuron in polysemantic:
        split = nw.split(acts, int(neuron))
        concepts = split.cut()
        own.append(majority(acts.labels[split.index[:20]])[1])
        for by in BY:
            purity[by].append(concepts.retrieved_purity(20, by).mean())
            known = ~np.isnan(concepts.precision(by=by))
            precision[by] += concepts.precision(by=by)[known].tolist()
            chance[by] += concepts.chance(by=by)[known].tolist()
        within.append(np.nanmean(concepts.within))
        between.append(np.nanmean(concepts.between))
        # A lower threshold gives finer concepts: never fewer clusters.
        counts = [len(split.tree.cut(t)) for t in np.linspace(0, split.tree.top, 20)]
        assert counts == sorted(counts, reverse=True)
    assert all(np.mean(purity[by]) > np.mean(own) + 0.15 for by in BY)
    assert all(np.mean(precision[by]) > np.mean(chance[by]) + 0.1 for by in BY)
    # Nearest in direction: better than by the paper's dot products, and far from chance.
    assert np.mean(precision["cosine"]) > np.mean(precision["dot"]) + 0.2
    assert np.mean(precision["cosine"]) > np.mean(chance["cosine"]) + 0.3
    assert (np.array(within) < np.array(between)).mean() > 0.9
