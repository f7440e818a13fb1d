"""Names from labels: AUC, p-value, beam search, attributes, and what becomes of the names."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from neuronwidgets import Activations, Concepts, split
from neuronwidgets.concepts.naming.attributes import attributes_of
from neuronwidgets.concepts.naming.auc import auc, corrected, p_value, ranked
from neuronwidgets.concepts.naming.formulas import Formula, search

HANDS = ("Dörfer", "Berge 山", "(a) AND b", "Rest")


def world(seed: int = 0) -> Activations:
    """400 samples of four labels; neuron 0 fires for the first two, which differ otherwise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 400)
    values = rng.normal(0, 0.3, (400, 6))
    values[:, 0] += 5 * (labels < 2)
    values[:, 1] += 4 * (labels == 0)
    values[:, 2] += 4 * (labels == 1)
    return Activations.from_arrays(values, labels=labels, label_names=HANDS, layer="<layer>")


@pytest.fixture
def concepts() -> Concepts:
    made = split(world(), 0, top=60, min_size=5).cut()
    assert len(made) == 2
    return made


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
    assert p_value(value, int(inside.sum()), ranks) == pytest.approx(expected, rel=1e-9)


def test_p_of_equal_scores_is_one() -> None:
    assert p_value(0.5, 3, ranked(np.zeros((9, 1)))[:, 0]) == 1


def test_corrections() -> None:
    assert corrected(0.001, 30) == pytest.approx(0.03)
    assert corrected(0.1, 30) == 1
    assert corrected(0.001, 30, "sidak") == pytest.approx(1 - 0.999**30)
    assert corrected(1e-300, 10**6, "sidak") == pytest.approx(1e-294)
    assert corrected(1.0, 5, "sidak") == 1
    with pytest.raises(ValueError, match=r"correction='holm'.*'bonferroni' or 'sidak'"):
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
        hits += any(corrected(p_value(b.auc, b.samples, ranks), b.tried) <= 0.05 for b in found)
    assert hits / draws <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / draws)


# The names


def test_concepts_get_their_labels_names(concepts: Concepts) -> None:
    named = concepts.named("labels")
    assert sorted(named.names) == sorted(HANDS[:2])
    acts = concepts.split.acts  # type: ignore[union-attr]
    for k, name in enumerate(named.names):
        own = acts.labels[concepts.index[concepts.labels == k]]  # type: ignore[index]
        assert HANDS[own[0]] == name
    table = named.naming.to_frame()  # type: ignore[union-attr]
    first = table[table["chosen"]]
    assert first["formula"].tolist() == list(named.names)
    assert (first["length"] == 1).all()  # longer gains next to nothing
    assert (first["auc"] > 0.99).all()
    assert (first["p_corrected"] < 1e-20).all()
    assert (first["members"] == 1).all()
    assert first["iou"].between(0.8, 1).all()
    counts = np.bincount(acts.labels)[[HANDS.index(n) for n in first["formula"]]]  # type: ignore[arg-type]
    assert first["samples"].tolist() == counts.tolist()
    assert first["share"].to_numpy() == pytest.approx(counts / 400)
    assert concepts.naming is None  # a new one was made


def test_a_neuron_for_two_labels_is_named_by_both() -> None:
    concepts = split(world(), 0, top=150, min_size=5).cut(1e9)
    named = concepts.named("labels")
    assert set(named.names[0].split(" OR ")) == set(HANDS[:2])
    assert concepts.named("labels", length=1).names != named.names


def test_projections_are_the_papers(concepts: Concepts) -> None:
    table = concepts.named("labels", centred=False, length=1).naming.to_frame()  # type: ignore[union-attr]
    acts = concepts.split.acts  # type: ignore[union-attr]
    for row in table.itertuples():
        has = acts.labels == HANDS.index(row.formula)
        expected = roc_auc_score(has, concepts.projections[:, row.concept])
        assert row.auc == pytest.approx(expected, abs=1e-9)


