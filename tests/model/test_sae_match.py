"""Features beside concepts: planted features, a feature that divides a concept, and the nulls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.effects.sae.aurocs import aurocs, best_of_permuted, held_out, random_features
from neuronwidgets.effects.sae.measure import reached

D, THREE = 32, 6.0
"""Neurons, and a threshold at which the planted neuron has three concepts."""


class Planted:
    """1,200 samples, each of one of eight features; the direction fires for three of them. Feature
    2 is two of the autoencoder's, which are close."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        basis = np.linalg.qr(rng.normal(size=(D, D)))[0].astype(np.float32)
        self.features = basis[:10]
        kind = rng.integers(0, 9, 1200)
        values = self.features[kind] * rng.uniform(3, 5, (1200, 1))
        values += rng.normal(0, 0.15, values.shape)
        self.sides = np.where(rng.random(1200) < 0.5, 1, -1)
        values[kind == 2] += np.outer(self.sides[kind == 2], self.features[9]) * 2
        labels = [f"feature {k}" for k in kind]
        self.acts = nw.Activations.from_arrays(values.astype(np.float32), labels=labels)
        self.kind = kind
        both = np.stack([3 * self.features[2] + s * 2 * self.features[9] for s in (1, -1)])
        both /= np.linalg.norm(both, axis=1, keepdims=True)
        # Six features see noise only, and are active on half of the samples.
        rows = np.concatenate([self.features[:2], both, self.features[3:9], basis[10:16]])
        bias = np.repeat([-3.2, 0], [10, 6])
        self.sae = nw.SAE(rows.T, rows, np.zeros(D), bias)
        self.split = nw.split(self.acts, self.features[:3].sum(axis=0), top=150)


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted()


@pytest.fixture(scope="module")
def three(planted: Planted) -> nw.FeatureMatch:
    return nw.match_features(planted.split.cut(THREE), planted.sae)


def feature_of(match: nw.FeatureMatch, name: str) -> int:
    return match.concepts.names.index(name)


def test_aurocs_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    strengths = np.maximum(rng.normal(size=(60, 5)), 0).astype(np.float32)
    groups = rng.random((60, 3)) < 0.4
    expected = [[roc_auc_score(g, s) for s in strengths.T] for g in groups.T]
    np.testing.assert_allclose(aurocs(strengths, groups), expected, atol=1e-6)
    assert np.isnan(aurocs(strengths, np.ones((60, 1), bool))).all()


def test_two_simple_features_are_the_best_of_their_concepts(three: nw.FeatureMatch) -> None:
    for number in (0, 1):
        concept = feature_of(three, f"feature {number}")
        assert three.best[concept] == three.matched[concept] == number
        assert three.auroc[concept].max() > 0.99
        assert three.held_out[concept] > 0.99
        assert three.p[concept] == 1 / 501
        assert three.needed[concept] == 1
        assert three.same[concept] == 1
        assert three.cosine[concept] > 0.9


def test_a_divided_concept_needs_two_features_which_tell_its_branches(
    three: nw.FeatureMatch, planted: Planted
) -> None:
    concept = feature_of(three, "feature 2")
    assert three.needed[concept] == 2
    assert set(three.cover[concept].tolist()) == {2, 3}
    assert three.covered[concept] > 0.9
    assert three.divided.feature[concept] in (2, 3)
    assert three.divided.auroc[concept] > 0.99
    assert three.divided.p[concept] < 0.01
    assert three.divided.held_out[concept] > 0.99 > three.divided.random[concept]
    four = nw.match_features(planted.split, planted.sae)
    assert len(four) == 4
    assert {2, 3} <= set(four.best.tolist())
    assert (four.needed == 1).all()


def test_agreement_is_above_its_control(three: nw.FeatureMatch) -> None:
    assert three.agreement.min() > 0.9
    # One has two sides, which some halves divide.
    assert (three.agreement > three.agreement_high).sum() == 2
    assert (three.agreement > three.agreement_chance).all()
    assert np.isnan(three.feature_agreement).all()


def test_features_of_another_seed_agree(planted: Planted) -> None:
    match = nw.match_features(planted.split, planted.sae, other=planted.sae)
    np.testing.assert_allclose(match.feature_agreement, 1, atol=1e-5)
    assert match.feature_agreement_chance.max() < 0.9


