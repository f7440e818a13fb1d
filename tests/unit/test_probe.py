"""`nw.probe(method="sparse")`: supports, metrics, controls, and its parts against scikit-learn."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from sklearn import metrics as reference
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.effects.probing.lasso import Lasso
from neuronwidgets.effects.probing.logistic import balanced, logistic
from neuronwidgets.effects.probing.metrics import METRICS, measured
from neuronwidgets.effects.probing.rankings import RANKS, Moments, candidates, f_stat
from neuronwidgets.effects.probing.support import Correlations, best_supports, forward
from neuronwidgets.effects.probing.target import Target, divided

FEW: dict[str, Any] = {"draws": 3, "resamples": 50}


def planted(k: int, samples: int = 400, width: int = 30, seed: int = 0) -> tuple[Any, Any, Any]:
    """Activations, a label that k of their neurons make, and these neurons."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(samples, width)).astype(np.float32)
    neurons = np.sort(rng.choice(width, k, replace=False))
    return values, values[:, neurons].sum(axis=1) > 0.8, neurons


@pytest.mark.parametrize("k", [1, 2, 3])
def test_planted_neurons_are_found(k: int) -> None:
    values, label, neurons = planted(k)
    found = nw.probe(values, label, k=3, **FEW)
    np.testing.assert_array_equal(np.sort(found.neurons(k)), neurons)
    assert found.found[k - 1].startswith("exact")
    at = k - 1
    assert found.test.value["f1"][at] > 0.9 > found.test.null["f1"][:, at].max()
    assert found.test.low["f1"][at] <= found.test.value["f1"][at] <= found.test.high["f1"][at]
    assert found.test.p["f1"][at] == pytest.approx(1 / 4)
    assert set(neurons[:1]) <= set(found.singles.neurons)


def test_features_of_a_toy_model_are_found_in_its_neurons() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(size=(600, 12)) * (rng.uniform(size=(600, 12)) < 0.2)
    hidden = np.maximum(features @ np.eye(12)[:, rng.permutation(12)], 0).astype(np.float32)
    on = features[:, 4] > 0
    carrier = int(np.abs(np.corrcoef(hidden.T, features[:, 4])[-1, :-1]).argmax())
    found = nw.probe(hidden, on, k=1, **FEW)
    assert found.neurons(1).tolist() == [carrier]
    assert found.test.value["f1"][0] > 0.9 > found.test.null["f1"].max()


def test_labels_that_are_numbers_are_meant_by_their_value() -> None:
    values, label, _ = planted(1, width=4)
    acts = nw.Activations.from_arrays(values, labels=np.where(label, 1, 2))
    for given in (1, 1.0, "1", np.int64(1)):  # the names are "1" and "2"
        assert nw.probe(acts, given, k=1, **FEW).label == "1"
    assert nw.probe(acts, 2, k=1, **FEW).label == "2"
    named = nw.Activations.from_arrays(values, labels=label.astype(int), label_names=["no", "yes"])
    assert nw.probe(named, 1, k=1, **FEW).label == "yes"


def test_permuted_labels_give_uniform_p_and_f1_at_chance() -> None:
    p, f1, null = [], [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(80, 5)).astype(np.float32)
        label = rng.permutation(np.arange(80) < 40)
        found = nw.probe(values, label, k=[2], draws=19, resamples=2, seed=seed)
        p.append(found.test.p["roc_auc"][0])
        f1.append(found.test.value["f1"][0])
        null.append(found.test.null["f1"].mean())
    # p lies on a grid of 1/20; its uniform deviate does not.
    spread = np.array(p) - np.random.default_rng(0).uniform(size=20) / 20
    assert kstest(spread, "uniform").pvalue > 0.01
    assert abs(np.mean(f1) - np.mean(null)) < 3 * np.std(f1) / np.sqrt(20)
    assert abs(np.mean(null) - 0.5) < 0.1


@pytest.mark.parametrize("C", [0.05, 1.0, 20.0])
def test_the_regression_equals_that_of_scikit_learn(C: float) -> None:
    values, label, _ = planted(3, width=6)
    columns, positive = torch.as_tensor(values.astype(float)), torch.as_tensor(label)
    weights, intercept = logistic(columns[None], positive, balanced(positive), C)
    theirs = LogisticRegression(C=C, class_weight="balanced", tol=1e-10, solver="newton-cholesky")
    theirs.fit(values.astype(float), label)
    np.testing.assert_allclose(weights[0], theirs.coef_[0], atol=1e-5)
    np.testing.assert_allclose(intercept[0], theirs.intercept_[0], atol=1e-5)


