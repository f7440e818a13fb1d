"""How well concepts retrieve their own kind, beside groups that are dealt out at random."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from neuronwidgets import Activations, Concepts, SplitExplorer, split
from neuronwidgets.activations.retrieval import BY, retrieve
from neuronwidgets.concepts.control import (
    DRAWS,
    TRIED,
    Measures,
    draws_of,
    groups_with,
    jaccard,
    measures,
    own_shares,
    random_groups,
    shares_at_random,
    shares_outside,
)
from neuronwidgets.concepts.measures import own_labels
from neuronwidgets.concepts.naming.majority import agreed_label
from neuronwidgets.widgets.protocol.buffers import unpack

RARE, COMMON = 0, 1


def planted(long: float = 1.0, seed: int = 0) -> Activations:
    """Three labels in three directions, all of which fire neuron 0; some samples do so weakly.

    Of the 100 strongest samples 30 have label 0 and 70 label 1; 20 and 40 more have these labels
    and are weaker. All have something in common; `long`: how much longer the vectors of label 2
    are.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 0, 1, 2], [30, 70, 20, 40, 60])
    values = rng.normal(0, 0.1, (220, 6))
    values[np.arange(220), 1 + labels] += 3
    values[:, 0] += np.where(np.arange(220) < 100, 2, 1)
    values[:, 5] += 1
    values[labels == 2, 1:] *= long
    both = np.concatenate([values, rng.normal(0, 0.1, (240, 6))])
    kinds = np.concatenate([labels, rng.integers(0, 3, 240)])
    return Activations.from_arrays(both, labels=kinds, label_names=["a", "b", "c"])


def clusters(acts: Activations) -> Concepts:
    concepts = split(acts, 0, 100).cut()
    assert sorted(concepts.sizes.tolist()) == [30, 70]
    return concepts


def shuffled(concepts: Concepts, seed: int) -> Concepts:
    """Groups of the same sizes, dealt out at random."""
    labels = np.random.default_rng(seed).permutation(concepts.assignment)
    return replace(concepts, assignment=labels)


# Random groups


def test_random_groups_are_the_same_samples_in_the_same_sizes() -> None:
    groups = [np.array([4, 9, 1]), np.array([7]), np.array([], int), np.array([2, 3, 8, 30, 5])]
    dealt = random_groups(groups, np.random.default_rng(0))
    assert [len(group) for group in dealt] == [3, 1, 0, 5]
    assert sorted(np.concatenate(dealt).tolist()) == [1, 2, 3, 4, 5, 7, 8, 9, 30]
    again = random_groups(groups, np.random.default_rng(0))
    other = random_groups(groups, np.random.default_rng(1))
    assert [g.tolist() for g in again] == [g.tolist() for g in dealt]
    assert [g.tolist() for g in other] != [g.tolist() for g in dealt]
    assert random_groups([], np.random.default_rng(0)) == []


def test_every_sample_is_as_likely_in_each_group() -> None:
    rng, draws = np.random.default_rng(0), 3000
    counts = np.zeros((2, 10))
    for _ in range(draws):
        for count, group in zip(counts, random_groups([np.arange(3), np.arange(3, 10)], rng),
                                strict=True):  # fmt: skip
            count[group] += 1
    for count, share in zip(counts, (0.3, 0.7), strict=True):
        spread = np.sqrt(draws * share * (1 - share))
        assert np.abs(count - draws * share).max() < 4.5 * spread