def test_random_features_are_at_chance(planted: Planted) -> None:
    rng = np.random.default_rng(2)
    groups = planted.split.cut(THREE).assignment[:, None] == np.arange(3)
    noise = np.maximum(rng.normal(size=(len(groups), 300)), 0).astype(np.float32)
    best = aurocs(noise, groups).max(axis=1)
    null = best_of_permuted(noise, groups, 200, 0)
    assert (best < np.quantile(null, 0.999, axis=0)).all()
    assert best.min() > 0.55, "the best of 300 is above 0.5 by the choice alone"
    crossed, _ = held_out(noise, groups, 0)
    assert np.abs(crossed - 0.5).max() < 0.06


def test_random_directions_are_active_on_as_many_samples() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=(50, 9))
    counts = np.array([2, 10, 49, 50])
    strengths = (np.arange(50)[:, None] < counts).astype(np.float32)
    random = random_features(values, strengths, 0)
    assert (random > 0).sum(axis=0).tolist() == counts.tolist()
    groups = rng.random((50, 2)) < 0.5
    assert np.abs(held_out(random, groups, 0)[0] - 0.5).max() < 0.15


def test_features_that_are_the_concepts_beat_random_directions(planted: Planted) -> None:
    match = nw.match_features(planted.split, planted.sae)
    assert (match.held_out > match.random).all()
    assert match.held_out.mean() > match.random.mean() + 0.02


def test_an_autoencoder_of_random_directions_is_at_its_control(planted: Planted) -> None:
    rows = np.random.default_rng(7).normal(size=(64, D)) / np.sqrt(D)
    noise = nw.SAE(rows.T, rows, np.zeros(D), np.zeros(64))
    match = nw.match_features(planted.split.cut(THREE), noise)
    assert (match.p < 0.05).all(), "permuted samples alone are too weak a control"
    np.testing.assert_allclose(match.held_out, match.random, atol=0.08)


def test_p_is_uniform_for_permuted_concepts() -> None:
    rng = np.random.default_rng(3)
    strengths = np.maximum(rng.normal(size=(40, 12)), 0).astype(np.float32)
    groups = np.stack([rng.permutation(np.arange(40) < 15) for _ in range(300)], axis=1)
    best = aurocs(strengths, groups).max(axis=1)
    null = best_of_permuted(strengths, groups[:, :1], 2000, 0)[:, 0]
    p = (1 + (null[:, None] >= best - 1e-9).sum(axis=0)) / 2001
    shares = [(p <= level).mean() for level in (0.1, 0.5, 0.9)]
    np.testing.assert_allclose(shares, [0.1, 0.5, 0.9], atol=0.08)


def test_random_directions_exceed_what_they_reach_in_5_percent() -> None:
    rng = np.random.default_rng(6)
    draws = rng.normal(0.7, 0.02, (6, 4000))
    exceed = draws[5] > reached(draws[:5])
    assert 0.035 < exceed.mean() < 0.065
    # Their mean is exceeded by half of them.
    assert (draws[5] > draws[:5].mean(axis=0)).mean() > 0.4


def test_halves_of_noise_agree_no_more_than_permuted_clusters() -> None:
    acts = nw.Activations.from_arrays(np.random.default_rng(4).normal(size=(500, 40)))
    concepts = nw.split(acts, 0, top=100).cut()
    agreement, chance, _ = concepts.half_agreement()
    assert np.nanmean(agreement) < 0.6
    assert np.abs(np.nanmean(agreement - chance)) < 0.25


def test_another_layer_of_the_same_samples(planted: Planted) -> None:
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(D, D)))[0].astype(np.float32)
    other = nw.Activations.from_arrays(planted.acts.values @ rotation, layer="other")
    sae = planted.sae
    turned = nw.SAE(rotation.T @ sae.W_enc, sae.W_dec @ rotation, np.zeros(D), sae.b_enc)
    match = nw.match_features(planted.split.cut(THREE), turned, acts=other)
    own = nw.match_features(planted.split.cut(THREE), sae)
    assert match.best.tolist() == own.best.tolist()
    np.testing.assert_allclose(match.held_out, own.held_out, atol=1e-6)
    assert np.isnan(match.cosine).all()
    few = nw.Activations.from_arrays(planted.acts.values[:900], layer="other")
    with pytest.raises(ValueError, match="acts must have the samples that were split"):
        nw.match_features(planted.split, sae, acts=few)


