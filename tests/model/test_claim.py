"""The paper's claim on `fashion`: concept vectors are purer than the neurons they come from."""

from __future__ import annotations

import numpy as np
import pytest

import neuronwidgets as nw
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
    own, found, within, between = [], [], [], []
    for neuron in polysemantic:
        split = nw.split(acts, int(neuron))
        concepts = split.cut()
        own.append(majority(acts.labels[split.index[:20]])[1])
        found.append(concepts.found_purity(20).mean())
        within.append(np.nanmean(concepts.within))
        between.append(np.nanmean(concepts.between))
        # A lower threshold gives finer concepts: never fewer clusters.
        counts = [len(split.tree.cut(t)) for t in np.linspace(0, split.tree.top, 20)]
        assert counts == sorted(counts, reverse=True)
    assert np.mean(found) > np.mean(own) + 0.15
    assert (np.array(within) < np.array(between)).mean() > 0.9
