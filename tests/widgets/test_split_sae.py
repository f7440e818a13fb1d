"""Features of an autoencoder on the cards: the numbers of `match_features`, and their controls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.widgets.base.jobs import JobProgress, take
from neuronwidgets.widgets.base.pace import Pace
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.split_explorer.evidence import Evidence
from neuronwidgets.widgets.split_explorer.sae import SAEFeatures, SAEMatch

D, TOP = 12, 60


class Planted:
    """400 samples, each of one of five features; a direction that fires for three of them. The
    autoencoder has these five exactly, and one that is active on features 0 and 1."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        basis = np.linalg.qr(rng.normal(size=(D, D)))[0].astype(np.float32)
        kind = rng.integers(0, 5, 400)
        values = basis[kind] * rng.uniform(3, 5, (400, 1)) + rng.normal(0, 0.1, (400, D))
        self.acts = nw.Activations.from_arrays(values.astype("f4"), labels=[f"f{k}" for k in kind])
        rows = np.concatenate([basis[:5], basis[:1] + basis[1:2]])
        self.sae = nw.SAE(rows.T, rows, np.zeros(D, "f4"), np.full(6, -2.0, "f4"))
        self.direction = basis[:3].sum(axis=0)
        self.split = nw.split(self.acts, self.direction, top=TOP)
        heights = {s.concepts: s.threshold for s in self.split.suggest()}
        self.cut = self.split.cut(heights[3])


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted()