def test_draws_are_seeded_and_without_replacement() -> None:
    drawn = draws_of(30, 12, 50, seed=3)
    assert len(drawn) == 50
    assert all(len(set(some.tolist())) == 12 for some in drawn)
    assert {i for some in drawn for i in some.tolist()} == set(range(30))
    for seed, size, same in ((3, 12, True), (4, 12, False)):
        again = draws_of(30, size, 50, seed)
        equal = all(np.array_equal(a, b) for a, b in zip(drawn, again, strict=True))
        assert equal is same
    assert all(sorted(some.tolist()) == list(range(7)) for some in draws_of(7, 7, 5))


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize(("size", "rare"), [(1, 20), (5, 20), (9, 17), (21, 15), (39, 20)])
def test_shares_at_random_follow_the_hypergeometric_distribution(
    by: str, size: int, rare: int
) -> None:
    # Two kinds of sample at right angles: a group retrieves the kind that most of it is of.
    kind = np.repeat([0, 1], 30)
    values = np.zeros((60, 3))
    values[np.arange(60), kind] = 2
    acts = Activations.from_arrays(values, labels=kind)
    index = np.concatenate([np.arange(rare), np.arange(30, 50)])
    index = np.random.default_rng(0).permutation(index)
    draws = 1500
    shares = shares_at_random(acts, index, size, by, [0, 1, 5], 10, draws, seed=1)
    assert (shares.shape, shares.dtype) == ((draws, 3), np.float64)
    most = [
        (kind[index[some]] == 0).sum() > size / 2 for some in draws_of(len(index), size, draws, 1)
    ]
    assert shares[:, 0].tolist() == np.array(most, float).tolist()
    assert shares[:, 1].tolist() == (1 - shares[:, 0]).tolist()
    assert np.isnan(shares[:, 2]).all()  # nobody carries it
    expected = hypergeom.sf(size // 2, len(index), rare, size)
    spread = np.sqrt(max(expected * (1 - expected), 1e-12) / draws)
    assert abs(shares[:, 0].mean() - expected) < 4 * spread


def test_chance_is_seeded_and_about_the_mean_of_the_layer() -> None:
    concepts = clusters(planted())
    assert concepts.split is not None
    for by in BY:
        chance = concepts.chance(by=by, draws=7, seed=5)
        np.testing.assert_array_equal(chance, concepts.chance(by=by, draws=7, seed=5))
        for k, group in enumerate(concepts.groups):
            label = agreed_label(concepts.split.labels[group])  # type: ignore[index]
            shares = shares_at_random(
                concepts.split.acts, concepts.index, len(group), by, [label], draws=7, seed=5
            )
            assert chance[k] == pytest.approx(shares.mean())
    # About the middle of one kind its samples have no direction.
    moved = concepts.top_vectors[concepts.groups[int(concepts.sizes.argmax())]].mean(axis=0)
    args = (concepts.split.acts, concepts.index, 30, "cosine", [0, 1])
    assert not np.array_equal(shares_at_random(*args), shares_at_random(*args, mean=moved))
    np.testing.assert_array_equal(
        shares_at_random(*args[:3], "dot", [0, 1]),
        shares_at_random(*args[:3], "dot", [0, 1], mean=moved),
    )


# Precision beside chance


@pytest.mark.parametrize("by", BY)
def test_planted_clusters_are_well_over_chance(by: str) -> None:
    concepts = clusters(planted())
    assert concepts.precision(by=by).tolist() == [1, 1]
    rare = int(concepts.sizes.argmin())
    chance = concepts.chance(by=by)
    # Seven of ten top samples have the common label: so have most groups' medians and means.
    assert chance[rare] < 0.2
    assert concepts.retrieved_purity(by=by).tolist() == [1, 1]


def test_random_groups_are_no_better_than_chance_by_dot() -> None:
    above: list[float] = []
    for seed in range(40):
        # Labels that mean nothing, and vectors of very different lengths.
        rng = np.random.default_rng(seed)
        values = (rng.normal(size=(300, 8)) + 0.5) * np.exp(1.5 * rng.normal(size=(300, 1)))
        acts = Activations.from_arrays(values, labels=(rng.random(300) < 0.4).astype(int))
        concepts = shuffled(split(acts, 0, 60, min_size=6).cut(), seed)
        difference = concepts.precision(by="dot") - concepts.chance(by="dot")
        above += difference[~np.isnan(difference)].tolist()
    assert len(above) > 50
    assert min(above) < 0 < max(above)
    assert abs(np.mean(above)) < 4 * np.std(above) / np.sqrt(len(above))


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("by", BY)
def test_concepts_of_noise_are_no_better_than_chance(by: str, labels: int) -> None:
    """Though a concept is named by the label of its own samples, which it retrieves first."""
    rng = np.random.default_rng(labels)
    difference, level = [], []
    for _ in range(12):
        values, kinds = rng.normal(size=(600, 20)), rng.integers(0, labels, 600)
        concepts = split(Activations.from_arrays(values, labels=kinds), 0, 100).cut()
        share, chance = concepts.precision(by=by), concepts.chance(by=by)
        known = ~np.isnan(share)
        difference += (share - chance)[known].tolist()
        level += (binom.sf(np.rint(20 * share) - 1, 20, chance) > 0.05)[known].tolist()
    assert len(difference) > 20
    assert abs(np.mean(difference)) < 4 * np.std(difference) / np.sqrt(len(difference))
    # What a card says of them: at chance.
    assert np.mean(level) > 0.85


def test_of_a_label_as_many_are_counted_as_carry_it_outside() -> None:
    all_labels = np.array([0, 0, 0, 1, 1, 1, 1, 2, -1])
    members = [np.array([0, 3]), np.array([0, 1, 2]), np.array([7])]
    outside = np.array([[1, 4, 2, 5], [8, 3, 4, 7], [8, 0, 3, 1]])
    share, counted = shares_outside(all_labels, outside, members, [0, 1, 2, 5])
    assert counted.tolist() == [[2, 3, 1, 0], [0, 4, 1, 0], [3, 4, 0, 0]]
    nan = np.nan
    expected = [[0.5, 1 / 3, 0, nan], [nan, 0.5, 0, nan], [1 / 3, 0.25, nan, nan]]
    np.testing.assert_allclose(share, expected)
    own, count = own_shares(all_labels, outside, members, [1, 0, -1])
    np.testing.assert_allclose(own, [1 / 3, nan, nan])
    assert count.tolist() == [3, 0, 0]


def test_by_dot_long_samples_come_first_and_no_concept_beats_chance() -> None:
    concepts = clusters(planted(long=40))
    assert concepts.precision(by="dot").tolist() == [0, 0]
    assert concepts.chance(by="dot").tolist() == [0, 0]
    assert concepts.precision(by="cosine").tolist() == [1, 1]
    assert concepts.chance(by="cosine")[int(concepts.sizes.argmin())] < 0.2
    assert shuffled(concepts, 1).retrieved_purity(by="dot").tolist() == [1, 1]
    # All groups retrieve much the same.
    assert concepts.overlap(by="dot")[0, 1] > 0.2
    assert concepts.overlap(by="cosine")[0, 1] == 0


def test_without_a_label_of_most_there_is_no_precision() -> None:
    acts = planted()
    labels = np.arange(len(acts)) % 3
    mixed = clusters(replace(acts, labels=labels))
    assert np.isnan(mixed.precision()).all()
    assert np.isnan(mixed.chance()).all()
    assert not np.isnan(mixed.retrieved_purity()).any()
    unlabelled = clusters(replace(acts, labels=None, label_names=()))
    for measure in (unlabelled.precision, unlabelled.chance, unlabelled.retrieved_purity):
        assert np.isnan(measure()).all()
    none = mixed.split.cut(0.0)  # type: ignore[union-attr]
    assert none.precision().shape == none.chance().shape == (0,)


def test_the_label_of_most() -> None:
    assert agreed_label(np.array([2, 2, 1])) == 2
    assert agreed_label(np.array([2, 1])) == -1
    assert agreed_label(np.array([2, 2, -1, -1])) == -1
    assert agreed_label(np.array([2, 2, 2, -1, -1])) == 2
    assert agreed_label(np.array([-1, -1])) == -1
    assert agreed_label(np.array([], int)) == -1


# Overlap


def test_overlap_is_the_jaccard_index_of_sets() -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.permutation(15)[:8] for _ in range(6)])
    expected = [[len({*a} & {*b}) / len({*a} | {*b}) for b in rows.tolist()] for a in rows.tolist()]
    np.testing.assert_allclose(jaccard(rows), expected)
    assert jaccard(np.zeros((3, 0), int)).tolist() == np.zeros((3, 3)).tolist()
    assert jaccard(np.zeros((0, 4), int)).shape == (0, 0)


