"""`contrast`: AUROC, differences and q values of all neurons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, kstest
from sklearn.metrics import roc_auc_score

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.effects import ranks
from neuronwidgets.effects.contrast import false_discovery


def layer(samples: int = 200, neurons: int = 30, seed: int = 0) -> np.ndarray:
    """Neurons from dense to nearly always zero; the last one is constant."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((samples, neurons)).astype("f4")
    values = np.maximum(values - np.linspace(-3, 1.5, neurons, dtype="f4"), 0)
    values[:, -1] = 2
    return values


@given(st.integers(0, 10_000))
def test_auroc_is_that_of_sklearn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, int(rng.integers(1, 9)), (40, 3)).astype("f4")
    these = rng.permutation(40)[: rng.integers(1, 39)]
    truth = np.isin(np.arange(40), these)
    found = nw.contrast(values, these, draws=2)
    expected = [roc_auc_score(truth, column) for column in values.T]
    np.testing.assert_allclose(found.auroc, expected, atol=1e-12)


def test_two_sets_leave_the_other_samples_out() -> None:
    values = layer()
    these, those = [3, 9, 4, 100], np.arange(120, 180)
    found = nw.contrast(values, these, those)
    rows = [*these, *those]
    expected = [roc_auc_score(np.arange(64) < 4, values[rows, j]) for j in range(30)]
    np.testing.assert_allclose(found.auroc, expected, atol=1e-12)
    apart = values[these].mean(0, dtype="f8") - values[those].mean(0, dtype="f8")
    spread = values[rows].std(0, dtype="f8")
    varies = spread > 0
    np.testing.assert_allclose(found.difference[varies], apart[varies] / spread[varies], rtol=1e-5)
    assert (found.difference[~varies] == 0).all()


def test_a_constant_neuron_tells_nothing() -> None:
    found = nw.contrast(layer(), [1, 2, 3])
    assert (found.auroc[-1], found.p[-1], found.q[-1]) == (0.5, 1, 1)
    dead = nw.contrast(np.zeros((9, 4)), [0, 1])
    assert (dead.q == 1).all()
    assert (dead.auroc == 0.5).all()


def test_p_values_of_permuted_samples_are_uniform() -> None:
    acts = nw.Activations.from_arrays(layer(300, 60)[:, :-1])
    rng = np.random.default_rng(1)
    found = [nw.contrast(acts, rng.permutation(300)[:80], draws=50, seed=i).p for i in range(60)]
    # One neuron of each comparison: the neurons of one are not independent.
    dense = [p[i % 40] for i, p in enumerate(found)]
    assert kstest(dense, "uniform").pvalue > 0.01
    share = np.mean(np.concatenate(found) <= 0.05)
    assert 0.03 < share < 0.07


def test_without_an_effect_the_layer_has_no_finds() -> None:
    acts = nw.Activations.from_arrays(layer(300, 60))
    rng = np.random.default_rng(2)
    finds = [bool((nw.contrast(acts, rng.permutation(300)[:80]).q <= 0.05).any())
             for _ in range(40)]  # fmt: skip
    assert np.mean(finds) <= 0.15


def test_planted_neurons_are_found() -> None:
    values = layer(200, 100)
    planted = np.arange(7, 27)
    values[:40, planted] += 1 + np.arange(20, dtype="f4") / 10
    found = nw.contrast(values, np.arange(40))
    hits = np.flatnonzero(found.q <= 0.05)
    assert set(planted) <= set(hits)
    # About 5% of the finds are false.
    assert len(hits) <= 23
    values[:40, 7] += 3
    found = nw.contrast(values, np.arange(40))
    assert found.ranked[0] == 7
    frame = found.to_frame()
    assert frame.neuron[0] == 7
    assert list(frame) == ["neuron", "auroc", "difference", "p", "q"]
    assert "neuron 7: AUROC 1.000" in repr(found)
    assert "<table" in found._repr_html_()