def test_several_regressions_at_once_equal_each_alone() -> None:
    values, label, _ = planted(2, width=5)
    columns, positive = torch.as_tensor(values.astype(float)).T[:, :, None], torch.as_tensor(label)
    together, _ = logistic(columns, positive, balanced(positive), 1.0)
    for number in range(5):
        alone, _ = logistic(columns[number][None], positive, balanced(positive), 1.0)
        np.testing.assert_allclose(together[number], alone[0], rtol=1e-8)


def test_separable_labels_have_a_finite_fit() -> None:
    columns = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]], dtype=torch.float64)
    positive = torch.tensor([False, False, True, True])
    weights, _ = logistic(columns[None], positive, balanced(positive), 1e6)
    assert torch.isfinite(weights).all()
    assert float(weights) > 5


@pytest.mark.parametrize("factor", [2, 10, 40])
def test_the_l1_regression_meets_its_optimality_conditions(factor: float) -> None:
    values, label, _ = planted(3, samples=150, width=40)
    columns, positive = torch.as_tensor(values.astype(float)), torch.as_tensor(label)[None]
    weight = balanced(positive)
    lasso = Lasso(columns, positive, weight)
    C = factor * lasso.smallest
    (w,), (b,) = lasso.fit(C)
    assert not Lasso(columns, positive, weight).fit(0.999 * lasso.smallest)[0].any()
    error = weight[0] * (torch.sigmoid(columns @ w + b) - positive[0].double())
    slope = C * columns.T @ error
    assert abs(float(C * error.sum())) < 1e-5
    np.testing.assert_allclose(slope[w != 0], -w[w != 0].sign(), atol=1e-5)
    assert float(slope[w == 0].abs().max()) <= 1 + 1e-5


def test_metrics_equal_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    label = rng.random(60) < 0.4
    scores = np.round(rng.normal(size=60) + label, 1)  # with ties
    draws = rng.integers(0, 3, (4, 60)).astype(float)
    ours = measured(scores, label, draws)
    assert tuple(ours) == METRICS
    for i, weight in enumerate(draws):
        predicted = {"sample_weight": weight}
        theirs = [
            reference.f1_score(label, scores > 0, **predicted),
            reference.precision_score(label, scores > 0, **predicted),
            reference.recall_score(label, scores > 0, **predicted),
            reference.matthews_corrcoef(label, scores > 0, **predicted),
            reference.balanced_accuracy_score(label, scores > 0, **predicted),
            reference.average_precision_score(label, scores, **predicted),
            reference.roc_auc_score(label, scores, **predicted),
        ]
        np.testing.assert_allclose([ours[name][i] for name in METRICS], theirs, rtol=1e-12)


def test_resamples_without_a_set_have_no_metric() -> None:
    label = np.array([True, False, False])
    ours = measured(np.array([1.0, -1.0, 2.0]), label, np.array([[0.0, 1, 1], [2, 0, 0]]))
    assert np.isnan(ours["f1"][0])
    assert np.isnan(ours["roc_auc"]).all()
    assert ours["recall"][1] == 1


def explained(values: np.ndarray, label: np.ndarray, columns: Any) -> float:
    """The share of the label's variance that least squares on the columns explains, by weight."""
    weight = balanced(torch.as_tensor(label)).numpy()
    root = np.sqrt(weight)
    design = np.concatenate([values[:, list(columns)], np.ones((len(label), 1))], axis=1)
    y = 2.0 * label - 1
    fit = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
    left = (weight * (y - design @ fit) ** 2).sum()
    return float(1 - left / (weight * (y - (weight @ y) / weight.sum()) ** 2).sum())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_exact_supports_are_the_best_of_all(size: int) -> None:
    values, label, _ = planted(4, samples=60, width=9)
    correlations = Correlations(
        torch.as_tensor(values.astype(float)),
        torch.as_tensor(label),
        balanced(torch.as_tensor(label)),
    )
    ((found, how),) = best_supports(correlations, [size], 9)
    best = max(combinations(range(9), size), key=lambda c: explained(values, label, c))
    assert set(found.tolist()) == set(best)
    assert "exact" in how