@pytest.mark.parametrize("by", BY)
def test_clusters_retrieve_different_samples_and_random_groups_the_same(by: str) -> None:
    concepts = clusters(planted())
    overlap = concepts.overlap(by=by)
    assert overlap.tolist() == np.eye(2).tolist()
    mixed = np.mean([shuffled(concepts, seed).overlap(by=by)[0, 1] for seed in range(10)])
    assert mixed > 0.2
    assert concepts.overlap(k=1000, by=by).tolist() == np.ones((2, 2)).tolist()


# All measures at once


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("random", [False, True])
def test_measures_are_those_of_the_concepts(random: bool, by: str) -> None:
    concepts = clusters(planted(long=3))
    concepts = shuffled(concepts, 2) if random else concepts
    assert concepts.split is not None
    acts = concepts.split.acts
    got = measures(acts, concepts.index, concepts.groups, by)
    assert got.purity == pytest.approx(concepts.retrieved_purity(by=by).mean())
    assert got.precision == pytest.approx(np.nanmean(concepts.precision(by=by)))
    assert got.overlap == pytest.approx(concepts.overlap(by=by)[0, 1])
    reached = {agreed_label(acts.labels[row]) for row in concepts.retrieve(by=by)}  # type: ignore[index]
    assert got.recall == len(reached & {RARE, COMMON}) / 2


