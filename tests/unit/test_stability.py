"""Whether groups recur, against the definition taken word by word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform

from neuronwidgets.clustering.halves import halves
from neuronwidgets.clustering.stability import recurring


def shares(*arguments: Any, **more: Any) -> np.ndarray:
    steps = recurring(*arguments, **more)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return np.asarray(done.value)


def by_definition(
    distances: np.ndarray,
    method: str,
    groups: np.ndarray,
    source: np.ndarray,
    resamples: int,
    seed: int,
) -> list[float]:
    """The Jaccard index with every branch, as sets; of large groups also of what is outside."""
    rng = np.random.default_rng(seed)
    hits: list[list[bool]] = [[] for _ in groups]
    for _ in range(resamples):
        some = np.sort(max(halves(source, rng), key=len))
        if len(some) < 2:
            continue
        Z = hierarchy.linkage(squareform(distances[np.ix_(some, some)]), method)
        branches = [
            {int(some[leaf]) for leaf in node.pre_order()}
            for node in hierarchy.to_tree(Z, rd=True)[1]
        ]
        for group, hit in zip(groups, hits, strict=True):
            own = set(np.flatnonzero(group).tolist()) & set(some.tolist())
            if len(set(source[list(own)].tolist())) < 2 or (
                len(own) == len(some) and not group.all()
            ):
                continue
            rest = set(some.tolist()) - own
            hit.append(any(
                jaccard(own, branch) >= 0.75
                and (len(own) <= len(rest) or jaccard(rest, set(some.tolist()) - branch) >= 0.75)
                for branch in branches
            ))  # fmt: skip
    return [float(np.mean(hit)) if hit else np.nan for hit in hits]


def jaccard(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


@pytest.mark.parametrize("method", ["ward", "average", "complete", "single"])
@pytest.mark.parametrize("n", [2, 3, 7, 30])
def test_as_defined(method: str, n: int) -> None:
    rng = np.random.default_rng(n)
    distances = squareform(pdist(rng.normal(size=(n, 3))))
    groups = rng.random((6, n)) < np.array([0.0, 0.1, 0.3, 0.5, 0.8, 1.0])[:, None]
    for source in (np.arange(n), np.sort(rng.integers(0, n // 2, n))):
        found = shares(distances, method, groups, 12, 3, source)
        np.testing.assert_allclose(found, by_definition(distances, method, groups, source, 12, 3))
        assert np.isnan(found[0])
    assert n == 2 or shares(distances, method, groups, 12)[-1] == 1


def test_clusters_recur_and_their_halves_do_not() -> None:
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], 30)
    points = 12 * np.eye(6)[kind] + rng.normal(size=(90, 6))
    half = (kind == 0) & (np.arange(90) % 2 == 0)
    groups = np.stack([kind == 0, kind == 1, kind == 2, half])
    found = shares(squareform(pdist(points)), "ward", groups, 40)
    assert found[:3].tolist() == [1, 1, 1]
    assert found[3] < 0.1
    np.testing.assert_array_equal(found, shares(squareform(pdist(points)), "ward", groups, 40))


@pytest.mark.parametrize("method", ["ward", "average", "single"])
def test_most_of_the_samples_at_random_do_not_recur(method: str) -> None:
    rng = np.random.default_rng(0)
    distances = squareform(pdist(rng.normal(size=(100, 10))))
    groups = rng.permuted(np.tile(np.arange(100) < 85, (20, 1)), axis=1)
    assert shares(distances, method, groups, 20).max() == 0  # the whole tree is no such branch


def test_a_large_cluster_recurs_beside_a_small_one() -> None:
    rng = np.random.default_rng(0)
    large = np.arange(100) < 85
    points = 12 * np.eye(6)[np.where(large, 0, 1)] + rng.normal(size=(100, 6))
    groups = np.stack([large, ~large])
    assert shares(squareform(pdist(points)), "ward", groups, 20).tolist() == [1, 1]


def test_equal_samples() -> None:
    found = shares(np.zeros((10, 10)), "ward", np.ones((1, 10), bool), 5)
    assert found.tolist() == [1]


def test_samples_of_one_source_are_no_evidence() -> None:
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(24), 5)
    kind, text = source % 3, rng.normal(size=(24, 6))
    points = 12 * np.eye(6)[kind] + 2 * text[source] + rng.normal(size=(120, 6))
    distances = squareform(pdist(points))
    of_text = source == 7
    # Whether tokens of a text are alike says nothing of other texts.
    assert shares(distances, "ward", of_text[None], 40)[0] > 0.9
    assert np.isnan(shares(distances, "ward", of_text[None], 40, source=source)[0])
    groups = kind == np.arange(3)[:, None]
    assert shares(distances, "ward", groups, 40, source=source).tolist() == [1, 1, 1]