def test_swaps_mend_what_forward_selection_gets_wrong() -> None:
    # Column 0 is the best alone, and useless beside columns 1 and 2.
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 500))
    label = one + two > 0
    values = np.stack([one + two + 0.7 * rng.normal(size=500), one, two], axis=1)
    correlations = Correlations(
        torch.as_tensor(values), torch.as_tensor(label), balanced(torch.as_tensor(label))
    )
    assert forward(correlations, [], 1) == [0]
    assert set(forward(correlations, [0], 2)) == {1, 2}
    # No swap of one column helps.
    wide, label, _ = planted(5, samples=200, width=20)
    correlations = Correlations(
        torch.as_tensor(wide.astype(float)),
        torch.as_tensor(label),
        balanced(torch.as_tensor(label)),
    )
    chosen = forward(correlations, [], 5)
    value = explained(wide, label, chosen)
    for out in range(5):
        for into in set(range(20)) - set(chosen):
            swapped = [*chosen[:out], into, *chosen[out + 1 :]]
            assert explained(wide, label, swapped) <= value + 1e-5


def test_equal_and_constant_columns_are_taken_once() -> None:
    values, label, (neuron,) = planted(1, width=6)
    copied = np.concatenate([values, values[:, [neuron]], np.ones((len(values), 3))], axis=1)
    found = nw.probe(copied, label, k=5, **FEW)
    assert found.neurons(1)[0] in (neuron, 6)
    assert not {neuron, 6} <= set(found.neurons(5).tolist())
    dead = nw.probe(np.zeros((40, 3)), np.arange(40) < 20, k=2, **FEW)
    assert dead.test.value["roc_auc"].tolist() == [0.5, 0.5]
    assert dead.test.p["roc_auc"].tolist() == [1, 1]


def test_rankings() -> None:
    values, label, _ = planted(2, width=12)
    moments = Moments.of(nw.Activations.from_arrays(values), np.arange(400), label[None])
    np.testing.assert_allclose(f_stat(moments)[0], f_classif(values, label)[0], rtol=1e-4)
    difference = values[label].mean(axis=0) - values[~label].mean(axis=0)
    np.testing.assert_allclose(moments.these[0] - moments.those[0], difference, atol=1e-6)
    acts = nw.Activations.from_arrays(values)
    both = np.argsort(-np.abs(difference))[:2]
    for rank in RANKS:
        order = candidates(acts, np.arange(400), label[None], rank, 12, 0)[0]
        assert sorted(order.tolist()) == list(range(12))
        if rank != "random":
            assert set(order[:2].tolist()) == set(both.tolist())
    by_rank = nw.probe(values, label, k=2, search=False, **FEW)
    assert set(by_rank.neurons(2).tolist()) == set(both.tolist())
    assert by_rank.found == ("the best by rank",) * 2


def test_a_label_of_many_neurons_survives_removals() -> None:
    rng = np.random.default_rng(0)
    label = rng.random(500) < 0.5
    many = (label[:, None] + rng.normal(size=(500, 24)) * 0.8).astype(np.float32)
    few = rng.normal(size=(500, 24)).astype(np.float32)
    few[:, 7] += 4 * label
    spread = nw.probe(many, label, k=1, **FEW)
    single = nw.probe(few, label, k=1, **FEW)
    assert spread.removal.kept > 0.8
    assert single.removal.kept < 0.2
    assert single.removal.removed[0] == 7
    assert len(single.removal_frame()) == 11


def test_groups_are_never_divided() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 10)).astype(np.float32)
    group = rng.integers(0, 30, 300)
    label = rng.random(300) < 0.5
    found = nw.probe(values, label, k=1, groups=[f"question {g}" for g in group], **FEW)
    assert not set(group[found.train]) & set(group[found.held_out])
    assert len(found.train) + len(found.held_out) == 300
    assert 0.2 < len(found.held_out) / 300 < 0.4


def test_windows_of_one_text_are_a_group() -> None:
    rng = np.random.default_rng(0)
    origin = np.repeat(np.arange(30), 5)
    samples = Samples(150, texts=["a window"] * 150, origin=origin)
    values = rng.normal(size=(150, 10)).astype(np.float32)
    acts = nw.Activations("layer", values, samples)
    found = nw.probe(acts, rng.random(150) < 0.5, k=1, **FEW)
    assert not set(origin[found.train]) & set(origin[found.held_out])


