"""Concepts of a cut: vectors, exemplars, cosines, distances, and what leaves the notebook."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from neuronwidgets import Activations, Concepts, Split, split
from neuronwidgets.activations.retrieval import BY
from neuronwidgets.display.palette import COLORS

NASTY = "<script>alert('ü')</script>"


def clusters(k: int = 3, size: int = 12, seed: int = 0) -> Activations:
    rng = np.random.default_rng(seed)
    values = np.repeat(np.eye(k, 5) * 12, size, axis=0) + rng.uniform(0, 1, (k * size, 5))
    labels = [NASTY if i < size else f"label {i // size}" for i in range(k * size)]
    return Activations.from_arrays(values.astype(np.float32), labels=labels, layer="<i>layer</i>")


def paper(acts: Activations, min_size: int | None = 2) -> Split:
    """All samples, clustered by their Euclidean distances."""
    return split(acts, 0, len(acts), metric="euclidean", min_size=min_size)


@pytest.fixture
def made() -> Split:
    return paper(clusters())


def test_labels_sizes_and_nodes_are_the_clusters_of_the_tree(made: Split) -> None:
    concepts = made.cut(6.0)
    assert len(concepts) == 3
    assert concepts.sizes.tolist() == [12, 12, 12]
    assert concepts.unassigned == 0
    for k, node in enumerate(concepts.nodes):
        assert set(np.flatnonzero(concepts.assignment == k)) == set(made.tree.samples_of(int(node)))


def test_clusters_under_the_minimum_are_set_aside(made: Split) -> None:
    values = np.concatenate([made.acts.values, [[0, 0, 0, 0, 50.0]]])
    concepts = paper(Activations.from_arrays(values)).cut(6.0)
    assert concepts.sizes.tolist() == [12, 12, 12]
    assert concepts.unassigned == 1
    assert concepts.index[concepts.assignment == -1].tolist() == [36]


def test_concept_vectors_are_the_means_divided_by_their_norm(made: Split) -> None:
    concepts = made.cut(6.0)
    assert concepts.vectors.shape == (3, 5)
    assert concepts.vectors.dtype == np.float32
    for k in range(3):
        mean = made.vectors[concepts.assignment == k].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(concepts.vectors[k], mean / np.linalg.norm(mean), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(concepts.vectors, axis=1), 1, rtol=1e-6)


def test_exemplars_are_the_concepts_own_samples_by_activation(made: Split) -> None:
    concepts = made.cut(6.0)
    for k, rows in enumerate(concepts.exemplars(4)):
        own = concepts.index[concepts.assignment == k]
        order = sorted(own.tolist(), key=lambda row: (-made.acts.values[row, 0], row))
        assert rows.tolist() == order[:4]


def test_cosines_between_concepts_and_to_the_neuron(made: Split) -> None:
    concepts = made.cut(6.0)
    wide = concepts.vectors.astype(np.float64)
    for a in range(3):
        assert concepts.cosines_to_neuron[a] == pytest.approx(wide[a, 0], abs=1e-6)
        for b in range(3):
            assert concepts.cosines[a, b] == pytest.approx(wide[a] @ wide[b], abs=1e-6)
    assert np.abs(concepts.cosines).max() <= 1


@pytest.mark.parametrize(
    ("method", "metric"),
    [("ward", "euclidean"), ("ward", "cosine"), ("average", "cosine"), ("average", "euclidean")],
)
def test_distances_are_the_double_loop(method: str, metric: str) -> None:
    made = split(clusters(), 0, 36, method, metric, min_size=1)
    concepts = made.cut(made.tree.top * 0.4)
    assert len(concepts) > 1
    points = made.vectors.astype(np.float64)
    if method == "ward" and metric == "cosine":
        # Ward's distances are Euclidean, of vectors at unit length.
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        metric = "euclidean"
    apart = squareform(pdist(points, metric))
    for a in range(len(concepts)):
        for b in range(len(concepts)):
            found = [
                apart[i, j]
                for i in np.flatnonzero(concepts.assignment == a)
                for j in np.flatnonzero(concepts.assignment == b)
                if i != j
            ]
            if a == b:
                assert math.isnan(concepts.between[a, a])
                assert concepts.within[a] == pytest.approx(np.mean(found), rel=1e-6)
            else:
                assert concepts.between[a, b] == pytest.approx(np.mean(found), rel=1e-6)


def test_a_concept_of_one_sample_has_no_distance_within() -> None:
    concepts = split(clusters(), 0, 36, min_size=1).cut(0.0)
    assert concepts.sizes.tolist() == [1] * 36
    assert np.isnan(concepts.within).all()


@pytest.mark.parametrize("threshold", [0, 0.0, 6.0, 1e300, math.inf, np.float32(6)])
def test_any_height_cuts(made: Split, threshold: float) -> None:
    concepts = made.cut(threshold)
    assert concepts.threshold == threshold
    expected = 0 if threshold == 0 else 3 if threshold < 7 else 1
    assert len(concepts) == expected


@pytest.mark.parametrize(
    ("threshold", "error", "message"),
    [
        (math.nan, ValueError, "threshold must be a height of the tree from 0 to .*, got nan"),
        (-0.1, ValueError, "got -0.1"),
        (-math.inf, ValueError, "got -inf"),
        ("15", TypeError, "threshold must be a number, got '15'"),
        ([1.0, 2.0], TypeError, "must be a number"),
    ],
)
def test_what_is_no_height_is_refused(
    made: Split, threshold: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        made.cut(threshold)


def test_the_suggested_thresholds_give_what_they_say(made: Split) -> None:
    assert 3 in [s.concepts for s in made.suggest()]
    for suggestion in made.suggest():
        assert len(made.cut(suggestion.threshold)) == suggestion.concepts
    assert made.cut().threshold == made.suggested
    assert 0 <= made.suggested <= made.tree.top
    assert len(made.cut()) == 3


def test_concepts_are_named_after_the_label_of_most_of_their_samples() -> None:
    names = paper(clusters()).cut(6.0).names
    assert set(names) == {NASTY, "label 1", "label 2"}
    plain = Activations.from_arrays(clusters().values)
    assert paper(plain).cut(6.0).names == ("Concept 1", "Concept 2", "Concept 3")


def test_purity_is_the_share_of_the_most_frequent_label() -> None:
    acts = clusters()
    assert paper(acts).cut(6.0).purity.tolist() == [1, 1, 1]
    assert paper(acts).cut(math.inf).purity.tolist() == [pytest.approx(1 / 3)]
    for by in BY:
        assert paper(acts).cut(6.0).retrieved_purity(5, by).tolist() == [1, 1, 1]
    unlabelled = Activations.from_arrays(acts.values, labels=[None] * 36)
    assert np.isnan(paper(unlabelled).cut(6.0).purity).all()


def test_projections_and_what_the_papers_way_retrieves(made: Split) -> None:
    concepts = made.cut(6.0)
    expected = made.acts.values @ concepts.vectors.T
    np.testing.assert_allclose(concepts.projections, expected, rtol=1e-6)
    np.testing.assert_allclose(concepts.project(made.acts.values[:4]), expected[:4], rtol=1e-6)
    first = np.argsort(-expected, 0, "stable")[:7].T
    assert concepts.retrieve(k=7, by="dot").tolist() == first.tolist()
    with pytest.raises(ValueError, match="4 neurons and the concept vectors 5"):
        concepts.project(np.zeros((2, 4)))


def test_concepts_keep_their_colours_when_others_split(made: Split) -> None:
    coarse, fine = made.cut(math.inf), made.cut(6.0)
    assert coarse.colors[0] in fine.colors
    assert len(set(fine.colors)) == 3
    assert set(fine.colors) <= set(COLORS)


def test_repr_counts_and_html_escapes_names(made: Split) -> None:
    concepts = made.cut(6.0)
    assert f"{NASTY} (12)" in repr(concepts)
    assert repr(concepts).startswith("Concepts(3 of neuron 0 in layer '<i>layer</i>' at 6")
    shown = concepts._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "none" in repr(made.cut(0.0))
    assert "0 at 0" in made.cut(0.0)._repr_html_()


def test_a_frame_has_a_row_per_top_sample(made: Split) -> None:
    concepts = made.cut(6.0)
    frame = concepts.to_frame()
    assert list(frame) == [
        "sample", "concept", "name", "activation", "projection", "score", "label",
    ]  # fmt: skip
    assert frame["sample"].tolist() == concepts.index.tolist()
    own = concepts.projections[concepts.index, concepts.assignment]
    np.testing.assert_allclose(frame["projection"], own, rtol=1e-6)
    fit = concepts.scores_of()[concepts.index, concepts.assignment]
    np.testing.assert_allclose(frame["score"], fit, rtol=1e-6)
    assert (frame["name"] == frame["label"]).all()
    assert made.cut(0.0).to_frame()[["projection", "score"]].isna().all(axis=None)
    assert list(concepts.refine().to_frame())[-2:] == ["reassigned", "outlier"]
    plain = paper(Activations.from_arrays(clusters().values)).cut()
    assert "label" not in plain.to_frame()


def test_unlabelled_samples_have_no_label_in_the_frame() -> None:
    acts = Activations.from_arrays(clusters().values, labels=[None, *["a"] * 35])
    frame = paper(acts).cut(6.0).to_frame()
    assert frame["label"].isna().sum() == 1


@pytest.mark.parametrize("threshold", [6.0, math.inf, 0.0])
@pytest.mark.parametrize("loaded", [False, True])
def test_the_chart_is_valid(made: Split, threshold: float, loaded: bool, tmp_path: Path) -> None:
    concepts = made.cut(threshold)
    if loaded:
        concepts = Concepts.load(concepts.save(tmp_path / "concepts"))
    chart = json.dumps(concepts.to_altair().to_dict())
    assert "no concept" in chart
    assert ("first component" in chart) is not loaded


@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize("threshold", [6.0, math.inf, 0.0])
@pytest.mark.parametrize(
    ("method", "metric"), [("ward", "euclidean"), ("ward", "cosine"), ("average", "cosine")]
)
def test_what_is_saved_is_loaded(
    method: str, metric: str, threshold: float, refined: bool, tmp_path: Path
) -> None:
    made = split(clusters(), 0, 36, method, metric, min_size=2)
    # The heights of unit vectors are smaller.
    concepts = made.cut(threshold if metric == "euclidean" else threshold / 10)
    concepts = concepts.refine() if refined else concepts
    path = concepts.save(tmp_path / "new folder" / "конце́пты 🧠.v2")
    assert path.name == "конце́пты 🧠.v2.safetensors"
    for name in (path, path.with_suffix(".json"), path.with_suffix("")):
        again = Concepts.load(name)
        for array in (
            "assignment",
            "vectors",
            "nodes",
            "index",
            "activations",
            "direction",
            "sizes",
        ):
            np.testing.assert_array_equal(getattr(again, array), getattr(concepts, array))
            assert getattr(again, array).dtype == getattr(concepts, array).dtype
        for mark in ("reassigned", "outlier"):
            np.testing.assert_array_equal(getattr(again, mark), getattr(concepts, mark))
        for plain in ("layer", "neuron", "threshold", "names", "metric", "refined"):
            assert getattr(again, plain) == getattr(concepts, plain)
        # To unit length they are brought in another precision.
        rounding = 0 if metric == "euclidean" else 1e-6
        np.testing.assert_allclose(again.distances, concepts.distances, rtol=rounding)
        values = made.acts.values
        np.testing.assert_array_equal(again.project(values), concepts.project(values))
        for by in BY:
            rows = concepts.retrieve(k=9, by=by)
            np.testing.assert_array_equal(again.retrieve(made.acts, 9, by), rows)
        assert repr(again) == repr(concepts)
        assert len(again._repr_html_()) > 0
    json.loads(path.with_suffix(".json").read_text("utf-8"), parse_constant=pytest.fail)


def test_loaded_concepts_refuse_what_needs_the_activations(made: Split, tmp_path: Path) -> None:
    again = Concepts.load(made.cut(6.0).save(tmp_path / "c"))
    assert np.isnan(again.purity).all()
    for what, call in {
        "refine": again.refine,
        "retrieve": again.retrieve,
        "scores_of": again.scores_of,
        "precision": again.precision,
        "chance": again.chance,
        "stability": again.stability,
        "projections": lambda: again.projections,
    }.items():
        with pytest.raises(ValueError, match=f"{what} needs the activations.*loaded from disk"):
            call()


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.json does not exist"):
        Concepts.load(tmp_path / "nothing")


def test_half_of_what_was_saved_is_not_enough(made: Split, tmp_path: Path) -> None:
    path = made.cut(6.0).save(tmp_path / "half")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"half.*does not exist"):
        Concepts.load(path)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ('{"format": "neuronwidgets.concepts/99"}', "in the format 'neuronwidgets.concepts/99'"),
        ("{}", "in the format None"),
        ("[1, 2]", r"wrong\.json is not what Concepts\.save wrote"),
        ("not json", r"wrong\.json is not what Concepts\.save wrote"),
    ],
)
def test_another_format_is_refused(tmp_path: Path, about: str, message: str) -> None:
    (tmp_path / "wrong.json").write_text(about)
    with pytest.raises(ValueError, match=message):
        Concepts.load(tmp_path / "wrong")


def test_damaged_arrays_are_refused(made: Split, tmp_path: Path) -> None:
    path = made.cut(6.0).save(tmp_path / "damaged")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"damaged\.safetensors is not what Concepts\.save wrote"):
        Concepts.load(path)


@pytest.mark.slow
def test_a_chart_of_more_rows_than_altairs_limit() -> None:
    values = np.random.default_rng(0).normal(size=(5500, 3))
    concepts = split(Activations.from_arrays(values), 0, top=5500).cut()
    assert len(concepts.to_altair().to_dict()["hconcat"]) == 2