def test_measures_of_nothing_are_not_numbers() -> None:
    acts = planted()
    index = np.arange(100)
    one = measures(acts, index, [np.arange(30)], "cosine")
    assert (one.purity, one.precision, one.recall) == (1, 1, 0.5)
    assert np.isnan(one.overlap)
    none = measures(acts, index, [], "cosine")
    assert np.isnan([none.purity, none.precision, none.overlap]).all()
    assert none.recall == 0
    bare = replace(acts, labels=np.full(len(acts), -1))
    assert isinstance(unlabelled := measures(bare, index, [np.arange(9)], "dot"), Measures)
    assert np.isnan([unlabelled.purity, unlabelled.precision, unlabelled.recall]).all()


# Stability


def test_planted_clusters_come_back_and_random_groups_do_not() -> None:
    concepts = clusters(planted())
    assert concepts.stability().tolist() == [1, 1]
    mixed = shuffled(concepts, 0)
    assert mixed.stability()[int(mixed.sizes.argmin())] == 0
    np.testing.assert_array_equal(mixed.stability(9, seed=4), mixed.stability(9, seed=4))


def test_stability_of_too_many_samples_is_refused_in_words() -> None:
    values = np.random.default_rng(0).normal(size=(2001, 3))
    concepts = split(Activations.from_arrays(values), 0, 2001, distinct=None).cut()
    with pytest.raises(ValueError, match=r"too long for 2,001: split with top=2,000 or less"):
        concepts.stability()


# Groups that have the label themselves