def gathered(evidence: Evidence, nodes: list[int]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    for step in evidence.steps(nodes, lambda: None):
        take(step)
    assert not evidence.lacks(nodes)
    return unpack(evidence.sae.pack())


def bits(packed: np.ndarray) -> np.ndarray:
    return np.unpackbits(packed, axis=-1, bitorder="little")[..., :TOP].astype(bool)


def test_the_cards_have_the_numbers_of_match_features(planted: Planted) -> None:
    nodes = planted.cut.nodes.tolist()
    evidence = Evidence(planted.split, sae=SAEFeatures.of(planted.sae))
    arrays, about = gathered(evidence, nodes)
    match = nw.match_features(planted.cut, planted.sae)
    assert about == {
        "features": 6, "active": len(match.features), "note": match.note, "failed": False,
        "explained": pytest.approx(match.explained),
    }  # fmt: skip
    assert arrays["node"].tolist() == nodes
    assert arrays["feature"].tolist() == match.best.tolist()
    # The planted features are found: concept "f0" has feature 0.
    assert [f"f{f}" for f in match.best] == [name[:2] for name in planted.cut.names]
    np.testing.assert_allclose(arrays["auroc"][:, 0], match.held_out, rtol=1e-6)
    np.testing.assert_allclose(arrays["auroc"][:, 1], match.random, rtol=1e-6)
    assert (arrays["auroc"][:, 2] >= arrays["auroc"][:, 1]).all()
    np.testing.assert_allclose(arrays["covered"][:, 0], match.covered, rtol=1e-6)
    np.testing.assert_allclose(arrays["covered"][:, 1], match.random_covered, rtol=1e-6)
    assert (match.random_covered <= match.covered).all()
    assert match.random_covered.mean() < match.covered.mean()
    active = bits(arrays["active"])
    for k, cover in enumerate(match.cover):
        assert arrays["cover_size"][k] == len(cover)
        assert arrays["cover"][k, : len(cover)].tolist() == cover.tolist()
        np.testing.assert_array_equal(active[k, 0], match.strength(int(match.best[k])) > 0)
        union = np.any([match.strength(int(f)) > 0 for f in cover], axis=0)
        np.testing.assert_array_equal(active[k, 1], union)
    # The control of a feature is active as often as the feature.
    assert active.shape[1] == 2 + 5
    counts = active.sum(axis=2)
    assert (counts[:, 2:] == counts[:, :1]).all()


def test_features_may_be_given_for_all_samples(planted: Planted) -> None:
    nodes = planted.cut.nodes.tolist()
    features = planted.sae.encode(planted.acts)
    both = [
        gathered(Evidence(planted.split, sae=SAEFeatures.of(given)), nodes)
        for given in (planted.sae, features)
    ]
    for name, array in both[0][0].items():
        np.testing.assert_array_equal(array, both[1][0][name])
    assert both[1][1]["explained"] is None


def test_a_node_of_all_samples_has_nothing_to_be_told_from(planted: Planted) -> None:
    root = 2 * TOP - 2
    arrays, _ = gathered(Evidence(planted.split, sae=SAEFeatures.of(planted.sae)), [root])
    assert arrays["feature"].tolist() == [-1]
    assert not bits(arrays["active"]).any()


def test_a_feature_that_divides_a_concept_is_named(planted: Planted) -> None:
    node = next(
        n for n in range(2 * TOP - 2, TOP, -1)
        if planted.split.tree.size[n] < TOP
        and len({planted.cut.assignment[s] for s in planted.split.tree.samples_of(n)}) == 2
    )  # fmt: skip
    arrays, _ = gathered(Evidence(planted.split, sae=SAEFeatures.of(planted.sae)), [node])
    children = planted.split.tree.children[node - TOP]
    own = {planted.cut.names[planted.cut.assignment[planted.split.tree.samples_of(int(c))[0]]][:2]
           for c in children}  # fmt: skip
    assert f"f{arrays['branch'][0]}" in own
    auroc, random = arrays["branch_auroc"][0]
    assert auroc > 0.95
    assert random <= auroc


def test_an_autoencoder_that_does_not_fit_says_so_and_ends_nothing(planted: Planted) -> None:
    nodes = planted.cut.nodes.tolist()
    silent = np.zeros((400, 3), "f4")
    evidence = Evidence(planted.split, sae=SAEFeatures.of(silent))
    arrays, about = gathered(evidence, nodes)
    assert "none of the 3 features is active" in about["note"]
    assert about["failed"]
    assert not len(arrays["node"])
    assert len(unpack(evidence.pack_evidence())[0]["node"])


def test_only_slow_work_reports_progress(planted: Planted) -> None:
    nodes = planted.cut.nodes.tolist()
    for silent, reports in ((1e9, False), (0.0, True)):
        match = SAEMatch(planted.split, SAEFeatures.of(planted.sae), Pace(silent=silent))
        shares = [s.share for s in match.steps(nodes, lambda: None) if isinstance(s, JobProgress)]
        assert bool(shares) is reports
        assert shares == sorted(shares)


def test_a_job_that_was_replaced_keeps_nothing(planted: Planted) -> None:
    match = SAEMatch(planted.split, SAEFeatures.of(planted.sae))
    *_, show = match.steps(planted.cut.nodes.tolist(), lambda: None)
    assert match.of == {}
    take(show)
    assert list(match.of) == planted.cut.nodes.tolist()


def test_what_is_no_autoencoder_is_refused(planted: Planted) -> None:
    with pytest.raises(ValueError, match=r"sae must be an nw.SAE, or features"):
        nw.SplitExplorer(planted.acts, sae=np.zeros((400, 0)))
    with pytest.raises(ValueError, match=r"a row for each of the 400 samples, got 3 rows"):
        nw.SplitExplorer(planted.acts, sae=np.zeros((3, 5)))
    rows = np.eye(5, dtype="f4")
    with pytest.raises(ValueError, match=r"5 neurons"):
        nw.SplitExplorer(planted.acts, sae=nw.SAE(rows, rows, np.zeros(5), np.zeros(5)))


def test_the_explorer_follows_the_threshold(planted: Planted) -> None:
    explorer = nw.SplitExplorer(planted.acts, planted.direction, TOP, sae=planted.sae)
    assert "sae=sae" in explorer._given
    explorer.wait(30)
    for threshold in (planted.cut.threshold, planted.split.tree.top * 0.2):
        explorer.threshold = threshold
        explorer.wait(30)
        known = unpack(explorer._sae)[0]["node"].tolist()
        assert set(explorer.concepts.nodes.tolist()) <= set(known)
    explorer.close()
    plain = nw.SplitExplorer(planted.acts, planted.direction, TOP)
    plain.wait(30)
    assert plain._sae == b""
    plain.close()
