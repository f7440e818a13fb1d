"""Names from labels: how samples are ranked, attributes, and what becomes of the names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from neuronwidgets import Activations, Concepts, split
from neuronwidgets.activations.retrieval import BY
from neuronwidgets.concepts.naming.attributes import attributes_of

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


# The names


def test_concepts_get_their_labels_names(concepts: Concepts) -> None:
    named = concepts.named("labels")
    assert sorted(named.names) == sorted(HANDS[:2])
    acts = concepts.split.acts  # type: ignore[union-attr]
    for k, name in enumerate(named.names):
        own = acts.labels[concepts.index[concepts.assignment == k]]  # type: ignore[index]
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


@pytest.mark.parametrize("by", ["cosine-origin", "dot"])
def test_a_neuron_for_two_labels_is_named_by_both(by: str) -> None:
    concepts = split(world(), 0, top=150, min_size=5).cut(1e9)
    named = concepts.named("labels", by=by)
    assert set(named.names[0].split(" OR ")) == set(HANDS[:2])
    assert concepts.named("labels", length=1, by=by).names != named.names
    # The median is that of the larger half.
    own = np.bincount(concepts.split.labels, minlength=4)  # type: ignore[union-attr]
    assert concepts.named("labels", by="cosine").names == (HANDS[int(own.argmax())],)


@pytest.mark.parametrize("by", BY)
def test_samples_are_ranked_as_they_are_retrieved(concepts: Concepts, by: str) -> None:
    table = concepts.named("labels", by=by, length=1).naming.to_frame()  # type: ignore[union-attr]
    acts = concepts.split.acts  # type: ignore[union-attr]
    assert len(table) == len(concepts)
    for row in table.itertuples():
        has = acts.labels == HANDS.index(row.formula)
        scores = concepts.scores_of(by=by)[:, row.concept]
        assert row.auc == pytest.approx(roc_auc_score(has, scores), abs=1e-9)


def test_the_former_name_of_the_reading_is_said(concepts: Concepts) -> None:
    for centred, by in ((False, "dot"), (True, "cosine")):
        with pytest.warns(DeprecationWarning, match=rf"centred={centred} .*use by='{by}'"):
            former = concepts.named("labels", centred=centred)
        expected = concepts.named("labels", by=by).naming.to_frame()  # type: ignore[union-attr]
        pd.testing.assert_frame_equal(former.naming.to_frame(), expected)  # type: ignore[union-attr]


def test_by_dot_samples_are_ranked_by_their_projections(concepts: Concepts) -> None:
    first = concepts.named(by="dot").naming.to_frame()  # type: ignore[union-attr]
    for row in first[first["length"] == 1].itertuples():
        has = concepts.split.acts.labels == HANDS.index(row.formula)  # type: ignore[union-attr]
        wanted = roc_auc_score(has, concepts.projections[:, row.concept])
        assert row.auc == pytest.approx(wanted, abs=1e-9)


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
        (np.zeros((3, 2), bool), "attributes must have one entry for each of the 4 .*, got 3"),
        (np.zeros(4, bool), r"shape \(4,\)"),
        (np.full((4, 2), 0.5), "must hold only True and False"),
        (np.full((4, 2), np.nan), "must hold only True and False"),
        (np.zeros((4, 0), bool), "attributes is empty"),
        ({}, "attributes is empty"),
        ({"a": [True, None, True, False]}, r"attributes\['a'\].*missing values"),
        ({"a": [True, False]}, r"attributes\['a'\] must have one entry .*, got 2\."),
        ({1: [True] * 4, "1": [True] * 4}, "two attributes have the same name"),
        (pd.DataFrame([[True, True]] * 4, columns=["a", "a"]), "two columns with the same name"),
        ([["a"]] * 3, r"attributes must have one entry .*, got 3\."),
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
        ([0] * 40, "are 'a': only two labels or more can tell concepts apart"),
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
        ({"how": "magic"}, "how must be 'labels' or 'text', got 'magic'"),
        ({"lenght": 2}, r"named\('labels'\) has no 'lenght'; it has attributes, .*length"),
        ({"length": 0}, "length must be a positive integer, got 0"),
        ({"beam": True}, "beam must be .* got True"),
        ({"min_share": 2}, "min_share must be a number from 0 to 1, got 2"),
        ({"min_share": 0.4, "max_share": 0.3}, "max_share must be a number from 0.4 to 1, got 0.3"),
        ({"min_auc": "high"}, "min_auc must be .* got 'high'"),
        ({"level": float("nan")}, "level must be .* got nan"),
        ({"correction": "none"}, "correction must be .* got 'none'"),
        ({"by": "euclidean"}, "by must be one of 'cosine', 'cosine-origin', 'dot'; got 'euclid"),
    ],
)
def test_other_options_are_refused_in_words(
    concepts: Concepts, options: dict[str, object], message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        concepts.named(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("scale", [2.0**-500, 2.0**500])
def test_the_scale_of_the_layer_changes_no_name(scale: float, by: str) -> None:
    acts = world()
    values = acts.values.astype(np.float64)
    frames = [
        split(
            Activations.from_arrays(values * factor, labels=acts.labels, label_names=HANDS), 0, 60
        )
        .cut()
        .named("labels", by=by)
        .naming.to_frame()  # type: ignore[union-attr]
        for factor in (1, scale)
    ]
    pd.testing.assert_frame_equal(*frames)