def test_shuffled_concepts_are_at_chance_also_where_labels_mean_something() -> None:
    """What a card says of random groups: their label is that of what they retrieve, too."""
    better: dict[str, list[bool]] = {"own": [], "shuffled": [], "beside any groups": []}
    rng = np.random.default_rng(5)
    for seed in range(8):
        kinds = rng.integers(0, 4, 1500)
        values = rng.normal(size=(1500, 24)) + 0.5 * rng.normal(size=(4, 24))[kinds]
        values[:, 0] = np.abs(values[:, 0]) + 1.5 * (kinds < 2)
        acts = Activations.from_arrays(values.astype(np.float32), labels=kinds)
        concepts = split(acts, 0, 100).cut()
        for name, each in (("own", concepts), ("shuffled", shuffled(concepts, seed))):
            share, chance = each.precision(), each.chance()
            labels = own_labels(each)
            for k in np.flatnonzero(~np.isnan(share)).tolist():
                args = acts, each.index, int(each.sizes[k]), "cosine", [int(labels[k])]
                drawn = draws_of(100, args[2], TRIED * DRAWS)
                groups = groups_with(drawn, acts.labels[each.index], int(labels[k]))  # type: ignore[index]
                of_groups = shares_at_random(*args, groups=groups)
                assert chance[k] == pytest.approx(of_groups.mean())
                clear = binom.sf(np.rint(20 * share[k]) - 1, 20, chance[k]) <= 0.05
                better[name].append(bool(clear and share[k] > np.quantile(of_groups, 0.95)))
                if name == "shuffled":
                    mean = shares_at_random(*args).mean()
                    by_any = binom.sf(np.rint(20 * share[k]) - 1, 20, mean) <= 0.05
                    better["beside any groups"].append(bool(by_any))
    assert min(map(len, better.values())) > 20
    assert np.mean(better["shuffled"]) <= 0.05
    assert np.mean(better["own"]) > 0.25
    # Groups with other labels are no control.
    assert np.mean(better["beside any groups"]) > 0.3


def test_a_label_that_random_groups_hardly_have_is_compared_with_all() -> None:
    labels = np.repeat([0, 1, -1], [90, 5, 5])
    drawn = draws_of(100, 10, TRIED * DRAWS)
    common, rare = (groups_with(drawn, labels, label) for label in (0, 1))
    assert len(common) == len(rare) == DRAWS
    assert all(agreed_label(labels[group]) == 0 for group in common)
    assert all((group == first).all() for group, first in zip(rare, drawn, strict=False))


# Missing labels


@pytest.mark.parametrize("by", ["cosine", "dot"])
def test_samples_without_a_label_count_neither_for_nor_against(by: str) -> None:
    acts = planted()
    assert acts.labels is not None
    # Two in five labels are missing, of the top samples and of all others.
    missing = np.random.default_rng(3).random(len(acts)) < 0.4
    some = clusters(replace(acts, labels=np.where(missing, -1, acts.labels)))
    assert some.purity.tolist() == [1, 1]
    every = clusters(acts).precision(k=8, by=by)
    assert some.precision(k=8, by=by).tolist() == every.tolist() == [1, 1]
    explorer = SplitExplorer(some.split)
    assert explorer.wait(60)
    sent = unpack(explorer._evidence)[0]
    place = [sent["node"].tolist().index(node) for node in some.nodes.tolist()]
    np.testing.assert_allclose(sent["precision"][0, place], some.precision(), atol=1e-6)
    explorer.close()


def test_only_labelled_rows_are_searched_and_the_rest_follows() -> None:
    values = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    acts = Activations.from_arrays(values)
    among = np.arange(60) % 3 == 0
    source = np.arange(60) // 2
    for given in (None, source):
        options: dict[str, Any] = {"k": 30, "source": given, "leave_out": [np.array([0, 1])]}
        rows, scores = retrieve(acts, values[:1], among=among, chunk=40, **options)
        found = np.isfinite(scores[0])
        assert among[rows[0, found]].all()
        assert found.sum() == 19
        every = retrieve(acts, values[:1], chunk=40, **options | {"k": 60, "source": None})[0][0]
        assert rows[0, found].tolist() == [row for row in every if among[row] and row > 1]
