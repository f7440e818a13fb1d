"""`split(band=...)`: samples of a band of activations, and concepts that only a band has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import percentileofscore

import neuronwidgets as nw
from neuronwidgets.widgets.split_explorer.recipe import Recipe

MIDDLE = (0.5, 0.9)
WIDTH = 12


def planted(confounded: bool = True, seed: int = 0) -> nw.Activations:
    """Neuron 0 fires most for the concepts "a" and "b", and half as much for a confounder."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(["a", "b", "confounder", "rest"], [100, 100, 200, 600])
    values = rng.normal(0, 0.2, (1000, WIDTH)).astype(np.float32)
    for place, kind in enumerate(("a", "b", "confounder") if confounded else ("a", "b"), 1):
        values[kinds == kind, place] += 4
    if not confounded:
        values[np.flatnonzero(kinds == "confounder")[::2], 1] += 4
        values[np.flatnonzero(kinds == "confounder")[1::2], 2] += 4
    values[:, 0] += np.select([np.isin(kinds, ["a", "b"]), kinds == "confounder"], [6, 3], 0)
    return nw.Activations.from_arrays(values, labels=kinds)


def noise(samples: int = 500, seed: int = 0) -> nw.Activations:
    values = np.random.default_rng(seed).normal(size=(samples, 5)).astype(np.float32)
    return nw.Activations.from_arrays(values)


def test_samples_are_evenly_spaced_by_rank_from_end_to_end_of_the_band() -> None:
    acts = noise()
    along = acts.values[:, 1]
    low, high = np.quantile(along, MIDDLE)
    inside = np.flatnonzero((along >= low) & (along <= high))
    ordered = inside[np.argsort(-along[inside], kind="stable")]
    made = nw.split(acts, 1, top=40, band=MIDDLE)
    spread = ordered[np.linspace(0, len(ordered) - 1, 80).round().astype(int)]
    expected = spread[np.linspace(0, 79, 40).round().astype(int)]
    assert made.index.tolist() == expected.tolist()
    assert {ordered[0], ordered[-1]} <= set(made.index.tolist())
    assert (np.diff(made.activations) <= 0).all()
    assert made.band == MIDDLE
    assert nw.split(acts, 1, top=40, band=[0.5, 0.9]).index.tolist() == made.index.tolist()
    assert "band 0.5 to 0.9, 40" in repr(made)


def test_a_direction_has_bands_and_a_flipped_one_the_mirrored_band() -> None:
    acts = noise()
    axis = np.eye(5)[2]
    up = nw.split(acts, axis, top=60, band=(0.8, 1.0), distinct=None)
    down = nw.split(acts, -axis, top=60, band=(0.0, 0.2), distinct=None)
    assert sorted(up.index.tolist()) == sorted(down.index.tolist())
    np.testing.assert_array_equal(
        up.index, nw.split(acts, 2, top=60, band=(0.8, 1), distinct=None).index
    )


@pytest.mark.parametrize("top", [10, 50])
def test_the_whole_range_holds_the_strongest_and_the_weakest_active_sample(top: int) -> None:
    values = np.maximum(noise().values, 0)
    made = nw.split(nw.Activations.from_arrays(values), 0, top=top, band=(0, 1))
    assert len(made.index) == top
    assert made.activations[0] == values[:, 0].max()
    assert made.activations[-1] == values[values[:, 0] > 0, 0].min()


def test_samples_at_rest_count_where_the_band_holds_nothing_else() -> None:
    values = np.maximum(noise().values, 0)
    made = nw.split(nw.Activations.from_arrays(values), 0, top=30, band=(0.0, 0.3))
    assert len(made.index) == 30
    assert not made.activations.any()


def test_copies_are_left_out() -> None:
    values = np.repeat(noise(100).values, 5, axis=0)
    acts = nw.Activations.from_arrays(values)
    made = nw.split(acts, 0, top=30, band=MIDDLE)
    assert len(np.unique(made.vectors, axis=0)) == len(made.index) <= 30
    every = nw.split(acts, 0, top=200, band=MIDDLE, distinct=None)
    assert len(every.index) == 200
    assert len(np.unique(every.vectors, axis=0)) < 50


def test_a_narrow_band_has_fewer_samples_than_asked_for() -> None:
    acts = noise()
    made = nw.split(acts, 0, top=100, band=(0.5, 0.52))
    assert 2 <= len(made.index) <= 12
    assert nw.split(acts, 0, top=100, band=(0.5, 0.5001)).at_rest


@pytest.mark.parametrize(
    "band", [(0.9, 0.5), (0.5, 0.5), (-0.1, 0.5), (0.5, 1.1), 0.5, "top", (0.1,), (0.1, np.nan)]
)
def test_no_band(band: Any) -> None:
    with pytest.raises(ValueError, match="band must be two quantiles from 0 to 1"):
        nw.split(noise(), 0, band=band)


def test_quantiles_are_those_of_scipy() -> None:
    acts = nw.Activations.from_arrays(np.round(noise().values, 1))
    made = nw.split(acts, 0, top=50, band=MIDDLE)
    expected = percentileofscore(acts.values[:, 0], made.activations, kind="mean") / 100
    np.testing.assert_allclose(made.quantiles, expected, rtol=1e-12)
    concepts = made.cut()
    assert concepts.quantiles.shape == (len(concepts), 2)
    for ends, group in zip(concepts.quantiles, concepts.groups, strict=True):
        np.testing.assert_allclose(ends, [expected[group].min(), expected[group].max()])
    assert nw.split(acts, 0, top=10).quantiles.min() > 0.97