def test_q_is_that_of_scipy() -> None:
    p = np.random.default_rng(0).random(50) ** 2
    np.testing.assert_allclose(false_discovery(p), false_discovery_control(p))


def test_a_set_is_rows_a_mask_or_a_label() -> None:
    labels = ["cat", "dog", None, "bird"] * 50
    acts = nw.Activations.from_arrays(layer(), labels=labels)
    rows = np.arange(0, 200, 4)
    mask = np.isin(np.arange(200), rows)
    others = np.flatnonzero(np.arange(200) % 4 % 2)
    same = nw.contrast(acts, rows, others).auroc
    for these in ("cat", acts.label_names.index("cat"), np.int64(1)):
        np.testing.assert_array_equal(nw.contrast(acts, these).auroc, same)
    for these in (mask, mask.tolist(), pd.Series(mask), torch.tensor(mask), rows.tolist()):
        np.testing.assert_array_equal(nw.contrast(acts, these, others).auroc, same)
    # The unlabelled are among the others of rows, not of a label.
    assert len(nw.contrast(acts, rows).those) == 150


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    acts, other = (nw.Activations.from_arrays(layer()) for _ in range(2))
    expected = nw.contrast(acts, [1, 5, 7])
    monkeypatch.setattr(ranks, "BLOCK", 1000)
    for kept in (1 << 20, 10):
        monkeypatch.setattr(ranks, "KEPT", kept)
        for _ in range(2):
            found = nw.contrast(other, [1, 5, 7])
            for name in ("auroc", "difference", "p"):
                np.testing.assert_allclose(getattr(found, name), getattr(expected, name), 1e-6)
        ranks._kept.pop(other, None)


def test_values_on_disk(tmp_path: object) -> None:
    acts = nw.Activations.from_arrays(layer())
    acts.save(tmp_path / "store")  # type: ignore[operator]
    stored = nw.Activations.load(tmp_path / "store")  # type: ignore[operator]
    for those in (None, [7, 8, 11]):
        expected, found = (nw.contrast(a, [1, 2, 5], those) for a in (acts, stored))
        np.testing.assert_allclose(found.auroc, expected.auroc)


def test_concepts_are_ranked_too() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((200, 12)).astype("f4")
    values[:60, 0] += 4
    values[:30, 1] += 4
    values[30:60, 2] += 4
    concepts = nw.split(values, 0, 60).cut()
    found = nw.contrast(values, np.arange(30), np.arange(30, 60), concepts=concepts)
    assert found.concepts is not None
    assert found.concepts.kind == "concept"
    aurocs = sorted(found.concepts.auroc)
    assert aurocs[0] < 0.1
    assert aurocs[-1] > 0.9
    expected = roc_auc_score(np.arange(60) < 30, values[:60] @ concepts.vectors[0])
    assert found.concepts.auroc[0] == pytest.approx(expected)
    assert found.concepts.names[0].startswith("neuron 0: ")
    assert next(iter(found.concepts.to_frame())) == "concept"
    assert "2 concepts" in repr(found)