def test_unlabelled_samples_are_left_out() -> None:
    acts = world()
    labels = acts.labels.copy()  # type: ignore[union-attr]
    labels[::3] = -1
    known = labels >= 0
    made = split(Activations.from_arrays(acts.values, labels=labels, label_names=HANDS), 0, 60)
    naming = made.cut().named().naming
    assert naming is not None
    row = naming.to_frame().iloc[0]
    assert row["share"] == pytest.approx(row["samples"] / known.sum())
    assert naming.notes == (f"{(~known).sum()} unlabelled samples left out",)


def test_of_many_samples_an_even_choice_is_taken(concepts: Concepts) -> None:
    naming = concepts.named("labels", most=100).naming
    assert naming is not None
    assert naming.notes == ("on 100 of 400 labelled samples, evenly spaced",)
    assert sorted(naming.names) == sorted(HANDS[:2])  # type: ignore[type-var]


def test_weak_formulas_are_no_names() -> None:
    rng = np.random.default_rng(0)
    acts = Activations.from_arrays(rng.normal(size=(200, 8)), labels=rng.integers(0, 5, 200))
    concepts = split(acts, 0, top=50).cut()
    named = concepts.named("labels")
    assert named.names == concepts.names
    assert len(named.naming.to_frame()) >= len(concepts)  # type: ignore[union-attr]
    assert "nothing found" in repr(named.naming)


def test_names_given_by_hand_stay(concepts: Concepts) -> None:
    made = concepts.split
    assert made is not None
    by_hand = Concepts.at(made, concepts.threshold, {int(concepts.nodes[0]): "mine"})
    named = by_hand.named("labels")
    assert named.names[0] == "mine"
    assert named.names[1] == concepts.named("labels").names[1]
    assert named.named("labels", length=1).names[0] == "mine"


def test_names_are_saved_and_loaded_concepts_say_what_is_missing(
    concepts: Concepts, tmp_path: object
) -> None:
    named = concepts.named("labels")
    named.save(f"{tmp_path}/c")
    loaded = Concepts.load(f"{tmp_path}/c")
    assert loaded.names == named.names
    for way in ("labels", "text"):
        with pytest.raises(ValueError, match=r"needs the activations.*loaded from disk"):
            loaded.named(way)


def test_html_is_escaped(concepts: Concepts) -> None:
    acts = concepts.split.acts  # type: ignore[union-attr]
    nasty = {"<b>": acts.labels == 0, "<i>": acts.labels == 1}
    page = concepts.named("labels", attributes=nasty).naming._repr_html_()  # type: ignore[union-attr]
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_no_concepts_and_no_rows() -> None:
    made = split(world(), 0, top=60, min_size=50).cut(0.0)
    assert len(made) == 0
    named = made.named("labels")
    assert named.names == ()
    assert len(named.naming.to_frame()) == 0  # type: ignore[union-attr]
    assert "0 of 0" in named.naming._repr_html_()  # type: ignore[union-attr]


def test_too_rare_labels_are_said(concepts: Concepts) -> None:
    naming = concepts.named("labels", min_share=0.4).naming
    assert naming is not None
    assert naming.names == (None, None)
    assert naming.notes[0].startswith("no label is true for 160 to 200 of 400 samples")


def test_too_few_samples_are_said() -> None:
    acts = Activations.from_arrays(np.eye(8), labels=["a", "b"] * 4)
    naming = split(acts, 0, min_size=2).cut(9.0).named("labels").naming
    assert naming is not None
    assert naming.notes == ("8 labelled samples are too few to name by",)


# Attributes


def test_attributes_in_every_form_are_the_same(concepts: Concepts) -> None:
    acts = concepts.split.acts  # type: ignore[union-attr]
    one_hot = acts.labels[:, None] == np.arange(4)
    lists = [[HANDS[code]] for code in acts.labels]  # type: ignore[union-attr]
    table = {name: one_hot[:, i] for i, name in enumerate(HANDS)}
    expected = concepts.named("labels").naming.to_frame()  # type: ignore[union-attr]
    forms = {
        "array": {"attributes": one_hot, "attribute_names": HANDS},
        "numbers": {"attributes": one_hot.astype(np.float32), "attribute_names": HANDS},
        "dict": {"attributes": table},
        "frame": {"attributes": pd.DataFrame(table)},
        "nullable": {"attributes": pd.DataFrame(table).astype("boolean")},
    }
    for options in forms.values():
        pd.testing.assert_frame_equal(
            concepts.named("labels", **options).naming.to_frame(),  # type: ignore[union-attr]
            expected,
        )
    # Here the labels are sorted by name.
    found = concepts.named("labels", attributes=lists).naming.names  # type: ignore[union-attr]
    assert found == concepts.named("labels").names


