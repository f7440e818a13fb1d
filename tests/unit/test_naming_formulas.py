"""What names from labels are made of: AUC, its p-value, and the search for formulas."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from neuronwidgets.concepts.naming.auc import auc, corrected, p_value, ranked
from neuronwidgets.concepts.naming.formulas import Formula, search

HANDS = ("Dörfer", "Berge 山", "(a) AND b", "Rest")


# The statistic


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=4, max_size=60).filter(
        lambda rows: len({row[1] for row in rows}) == 2 and len({row[0] for row in rows}) > 1
    )
)
def test_auc_and_p_are_those_of_scikit_learn_and_scipy(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([row[0] for row in rows], np.float64)
    inside = np.array([row[1] for row in rows])
    ranks = ranked(scores[:, None])[:, 0]
    value = float(auc(ranks[inside].sum(), np.array(inside.sum()), len(rows)))
    assert value == pytest.approx(roc_auc_score(inside, scores), abs=1e-12)
    expected = mannwhitneyu(
        scores[inside], scores[~inside], alternative="greater", method="asymptotic"
    ).pvalue
    assert p_value(ranks, inside) == pytest.approx(expected, rel=1e-9)
    assert p_value(ranks, inside, np.arange(len(rows))) >= p_value(ranks, inside)


def test_p_of_equal_scores_is_one() -> None:
    for source in (None, np.repeat(np.arange(3), 3), np.zeros(9)):
        assert p_value(ranked(np.zeros((9, 1)))[:, 0], np.arange(9) < 3, source) == 1


def test_p_of_samples_that_share_a_source() -> None:
    rng = np.random.default_rng(0)
    size = rng.integers(1, 9, 14)
    source = np.repeat(rng.permutation(14), size)
    scores = rng.normal(size=14)[source] + 0.3 * rng.normal(size=len(source))
    ranks = ranked(scores[:, None])[:, 0]
    about = np.bincount(source, ranks - ranks.mean())
    # Of every set of five sources, how far its ranks are from the mean.
    sets = np.array(list(itertools.combinations(range(14), 5)))
    exact = about[sets].sum(axis=1)
    for chosen in sets[rng.integers(0, len(sets), 40)]:
        inside = np.isin(source, chosen)
        p = (exact >= about[chosen].sum() - 1e-9).mean()
        assert p_value(ranks, inside, source) == pytest.approx(p, abs=0.03)
    # One of 14 sources, the highest: not less than one in 14.
    assert p_value(ranks, source == about.argmax(), source) == pytest.approx(1 / 14)
    # A set that cuts through sources is one of samples.
    cut = np.arange(len(source)) % 3 == 0
    assert p_value(ranks, cut, source) == p_value(ranks, cut)


def test_corrections() -> None:
    assert corrected(0.001, 30) == pytest.approx(0.03)
    assert corrected(0.1, 30) == 1
    assert corrected(0.001, 30, "sidak") == pytest.approx(1 - 0.999**30)
    assert corrected(1e-300, 10**6, "sidak") == pytest.approx(1e-294)
    assert corrected(1.0, 5, "sidak") == 1
    with pytest.raises(ValueError, match=r"correction must be 'bonferroni' or 'sidak'; got 'holm'"):
        corrected(0.1, 3, "holm")


# The search


def sets(formula: Formula, table: np.ndarray) -> tuple[bool, ...]:
    return tuple(formula.holds(table).tolist())


def test_every_formula_of_two_is_tried_once_and_the_best_found() -> None:
    rng = np.random.default_rng(3)
    table = rng.random((40, 4)) < 0.4
    scores = rng.normal(size=(40, 1))
    literals = [(a, n) for n in (False, True) for a in range(4)]
    found = search(scores, table, 100, 2, 5, 35)[0]
    every: dict[tuple[bool, ...], float] = {}
    for length in (1, 2):
        best = 0.0
        for one, op, other in itertools.product(literals, ("AND", "OR"), literals):
            formula = Formula(one, ((op, *other),) if length == 2 else ())
            holds = formula.holds(table)
            if 5 <= holds.sum() <= 35:
                value = roc_auc_score(holds, scores[:, 0])
                if sets(formula, table) not in every:
                    best = max(best, value)
                    every[sets(formula, table)] = value
        assert found[length - 1].auc == pytest.approx(best)
        holds = found[length - 1].formula.holds(table)
        assert roc_auc_score(holds, scores[:, 0]) == pytest.approx(best)
        assert holds.sum() == found[length - 1].samples
    assert found[0].tried == len(every)


def test_planted_formulas_are_found() -> None:
    rng = np.random.default_rng(0)
    table = rng.random((2000, 30)) < 0.2
    a, b, c = table[:, 4], table[:, 9], table[:, 17]
    planted = [a | b, a & ~b, (a | b) & ~c, ~a & ~b]
    scores = np.stack([rng.normal(size=2000) + 3 * mask for mask in planted], axis=1)
    found = search(scores, table, 10, 3, 20, 1980)
    for lists, mask, length in zip(found, planted, (2, 2, 3, 2), strict=True):
        assert (lists[length - 1].formula.holds(table) == mask).all()
        assert lists[length - 1].auc == max(each.auc for each in lists)
    names = tuple(f"n{i}" for i in range(30))
    assert set(found[0][1].formula.text(names).split(" OR ")) == {"n4", "n9"}
    assert found[1][1].formula.text(names) == "n4 AND NOT n9"


def test_a_search_does_not_depend_on_the_other_concepts() -> None:
    rng = np.random.default_rng(1)
    table = rng.random((5000, 12)) < 0.2  # more than are multiplied at once
    scores = rng.normal(size=(5000, 3)) + table[:, :3]
    together = search(scores, table, 4, 3, 20, 4980)
    for k in range(3):
        assert search(scores[:, k : k + 1], table, 4, 3, 20, 4980)[0] == together[k]


def test_tiny_and_huge_sets_do_not_win() -> None:
    scores = np.arange(100.0)[:, None]
    table = np.stack([scores[:, 0] >= 97, scores[:, 0] >= 60, scores[:, 0] >= 1], axis=1)
    found = search(scores, table, 10, 3, 5, 50)[0]
    assert found[0].formula == Formula((1, False))
    assert all(5 <= each.samples <= 50 for each in found)


def test_formulas_that_mean_the_same_count_once() -> None:
    rng = np.random.default_rng(0)
    one = rng.random(60) < 0.5
    table = np.stack([one, ~one, one], axis=1)
    found = search(rng.normal(size=(60, 1)), table, 10, 3, 5, 55)[0]
    assert len(found) == 1  # no longer formula is another set
    assert found[0].tried == 2


def test_formula_text_has_parentheses_and_quotes_where_they_are_needed() -> None:
    formula = Formula((0, True), (("OR", 1, False), ("AND", 2, True)))
    assert formula.text(HANDS) == '(NOT Dörfer OR Berge 山) AND NOT "(a) AND b"'
    assert Formula((0, False), (("AND", 1, False), ("AND", 3, True))).text(HANDS) == (
        "Dörfer AND Berge 山 AND NOT Rest"
    )


def test_on_labels_without_meaning_hardly_anything_is_significant() -> None:
    rng = np.random.default_rng(0)
    hits, draws = 0, 120
    for _ in range(draws):
        table = rng.random((150, 12)) < 0.2
        scores = rng.normal(size=(150, 1))
        ranks = ranked(scores)[:, 0]
        found = search(scores, table, 6, 3, 5, 145)[0]
        hits += any(
            corrected(p_value(ranks, b.formula.holds(table)), b.tried) <= 0.05 for b in found
        )
    assert hits / draws <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / draws)