@pytest.mark.parametrize(
    ("these", "those", "error", "words"),
    [
        ([], None, ValueError, "these must hold at least one sample"),
        ([200], None, IndexError, "these holds sample 200"),
        ([-1], None, IndexError, "these holds sample -1"),
        ([1, 2], [2, 3], ValueError, "no sample in common, got 1 in both .the first is sample 2"),
        (np.ones(200, bool), None, ValueError, "these are all 200 samples"),
        (np.ones(3, bool), None, ValueError, "a bool for each of the 200 samples, got 3"),
        ([0.5], None, TypeError, "these must be rows"),
        (None, None, TypeError, "these must be rows"),
        (np.arange(200) % 2, None, ValueError, r"200 numbers of which 2 differ.*\(labels == 0\)"),
        ("cat", None, ValueError, "has no labels"),
    ],
)
def test_sets_that_are_refused(
    these: object, those: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        nw.contrast(layer(), these, those)


@pytest.mark.parametrize("label", [2, "2", 2.0, np.int64(2)])
def test_labels_that_are_numbers_are_given_by_their_value(label: object) -> None:
    labels = np.arange(200) % 3 + 1
    acts = nw.Activations.from_arrays(layer(), labels=labels)
    found = nw.contrast(acts, label, 1)
    assert found.these.tolist() == np.flatnonzero(labels == 2).tolist()
    assert found.those.tolist() == np.flatnonzero(labels == 1).tolist()
    with pytest.raises(ValueError, match="must be one of the labels '1', '2', '3'; got 0"):
        nw.contrast(acts, 0)
    truth = nw.Activations.from_arrays(layer(), labels=labels == 2)
    assert nw.contrast(truth, True).these.tolist() == found.these.tolist()
    named = nw.Activations.from_arrays(layer(), labels=labels - 1, label_names=["a", "b", "c"])
    assert nw.contrast(named, 1).these.tolist() == found.these.tolist()


def test_labels_that_are_refused() -> None:
    acts = nw.Activations.from_arrays(layer(), labels=["cat"] * 200, label_names=None)
    with pytest.raises(ValueError, match=r"must be one of the labels 'cat'; got 'cot'. Nearest"):
        nw.contrast(acts, "cot")
    with pytest.raises(ValueError, match="these are all 200 samples"):
        nw.contrast(acts, "cat")
    with pytest.raises(ValueError, match="draws must be a positive integer, got 0"):
        nw.contrast(acts, [1], draws=0)
    with pytest.raises(TypeError, match="concepts must be Concepts"):
        nw.contrast(acts, [1], concepts=[3])  # type: ignore[list-item]


def tokens_of(texts: int, each: int, origin: bool = False) -> nw.Activations:
    """Tokens (or windows) that share half of their variance with the others of their text."""
    rng = np.random.default_rng(0)
    shared = np.repeat(rng.standard_normal((texts, 20)), each, axis=0)
    values = (shared + rng.standard_normal(shared.shape)).astype("f4")
    item = np.repeat(np.arange(texts), each)
    if origin:
        samples = Samples(len(item), texts=["a text"] * len(item), origin=item)
    else:
        token = np.tile(np.arange(each, dtype=np.int32), texts)
        samples = Samples(len(item), texts=["a text"] * texts, item=item, token=token)
    return nw.Activations("layer", values, samples)


@pytest.mark.parametrize("origin", [False, True])
def test_labels_of_texts_without_an_effect_have_no_finds_among_their_tokens(origin: bool) -> None:
    acts = tokens_of(40, 8, origin)
    rng = np.random.default_rng(1)
    found = [nw.contrast(acts, np.repeat(rng.permutation(40) < 13, 8)) for _ in range(60)]
    assert np.mean([(one.q <= 0.05).any() for one in found]) <= 0.15
    assert kstest([one.p[i % 20] for i, one in enumerate(found)], "uniform").pvalue > 0.01


def test_a_neuron_that_knows_the_labels_of_texts_is_found_among_their_tokens() -> None:
    acts = tokens_of(40, 8)
    these = np.repeat(np.arange(40) % 3 == 0, 8)
    acts.values[these, 4] += 3
    found = nw.contrast(acts, these)
    assert found.ranked[0] == 4
    assert found.q[4] < 0.01
    # In any order of the rows.
    order = np.random.default_rng(2).permutation(len(acts))
    samples = Samples(320, texts=["a text"] * 40, item=acts.samples.item[order])
    mixed = nw.Activations("layer", acts.values[order], samples)
    np.testing.assert_allclose(nw.contrast(mixed, these[order]).p, found.p, rtol=1e-12)


def test_a_text_with_tokens_in_both_sets_leaves_them_to_the_null_one_by_one() -> None:
    acts = tokens_of(40, 8)
    these = np.repeat(np.arange(40) % 3 == 0, 8)
    these[1] = False
    alone = nw.contrast(acts.values, these)
    np.testing.assert_array_equal(nw.contrast(acts, these).p, alone.p)
