"""`split`: the top samples, their defaults, the map, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform
from sklearn.decomposition import PCA

from neuronwidgets import Activations, Samples, linkage, split, split_layer
from neuronwidgets.clustering.linkage.engine import METRICS
from neuronwidgets.concepts.defaults import default_top


def made(samples: int = 150, neurons: int = 6, seed: int = 0) -> Activations:
    values = np.random.default_rng(seed).normal(size=(samples, neurons)).astype(np.float32)
    return Activations.from_arrays(values, layer="<b>fc</b>")


def argsort(values: np.ndarray, k: int) -> list[int]:
    """The plainest reference: sorted by value, ties by index."""
    return sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]


def distinct(values: np.ndarray, neuron: int) -> list[int]:
    """All that may be top samples, strongest first: active, each vector once."""
    seen: set[tuple[float, ...]] = set()
    kept = []
    for i in argsort(values[:, neuron], len(values)):
        vector = tuple(values[i].tolist())
        if values[i, neuron] > values[:, neuron].min() and vector not in seen:
            seen.add(vector)
            kept.append(i)
    return kept


@pytest.mark.parametrize("top", [2, 7, 60, 100, 150])
def test_the_top_samples_are_a_plain_argsort_with_ties_by_index(top: int) -> None:
    values = np.random.default_rng(1).integers(0, 6, (150, 3)).astype(np.float32)
    acts = Activations.from_arrays(values)
    for neuron in range(3):
        made = split(acts, neuron, top=top)
        assert made.index.tolist() == distinct(values, neuron)[:top]
        every = split(acts, neuron, top=top, distinct=None)
        active = int((values[:, neuron] > 0).sum())
        assert every.index.tolist() == argsort(values[:, neuron], min(top, active))
        assert made.index.dtype == np.int64
        np.testing.assert_array_equal(made.activations, values[made.index, neuron])
        np.testing.assert_array_equal(made.vectors, values[made.index])
        np.testing.assert_array_equal(made.Z, linkage(values[made.index], "ward", "cosine"))
        plain = split(acts, neuron, top=top, metric="euclidean")
        np.testing.assert_array_equal(plain.Z, linkage(values[made.index]))


@pytest.mark.parametrize(
    ("samples", "top"),
    [(2, 2), (19, 19), (20, 20), (60, 20), (150, 20), (400, 20), (401, 21), (1000, 50),
     (1980, 99), (1981, 100), (2000, 100), (2001, 100), (20_000, 100)],
)  # fmt: skip
def test_of_few_samples_a_twentieth_is_the_top_and_never_more_than_a_hundred(
    samples: int, top: int
) -> None:
    assert default_top(samples) == top
    acts = made(samples, 3)
    assert split(acts, 0).index.tolist() == argsort(acts.values[:, 0], top)
    assert split_layer(acts, scores=(), progress=False).index.shape == (3, top)
    assert len(split(acts, 0, top=min(samples, 120)).index) == min(samples, 120)


@pytest.mark.parametrize("samples", [2, 3])
def test_two_and_three_samples_are_split(samples: int) -> None:
    acts = made(samples)
    concepts = split(acts, 1).cut(np.inf)
    assert concepts.sizes.tolist() == [samples]
    assert len(split(acts, 1).cut(0.0)) == 0
    assert split(acts, 1, min_size=1).cut(0.0).sizes.tolist() == [1] * samples


def test_the_smallest_concept_is_five_in_a_hundred_and_at_least_two() -> None:
    acts = made(300)
    found = {top: split(acts, 0, top=top).min_size for top in (2, 20, 60, 100, 101, 140, 280)}
    assert found == {2: 2, 20: 2, 60: 3, 100: 5, 101: 6, 140: 7, 280: 14}
    assert split(acts, 0, min_size=np.int64(1)).min_size == 1


def test_a_direction_is_split_like_a_neuron() -> None:
    acts = made()
    axis = np.eye(6)[2]
    by_axis, by_number = split(acts, 3 * axis, 100), split(acts, 2, 100)
    assert (by_axis.neuron, by_number.neuron) == (None, 2)
    np.testing.assert_array_equal(by_axis.index, by_number.index)
    np.testing.assert_allclose(by_axis.activations, by_number.activations)
    np.testing.assert_array_equal(by_axis.direction, by_number.direction)

    direction = np.arange(6) - 2.5
    projections = acts.values @ (direction / np.linalg.norm(direction))
    made_split = split(acts, direction.tolist(), 100)
    assert made_split.index.tolist() == argsort(projections, 100)
    np.testing.assert_allclose(made_split.activations, projections[made_split.index], rtol=1e-5)
    assert "a direction" in repr(made_split)


def test_a_weight_of_the_model_is_a_direction() -> None:
    weight = torch.nn.Parameter(torch.eye(6, dtype=torch.bfloat16))
    assert split(made(), weight[1]).index.tolist() == split(made(), 1).index.tolist()


def test_numpy_numbers_are_neurons() -> None:
    neuron = split(made(), np.int16(3)).neuron
    assert neuron == 3
    assert type(neuron) is int


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("shape", [(40, 5), (5, 40), (30, 2), (30, 1), (2, 3)])
def test_the_map_is_a_pca_up_to_sign(shape: tuple[int, int], metric: str) -> None:
    acts = Activations.from_arrays(np.random.default_rng(3).normal(size=shape))
    made = split(acts, 0, top=len(acts), metric=metric)
    components = min(2, *shape)
    points = made.vectors.astype(np.float64)
    if metric == "cosine":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    expected = PCA(components, svd_solver="full").fit_transform(points)
    assert made.map.shape == (shape[0], 2)
    assert made.map.dtype == np.float32
    for k in range(components):
        sign = np.sign(expected[:, k] @ made.map[:, k])
        np.testing.assert_allclose(made.map[:, k], sign * expected[:, k], atol=1e-5)
    assert np.abs(made.map[:, components:]).max(initial=0) == 0


def test_the_same_input_gives_the_same_split() -> None:
    one, other = split(made(), 1), split(made(), 1)
    for name in ("index", "Z", "map", "vectors", "activations"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.suggested == other.suggested
    assert one.suggest() == other.suggest()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_constant_neuron_is_at_rest_and_has_no_concepts(value: float) -> None:
    acts = Activations.from_arrays(np.full((30, 4), value))
    made = split(acts, 0)
    assert made.at_rest
    assert made.suggested == 0
    assert len(made.cut()) == 0
    assert np.abs(made.map).max() == 0
    assert repr(made) == "Split(neuron 0 of layer 'values', at rest on all samples)"
    assert "at rest" in made._repr_html_()


def test_rows_of_zeros_have_no_cosine_and_the_message_says_which_row() -> None:
    values = np.ones((20, 3))
    values[13] = 0
    acts = Activations.from_arrays(values)
    assert len(split(acts, 0).cut()) == 1
    with pytest.raises(ValueError, match="sample 13 is all zeros"):
        split(acts, 0, method="average")


def test_the_method_and_metric_reach_the_linkage() -> None:
    acts = made()
    made_split = split(acts, 0, top=20, method="average", metric="euclidean")
    np.testing.assert_array_equal(
        made_split.Z, linkage(made_split.vectors, "average", metric="euclidean")
    )
    assert (made_split.method, made_split.metric) == ("average", "euclidean")


@pytest.mark.parametrize(
    ("method", "metric"), [(method, metric) for method in METRICS for metric in METRICS[method]]
)
def test_its_distances_are_those_the_linkage_began_with(method: str, metric: str) -> None:
    made_split = split(made(), 0, 40, method=method, metric=metric)
    points, by = made_split.vectors.astype(np.float64), metric
    if (method, metric) == ("ward", "cosine"):
        points, by = points / np.linalg.norm(points, axis=1, keepdims=True), "euclidean"
    np.testing.assert_allclose(made_split.distances, squareform(pdist(points, by)), atol=1e-6)
    expected = hierarchy.linkage(squareform(made_split.distances, checks=False), method)
    np.testing.assert_allclose(made_split.Z, expected, atol=1e-6)


def test_repr_and_html_name_the_neuron_and_escape_the_layer() -> None:
    made_split = split(made(), 4, top=100)
    assert repr(made_split).startswith("Split(neuron 4 of layer '<b>fc</b>', top 100, ward/cosine")
    shown = made_split._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;fc" in shown
    assert shown.count("<tr>") == 1 + len(made_split.suggest())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"neuron": 6}, IndexError, "neuron 6 .* has 6 neurons: 0 to 5"),
        ({"neuron": -1}, IndexError, "neuron -1"),
        ({"neuron": True}, TypeError, "neuron must be a whole number or a direction .* got True"),
        ({"neuron": 1.0}, TypeError, "neuron must be .* got 1.0"),
        ({"neuron": "1"}, TypeError, "neuron must be .* got '1'"),
        ({"neuron": None}, TypeError, "neuron must be .* got None"),
        ({"neuron": [1, 2]}, ValueError, r"each of the 6 neurons of .* got shape \(2,\)"),
        ({"neuron": np.eye(6)}, ValueError, r"shape \(6, 6\)"),
        ({"neuron": np.zeros(6)}, ValueError, "must be finite and not zero"),
        ({"neuron": [np.nan] * 6}, ValueError, "must be finite and not zero"),
        ({"neuron": ["a"] * 6}, ValueError, "direction is not a list of numbers"),
        ({"top": 151}, ValueError, "top must be at most 150, got 151"),
        ({"top": 0}, ValueError, "top must be a positive integer, got 0"),
        ({"top": 1}, ValueError, r"top must be at least 2 to split a neuron, got 1\."),
        ({"top": 2.5}, ValueError, "top must be a positive integer, got 2.5"),
        ({"top": True}, ValueError, "top must be a positive integer, got True"),
        ({"min_size": 0}, ValueError, "min_size must be a positive integer, got 0"),
        ({"min_size": "5"}, ValueError, "min_size must be .* got '5'"),
        ({"min_size": True}, ValueError, "min_size must be .* got True"),
        ({"method": "median"}, ValueError, "method must be one of .* got 'median'"),
        ({"metric": "sqeuclidean"}, ValueError, "'sqeuclidean' does not go with method='ward'"),
        ({"metric": "cityblock"}, ValueError, "'ward', which takes 'euclidean' or 'cosine'"),
    ],
)
def test_what_cannot_be_split_is_refused(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        split(made(), **({"neuron": 0} | arguments))


def test_one_sample_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="holds 1 sample: a neuron is split by at least two"):
        split(made(1), 0)


# Which samples count


def sparse(active: int, samples: int = 1000, width: int = 64) -> np.ndarray:
    """Neuron 0 fires on a few samples only, in descending order of strength."""
    rng = np.random.default_rng(0)
    values = np.abs(rng.normal(size=(samples, width))) * (rng.random((samples, width)) < 0.1)
    values[:, 0] = 0
    values[np.arange(active) * 10, 0] = np.arange(active + 3, 3, -1)
    return values


@pytest.mark.parametrize("active", [2, 7, 99, 100])
def test_samples_at_rest_are_no_top_samples(active: int) -> None:
    made = split(sparse(active), 0, top=100)
    assert made.index.tolist() == [10 * i for i in range(active)]
    assert made.min_size == max(2, -(-active // 20))
    assert not made.at_rest
    for concept in range(len(made.cut())):
        assert (made.activations[made.cut().assignment == concept] > 0).all()


@pytest.mark.parametrize("active", [0, 1])
def test_a_dead_neuron_has_no_concepts(active: int) -> None:
    made = split(sparse(active), 0)
    assert made.at_rest
    assert len(made.cut()) == len(made.cut(99.0)) == 0
    (only,) = made.suggest()
    assert (only.concepts, only.kinds) == (1, ("rest",))
    assert only.reason == "one group: the neuron is at rest on all samples"
    assert made.cut().refine().unassigned == 2
    assert np.isnan(made.scores(which="polysemanticity")["polysemanticity"])


def test_a_smallest_value_that_one_sample_has_is_no_rest() -> None:
    values = np.random.default_rng(0).normal(size=(50, 4))
    assert len(split(values, 0, top=50).index) == 50


def test_equal_vectors_count_once_and_others_take_their_places() -> None:
    """A causal model's first token: 40 vectors, each of many texts, and very long."""
    rng = np.random.default_rng(0)
    first = np.repeat(rng.normal(size=(40, 8)) + 9, 30, axis=0)
    values = np.concatenate([first, rng.normal(size=(300, 8))])
    made = split(values, 3, top=100)
    assert len(made.index) == 100
    assert len(np.unique(made.vectors, axis=0)) == 100
    assert (made.index < len(first)).sum() == 40
    # The first of each, as the data has them.
    assert set(made.index[made.index < 1200].tolist()) == set(range(0, 1200, 30))
    assert len(np.unique(split(values, 3, 100, distinct=None).vectors, axis=0)) < 10
    # A direction: products of equal vectors may differ by rounding.
    along = split(values, rng.normal(size=8) + 1, top=100)
    assert len(np.unique(along.vectors, axis=0)) == 100