def test_a_band_is_saved_and_older_files_open(tmp_path: Path) -> None:
    made = nw.split(noise(), 0, top=60, band=MIDDLE).cut()
    path = made.save(tmp_path / "middle")
    read = nw.Concepts.load(path)
    assert read.origin.band == MIDDLE
    np.testing.assert_array_equal(read.quantiles, made.quantiles)
    whole = nw.split(noise(), 0, top=60).cut()
    whole.save(tmp_path / "top")
    assert "band" not in json.loads((tmp_path / "top.json").read_text())
    assert nw.Concepts.load(tmp_path / "top").origin.band is None

    from safetensors.numpy import load_file, save_file

    arrays = load_file(path)
    del arrays["quantiles"]
    save_file(arrays, path, {"format": "neuronwidgets.concepts/1"})
    older = nw.Concepts.load(path)
    np.testing.assert_array_equal(older.vectors, made.vectors)
    with pytest.raises(ValueError, match="split again and save"):
        _ = older.quantiles


def test_a_confounder_of_the_middle_is_found_by_the_band_and_not_by_the_top() -> None:
    acts = planted()
    concepts = nw.split(acts, 0, top=120, band=(0.6, 0.95)).cut()
    found = nw.band_only(concepts)
    of = {str(acts.label_names[np.bincount(acts.labels[concepts.index[g]]).argmax()]): k
          for k, g in enumerate(concepts.groups)}  # fmt: skip
    assert [k for k in range(len(concepts)) if found.only[k]] == [of["confounder"]]
    assert found.cosine[of["a"]] > 0.9
    assert found.top.names[found.nearest[of["a"]]] == "a"
    assert found.missed == 0
    assert "confounder" not in found.top.names
    assert concepts.quantiles[of["confounder"], 1] < concepts.quantiles[of["a"], 0]
    table = found.to_frame()
    assert table["only"].sum() == 1
    assert "band only" in found._repr_html_()
    assert "1 of 3 concepts" in repr(found)


def test_without_a_confounder_the_band_has_nothing_of_its_own() -> None:
    acts = planted(confounded=False)
    found = nw.band_only(nw.split(acts, 0, top=120, band=(0.6, 0.95)).cut())
    assert len(found.only) >= 2
    assert not found.only.any()


def test_chance_tells_a_band_that_differs_as_a_whole() -> None:
    """Of samples without clusters, a mark says nothing of one concept: random groups get it too."""
    acts = noise(2000)
    concepts = nw.split(acts, 0, top=100, band=(0.0, 0.2)).cut()
    top = nw.split(acts, 0, top=100)
    found = nw.band_only(concepts, top.cut(top.tree.top))
    assert found.only.all()
    assert found.chance.min() > 0.9
    clean = nw.band_only(nw.split(planted(), 0, top=120, band=(0.6, 0.95)).cut(), cosine=-1)
    assert clean.chance.max() == 0


def test_what_band_only_refuses(tmp_path: Path) -> None:
    acts = noise()
    concepts = nw.split(acts, 0, band=MIDDLE).cut()
    with pytest.raises(ValueError, match="of a band, got those of the top"):
        nw.band_only(nw.split(acts, 0).cut())
    with pytest.raises(ValueError, match="top must be of neuron 0"):
        nw.band_only(concepts, nw.split(acts, 1).cut())
    with pytest.raises(TypeError, match="concepts must be Concepts, got a Split"):
        nw.band_only(nw.split(acts, 0, band=MIDDLE))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cosine must be"):
        nw.band_only(concepts, cosine=2)
    with pytest.raises(ValueError, match="loaded from disk"):
        nw.band_only(nw.Concepts.load(concepts.save(tmp_path / "c")))


def test_no_concept_at_the_top_marks_all() -> None:
    acts = planted()
    concepts = nw.split(acts, 0, top=120, band=(0.6, 0.95)).cut()
    top = nw.split(acts, 0)
    none = top.cut(0)
    assert len(none) == 0
    found = nw.band_only(concepts, none)
    assert found.only.all()
    assert (found.nearest == -1).all()
    assert len(found.to_frame()) == len(concepts)


def test_an_explorer_of_a_band_stays_in_the_band() -> None:
    acts = planted()
    explorer = nw.SplitExplorer(nw.split(acts, 0, top=60, band=MIDDLE))
    assert explorer.split.band == MIDDLE
    explorer.neuron = 1
    expected = nw.split(acts, 1, top=60, band=MIDDLE)
    assert explorer.split.band == MIDDLE
    np.testing.assert_array_equal(explorer.split.index, expected.index)
    assert explorer.concepts.quantiles.shape == (len(explorer.concepts), 2)
    assert Recipe.of(explorer.split).band == MIDDLE
    explorer.close()
    direct = nw.SplitExplorer(acts, neuron=0, top=60, band=MIDDLE)
    assert direct.split.band == MIDDLE
    direct.close()