def test_a_probe_of_groups_does_not_read_the_group() -> None:
    # Neurons know the text; the text's label is random: nothing can be learned.
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 5)
    values = rng.normal(size=(40, 30))[group] + 0.01 * rng.normal(size=(200, 30))
    label = rng.permutation(np.arange(40) < 20)[group]
    leaking = nw.probe(values, label, k=8, groups=np.arange(200), **FEW)
    split = nw.probe(values, label, k=8, groups=group, **FEW)
    assert leaking.test.value["roc_auc"][-1] > 0.8
    assert split.test.value["roc_auc"][-1] < 0.75
    # Permutations keep the labels of a group together, so that the null is as wide as it must be.
    target = Target.of(nw.Activations.from_arrays(values), label, None, group, 0.3, 0)
    for permuted in target.permuted(5, 0):
        assert all(len(set(permuted[group == g].tolist())) == 1 for g in range(40))


def test_tokens_of_a_text_are_a_group() -> None:
    rng = np.random.default_rng(0)
    item = np.repeat(np.arange(20), 4)
    samples = nw.Samples(80, item=item, token=np.tile(np.arange(4), 20).astype(np.int32))
    acts = nw.Activations("h", rng.normal(size=(80, 5)).astype(np.float32), samples)
    found = nw.probe(acts, rng.random(80) < 0.5, k=1, **FEW)
    assert not set(item[found.train]) & set(item[found.held_out])


def test_divided_keeps_proportions_and_refuses_single_samples() -> None:
    positive = np.arange(100) < 10
    test = divided(positive, np.arange(100), 0.3, 0)
    assert test[:10].sum() == 3
    assert test[10:].sum() == 27
    with pytest.raises(ValueError, match=r"got 1 and 9 samples, the smaller set in 1 samples"):
        divided(np.arange(10) < 1, np.arange(10), 0.3, 0)
    with pytest.raises(ValueError, match="give more groups"):
        divided(np.arange(10) < 5, np.repeat([0, 1], 5), 0.3, 0)


def test_equal_calls_give_equal_results() -> None:
    values, label, _ = planted(3)
    one, two = (nw.probe(values, label, k=5, **FEW) for _ in range(2))
    assert one.to_frame().equals(two.to_frame())
    assert not one.to_frame().equals(nw.probe(values, label, k=5, seed=1, **FEW).to_frame())


def test_labels_of_activations_and_displays() -> None:
    values, label, _ = planted(2)
    names = np.where(label, "sports", "other")
    acts = nw.Activations.from_arrays(values, labels=names)
    found = nw.probe(acts, "sports", k=3, **FEW)
    assert found.label == "sports"
    assert "'sports'" in repr(found)
    assert "permuted labels" in found._repr_html_()
    frame = found.to_frame()
    assert frame["k"].tolist() == [1, 2, 3]
    assert {"f1", "f1_low", "f1_high", "f1_null", "f1_p", "roc_auc"} <= set(frame)
    assert found.singles_frame()["f1"].is_monotonic_decreasing
    assert found.to_altair().to_dict()["hconcat"]
    mask = nw.probe(values, label, k=3, **FEW)
    np.testing.assert_array_equal(mask.neurons(), found.neurons())


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"k": 0}, ValueError, "k must be a positive integer, or several, got 0"),
        ({"k": 1.5}, ValueError, "k must be a positive integer"),
        ({"k": 31}, ValueError, "k must be at most 30"),
        ({"rank": "mean"}, ValueError, "rank must be"),
        ({"method": "l2"}, ValueError, "method must be"),
        ({"test": 1}, ValueError, "test must be"),
        ({"C": 0}, ValueError, "C must be"),
        ({"groups": [1, 2]}, ValueError, "groups must have one entry for each of the 400"),
        ({"weight": "contribution"}, TypeError, "go with method='l1'"),
        ({"method": "l1", "k": 2}, TypeError, "k= goes with method='sparse'"),
        ({"method": "l1", "weight": "contribution"}, ValueError, "needs model="),
    ],
)
def test_wrong_arguments(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    values, label, _ = planted(1)
    with pytest.raises(error, match=message):
        nw.probe(values, label, **settings)