def test_label_sets_may_hold_many_none_or_be_unknown() -> None:
    acts = Activations.from_arrays(np.eye(4))
    table, names, rows = attributes_of(acts, [["ü", "a"], set(), None, "a"], None)
    assert names == ("a", "ü")
    assert rows.tolist() == [0, 1, 3]
    assert table.tolist() == [[True, True], [False, False], [True, False]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((3, 2), bool), "attributes has 3 entries and there are 4 samples"),
        (np.zeros(4, bool), r"shape \(4,\)"),
        (np.full((4, 2), 0.5), "something else than True and False"),
        (np.full((4, 2), np.nan), "something else than True and False"),
        (np.zeros((4, 0), bool), "attributes is empty"),
        ({}, "attributes is empty"),
        ({"a": [True, None, True, False]}, r"attributes\['a'\].*missing values"),
        ({"a": [True, False]}, r"attributes\['a'\] has 2 entries"),
        ({1: [True] * 4, "1": [True] * 4}, "two attributes have the same name"),
        (pd.DataFrame([[True, True]] * 4, columns=["a", "a"]), "two columns of one name"),
        ([["a"]] * 3, "attributes has 3 entries"),
        ([[]] * 4, "names no label for any sample"),
        ("abcd", "attributes is a str"),
        ([1, 2, 3, 4], r"attributes\[0\] is a int"),
        ([[1], [], [], []], "labels are strings"),
    ],
)
def test_other_attributes_are_refused_in_words(given: object, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        attributes_of(Activations.from_arrays(np.eye(4)), given, None)


def test_names_need_an_array_and_one_for_each_column() -> None:
    acts = Activations.from_arrays(np.eye(4))
    with pytest.raises(ValueError, match="attribute_names goes with attributes="):
        attributes_of(acts, None, ["a"])
    with pytest.raises(ValueError, match="attribute_names has 1 entries and attributes 2"):
        attributes_of(acts, np.zeros((4, 2), bool), ["a"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "has no labels to name concepts by"),
        ([0] * 40, "two labels at least are needed"),
        ([-1] * 40, "all samples .* are unlabelled"),
    ],
)
def test_labels_that_tell_nothing_apart_are_refused(labels: object, message: str) -> None:
    values = np.random.default_rng(0).normal(size=(40, 3))
    names = None if labels is None else ["a", "b"]
    acts = Activations.from_arrays(values, labels=labels, label_names=names)
    with pytest.raises(ValueError, match=message):
        split(acts, 0).cut().named("labels")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "magic"}, r"named\('magic'\): 'labels' or 'text' is needed"),
        ({"lenght": 2}, r"named\('labels'\) has no 'lenght'; it has attributes, .*length"),
        ({"length": 0}, "length=0; a whole number of at least 1"),
        ({"beam": True}, "beam=True"),
        ({"min_share": 2}, "min_share=2; a number from 0 to 1"),
        ({"min_share": 0.4, "max_share": 0.3}, "max_share=0.3; a number from 0.4 to 1"),
        ({"min_auc": "high"}, "min_auc='high'"),
        ({"level": float("nan")}, "level=nan"),
        ({"correction": "none"}, "correction='none'"),
    ],
)
def test_other_options_are_refused_in_words(
    concepts: Concepts, options: dict[str, object], message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        concepts.named(**options)  # type: ignore[arg-type]


def test_values_too_large_to_compare_are_refused() -> None:
    values = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float64)
    acts = Activations.from_arrays(values, labels=["a", "b"] * 20)
    concepts = split(acts, 0).cut()
    object.__setattr__(acts, "values", values * 1e200)
    with pytest.raises(ValueError, match="too large to compare"):
        concepts.named("labels")
