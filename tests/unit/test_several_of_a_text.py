"""Tokens of a text are alike and share its label: of each text one is evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from neuronwidgets import Activations, split, split_layer
from neuronwidgets.activations.retrieval import BY, directions, retrieve, scored
from neuronwidgets.activations.samples import Samples
from neuronwidgets.clustering.halves import halves
from neuronwidgets.concepts.control import shares_outside
from neuronwidgets.concepts.naming.labels import by_labels

GROUPS = [np.arange(9), np.arange(20, 26), np.array([50, 3, 70, 11])]


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("chunk", [1, 40, 900, 1 << 23])
@pytest.mark.parametrize("order", ["in order", "mixed"])
def test_of_a_source_one_row_is_retrieved(chunk: int, order: str, by: str) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(97, 12)).astype(np.float32) + 3
    about = values.mean(axis=0, dtype=np.float64)
    source = np.sort(rng.integers(0, 30, len(values)))
    if order == "mixed":
        source = rng.permutation(source)
    vectors = directions([values[group] for group in GROUPS], about, by)
    options: dict[str, Any] = {"k": 12, "by": by, "chunk": chunk, "source": source}
    acts = Activations.from_arrays(values)
    wanted = scored(values.astype(np.float64), vectors, about, by)
    for out in (None, GROUPS):
        rows, scores = retrieve(acts, vectors, about, leave_out=out, **options)
        for k, group in enumerate(GROUPS):
            left = np.setdiff1d(source, source[group] if out else [])
            best = [wanted[source == one, k].max() for one in left]
            np.testing.assert_allclose(scores[k], -np.sort(-np.array(best))[:12], atol=2e-6)
            np.testing.assert_allclose(wanted[rows[k], k], scores[k], atol=2e-6)
            assert len(set(source[rows[k]])) == 12
    # More than there are: what is left out follows.
    rows, scores = retrieve(acts, vectors, about, leave_out=GROUPS, **options | {"k": 97})
    for k, group in enumerate(GROUPS):
        assert np.isfinite(scores[k]).sum() == len(np.setdiff1d(source, source[group]))


def test_texts_with_several_samples_count_once() -> None:
    # Samples of texts 0, 1, 2, 3; text 2 has a sample of each label, and one without.
    source = np.array([0, 0, 1, 1, 2, 2, 2, 3])
    all_labels = np.array([0, 0, 1, 1, 0, 1, -1, 1])
    outside = np.array([[2, 4, 7, 0], [4, 7, 0, 2]])
    members = [np.array([1]), np.array([3])]
    share, counted = shares_outside(all_labels, outside, members, [0, 1], source)
    assert counted.tolist() == [[1, 3], [2, 2]]
    np.testing.assert_allclose(share, [[0, 2 / 3], [0.5, 0.5]])


def of_texts(seed: int) -> Activations:
    """Twelve tokens of each of 60 texts, whose vectors and labels they share."""
    rng = np.random.default_rng(seed)
    text = np.repeat(np.arange(60), 12)
    values = rng.normal(size=(60, 40))[text] + 0.7 * rng.normal(size=(720, 40))
    spans = [np.stack([np.arange(12), np.arange(1, 13)], 1)] * 60
    samples = Samples(720, texts=["twelve chars"] * 60, spans=spans, item=text,
                      token=np.tile(np.arange(12, dtype=np.int32), 60))  # fmt: skip
    labels = rng.permutation(60) % 3
    return Activations("noise", values.astype(np.float32), samples, labels[text], ("x", "y", "z"))


def test_tokens_of_a_text_are_no_evidence_for_its_label() -> None:
    better = []
    for seed in range(8):
        acts = of_texts(seed)
        for neuron in range(4):
            concepts = split(acts, neuron, top=60).cut()
            share, chance = concepts.precision(), concepts.chance()
            known = ~np.isnan(share)
            # Of the 20 texts with each label, some are the concept's own.
            level = binom.sf(np.rint(share * 20)[known] - 1, 20, chance[known])
            better += (level <= 0.05).tolist()
    assert len(better) > 100
    assert np.mean(better) < 0.1


def test_labels_of_whole_texts_are_permuted() -> None:
    # Tokens of a text are in one cluster, whatever its label.
    p = []
    for seed in range(4):
        layer = split_layer(of_texts(seed), 60, scores=["polysemanticity"], progress=False)
        p += layer.to_frame()["alignment_p"].tolist()
    assert len(p) == 160
    assert np.mean(np.array(p) <= 0.05) < 0.12


def test_names_by_labels_of_texts_that_mean_nothing() -> None:
    names = []
    for seed in range(8):
        acts = of_texts(seed)
        for neuron in range(4):
            concepts = split(acts, neuron, top=60).cut()
            names += [name is not None for name in by_labels(concepts, min_auc=0.5).names]
    assert len(names) > 100
    assert np.mean(names) < 0.07


def test_tokens_of_a_text_are_in_one_half() -> None:
    agreement, chance = [], []
    for seed in range(4):
        for neuron in range(4):
            ours, permuted, _ = split(of_texts(seed), neuron, top=60).cut().half_agreement()
            agreement.append(ours)
            chance.append(permuted)
    above = np.concatenate(agreement) - np.concatenate(chance)
    # A concept is a few texts, which no other half has.
    assert 10 < np.isfinite(above).sum() < 0.4 * len(above)
    assert np.nanmean(above) < 0.3


def test_halves_of_samples_and_of_texts() -> None:
    rng = np.random.default_rng(0)
    for source in (np.arange(7), np.repeat(np.arange(5), 4), np.array([0, 0, 0, 1, 2, 0, 3])):
        one, other = halves(source, rng)
        assert sorted([*one, *other]) == list(range(len(source)))
        assert not set(source[one]) & set(source[other])
        assert abs(len(one) - len(other)) <= np.bincount(source).max()
    one, other = halves(np.zeros(5), rng)
    assert (len(one), len(other)) == (5, 0)