def test_data_of_a_few_kinds_keeps_its_copies() -> None:
    values = np.repeat(np.eye(4) + 0.5, 25, axis=0)
    made = split(values, 0, top=100, distinct="vector")
    assert len(made.index) == 25


def test_one_sample_of_each_text() -> None:
    rng = np.random.default_rng(0)
    item, token = np.repeat(np.arange(30), 5), np.tile(np.arange(5), 30)
    samples = Samples(150, texts=[f"text {i}" for i in range(30)], item=item, token=token)
    acts = Activations("layer", rng.normal(size=(150, 6)).astype("f4"), samples)
    made = split(acts, 2, top=20, distinct="text")
    assert len(set(item[made.index].tolist())) == 20
    best = [int(item[item == i].size and np.argmax(np.where(item == i, acts.values[:, 2], -9)))
            for i in range(30)]  # fmt: skip
    order = sorted(best, key=lambda i: -acts.values[i, 2])
    assert made.index.tolist() == order[:20]
    assert len(split(acts, 2, top=100, distinct="text").index) == 30
    for wrong in ("token", 3, True):
        with pytest.raises(ValueError, match="distinct must be 'vector', 'text' or None, got"):
            split(acts, 2, distinct=wrong)


@pytest.mark.parametrize("band", [None, (0.0, 1.0)])
def test_windows_are_of_their_text(band: tuple[float, float] | None) -> None:
    rng = np.random.default_rng(0)
    origin = np.repeat(np.arange(20), 5)
    samples = Samples(100, texts=[f"window {i}" for i in range(100)], origin=origin)
    acts = Activations("layer", rng.normal(size=(100, 6)).astype("f4"), samples)
    index = split(acts, 2, top=15, distinct="text", band=band).index
    assert len(index) > 10
    assert len(set(origin[index].tolist())) == len(index)