def test_features_at_random_tell_branches_of_noise_no_better_than_random_directions() -> None:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(40, 200))
    sae = nw.SAE(directions, directions.T.copy(), np.zeros(40), np.full(200, -4.0))
    acts = nw.Activations.from_arrays(rng.normal(size=(1000, 40)).astype(np.float32))
    split = nw.split(acts, 0, top=200)
    match = nw.match_features(split.cut(0.93 * split.tree.top), sae, draws=50)
    frame = match.to_frame()
    assert (frame["branch_p"] < 0.05).all()  # clusters are easy to tell apart
    assert (np.abs(frame["branch_held_out"] - frame["branch_random"]) < 0.15).all(), frame
    assert f"({frame['branch_random'][0]:.2f})" in match._repr_html_()


def test_a_refined_concept_has_no_branches(planted: Planted) -> None:
    match = nw.match_features(planted.split.cut(THREE).refine(), planted.sae)
    assert (match.divided.feature == -1).all()
    assert (match.p < 0.01).all()
    assert "–" in match._repr_html_()


def test_one_concept_of_all_samples_is_no_evidence(planted: Planted) -> None:
    match = nw.match_features(planted.split.cut(planted.split.tree.top), planted.sae, draws=20)
    assert len(match) == 1
    assert match.p[0] == 1
    assert match.auroc.max() == 0.5


def test_table_and_words(three: nw.FeatureMatch) -> None:
    frame = three.to_frame()
    assert (frame["auroc"] >= frame["held_out"] - 1e-9).all()
    assert (frame["purity"] > 0.99).all()
    assert (frame["feature_purity"] > 0.99).all()
    held_out, random = three.held_out.mean(), three.random.mean()
    assert f"held out {held_out:.3f}, of random directions {random:.3f})" in repr(three)
    page = three._repr_html_()
    assert page.count("<tr>") == 4
    assert "reconstructs" in page, "the planted autoencoder has a large negative bias"


def test_the_chart_has_every_sample_and_a_control(three: nw.FeatureMatch) -> None:
    page = three.to_altair().to_dict()
    dots, rows = page["vconcat"]
    data = [page["datasets"][part["data"]["name"]] for part in (dots, rows)]
    assert len(data[0]) == 150
    assert [row["sample"] for row in data[0]] == three.concepts.index[
        three.concepts.split.tree.order  # type: ignore[union-attr]
    ].tolist()
    titles = rows["encoding"]["y"]["scale"]["domain"]
    assert titles[-1].startswith("random feature")
    assert sum(", part of " in title for title in titles) == 1
    assert {row["feature"] for row in data[1]} <= set(titles)
    assert all(0 < row["share"] <= 1 for row in data[1])


def test_the_note_of_pooled_texts(planted: Planted) -> None:
    pooled = replace(planted.acts, pooling="max")
    match = nw.match_features(nw.split(pooled, 0, top=60), planted.sae, draws=5)
    assert match.note.startswith("samples are the max over tokens")


def test_two_layers_must_have_the_same_tokens(planted: Planted) -> None:
    samples = Samples(1200, item=np.arange(1200), token=np.ones(1200, np.int32))
    tokens = replace(planted.acts, samples=samples)
    with pytest.raises(ValueError, match="capture both layers in one pass"):
        nw.match_features(planted.split, planted.sae, acts=tokens)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"concepts": 3}, TypeError, "concepts must be Concepts or a Split, got a int"),
        ({"sae": "path"}, TypeError, r"sae must be an SAE, got a str: use nw.SAE.load\(path\)"),
        ({"draws": 0}, ValueError, "draws must be a positive integer, got 0"),
        (
            {"sae": nw.SAE(np.eye(D), np.eye(D), np.zeros(D), np.full(D, -1e6))},
            ValueError, "no feature of SAE",
        ),
        (
            {"sae": nw.SAE(np.eye(3), np.eye(3), np.zeros(3), np.zeros(3))},
            ValueError, "acts must have 3 neurons as the autoencoder, got 32",
        ),
    ],
)  # fmt: skip
def test_wrong_arguments(
    planted: Planted, given: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        nw.match_features(**{"concepts": planted.split, "sae": planted.sae, **given})


def test_a_split_without_concepts(planted: Planted) -> None:
    with pytest.raises(ValueError, match="holds no concept"):
        nw.match_features(planted.split.cut(0.0), planted.sae)
