"""Libraries of concepts: pinned, saved, merged, found elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import neuronwidgets as nw
from neuronwidgets.libraries.pinned import keys_of

GROUPS = 3
EACH = 40


def texts_of(count: int = GROUPS * EACH, word: str = "text") -> list[str]:
    return [f"{word} number {i}" for i in range(count)]


def planted(seed: int = 0, width: int = 12, texts: Any = None, layer: str = "a") -> nw.Activations:
    """Neuron 0 fires for two groups of samples, which lie in two directions; others for none."""
    rng = np.random.default_rng(seed)
    values = np.abs(rng.normal(0, 0.1, (GROUPS * EACH, width)))
    for group in range(2):
        rows = slice(group * EACH, (group + 1) * EACH)
        values[rows, 0] += 3
        values[rows, 1 + group] += 5
    return nw.Activations.from_arrays(values, texts_of() if texts is None else texts, layer=layer)


def concepts_of(acts: nw.Activations) -> nw.Concepts:
    split = nw.split(acts, 0, 2 * EACH)
    cut = split.cut(split.tree.height[split.tree.cut(np.inf)][0] * 0.9)
    assert len(cut) == 2
    return cut


@pytest.fixture(scope="module")
def concepts() -> nw.Concepts:
    return concepts_of(planted())


def test_a_pinned_concept_keeps_its_vectors_and_members(concepts: nw.Concepts) -> None:
    library = nw.Library().pin(concepts)
    assert [entry.name for entry in library] == list(concepts.names)
    for k, entry in enumerate(library):
        np.testing.assert_array_equal(entry.vector, concepts.vectors[k])
        np.testing.assert_array_equal(entry.difference, concepts.differences[k])
        assert len(entry.members) == concepts.sizes[k]
    assert (library[0].layer, library[0].neuron) == ("a", 0)
    assert library.to_frame()["samples"].tolist() == concepts.sizes.tolist()
    assert repr(library) == "Library(2 concepts of 1 layer)"


def test_pinning_again_changes_the_name_only(concepts: nw.Concepts) -> None:
    library = nw.Library().pin(concepts)
    from dataclasses import replace

    library.pin(replace(concepts, names=("one", "other")), 1)
    assert [entry.name for entry in library] == [concepts.names[0], "other"]


def test_pin_one_unpin_by_name(concepts: nw.Concepts) -> None:
    library = nw.Library().pin(concepts, 1).pin(concepts, [0])
    assert len(library) == 2
    library.unpin(0)
    assert library[0].name == concepts.names[0]
    library.unpin(concepts.names[0])
    assert len(library) == 0
    assert "Library(0 concepts)" in library._repr_html_()


def test_bad_pins_are_refused_in_words(concepts: nw.Concepts, tmp_path: Path) -> None:
    library = nw.Library()
    with pytest.raises(TypeError, match="must be Concepts"):
        library.pin(planted())
    for wrong in (2, -1, 1.5, "x"):
        with pytest.raises(IndexError, match="the cut has 2 concepts, 0 to 1"):
            library.pin(concepts, [wrong])  # type: ignore[list-item]
    loaded = nw.Concepts.load(concepts.save(tmp_path / "saved"))
    with pytest.raises(ValueError, match="loaded from disk"):
        library.pin(loaded)
    with pytest.raises(IndexError, match="which has 0"):
        library[0]
    with pytest.raises(KeyError, match="no concept is called 'x'"):
        library["x"]
    with pytest.raises(TypeError, match="takes a Library"):
        library.merge([])  # type: ignore[arg-type]


def test_it_returns_from_disk_whole(concepts: nw.Concepts, tmp_path: Path) -> None:
    library = nw.Library().pin(concepts)
    path = library.save(tmp_path / "näme")
    assert path.name == "näme.safetensors"
    for again in (nw.Library.load(path), nw.Library.load(tmp_path / "näme")):
        assert [entry.name for entry in again] == [entry.name for entry in library]
        assert all(a.same(b) for a, b in zip(again, library, strict=True))
        np.testing.assert_array_equal(again[0].mean, library[0].mean)
    acts = planted()
    np.testing.assert_array_equal(nw.Library.load(path).scores(acts), library.scores(acts))


def test_damaged_and_foreign_files_are_refused(concepts: nw.Concepts, tmp_path: Path) -> None:
    path = nw.Library().pin(concepts).save(tmp_path / "one")
    with pytest.raises(FileNotFoundError):
        nw.Library.load(tmp_path / "two")
    saved = concepts.save(tmp_path / "concepts")
    with pytest.raises(ValueError, match="format"):
        nw.Library.load(saved)
    about = json.loads((tmp_path / "one.json").read_text())
    about["concepts"].append(dict(about["concepts"][0]))
    (tmp_path / "one.json").write_text(json.dumps(about))
    with pytest.raises(ValueError, match="do not belong together"):
        nw.Library.load(path)
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match=r"not what Library\.save wrote"):
        nw.Library.load(path)


def test_merging_takes_what_is_new(concepts: nw.Concepts) -> None:
    first, second = nw.Library().pin(concepts, 0), nw.Library().pin(concepts)
    merged = first.merge(second)
    assert merged is first
    assert len(first) == 2
    other = concepts_of(planted(seed=1, layer="b"))
    assert len(first.merge(nw.Library().pin(other))) == 4


def test_scores_are_those_of_retrieval(concepts: nw.Concepts) -> None:
    other = planted(seed=7, texts=texts_of(word="other"))
    library = nw.Library().pin(concepts)
    for by in ("cosine", "cosine-origin", "dot"):
        np.testing.assert_allclose(library.scores(other, by), concepts.scores_of(other, by), 1e-6)
    with pytest.raises(ValueError, match=r"where\(acts, concept\)"):
        library.scores(planted(layer="b"))


def test_where_finds_the_neuron_that_carries_a_concept_elsewhere(concepts: nw.Concepts) -> None:
    rng = np.random.default_rng(3)
    # Another model, of another width, in which neuron 5 fires for the samples of one concept.
    members = concepts.index[concepts.groups[0]]
    values = rng.normal(size=(GROUPS * EACH, 8))
    values[members, 5] += 1.5
    elsewhere = nw.Activations.from_arrays(values, texts_of(), layer="other")
    library = nw.Library().pin(concepts)
    found = library.where(elsewhere, 0, top=8)
    assert found["neuron"][0] == 5
    expected = roc_auc_score(np.isin(np.arange(len(values)), members), values[:, 5])
    assert found["auroc"][0] == pytest.approx(expected, abs=1e-9)
    assert found["q"][0] < 0.05 < found["q"][1]
    assert found.attrs["members"] == len(members)
    assert found.attrs["others"] == len(values) - len(members)


def test_only_shared_samples_count(concepts: nw.Concepts) -> None:
    acts = planted()
    library = nw.Library().pin(concepts)
    order = np.random.default_rng(5).permutation(len(acts))[: 2 * EACH]
    texts = [texts_of()[i] for i in order] + texts_of(50, "unknown")
    values = np.vstack([acts.values[order], np.full((50, 12), 100.0)])
    found = library.where(nw.Activations.from_arrays(values, texts, layer="b"), 0)
    shared = np.isin(order, concepts.index[concepts.groups[0]]).sum()
    assert (found.attrs["members"], found.attrs["others"]) == (shared, 2 * EACH - shared)
    strangers = nw.Activations.from_arrays(values, texts_of(len(values), "unknown"), layer="b")
    with pytest.raises(ValueError, match="share 0 of the 40 samples"):
        library.where(strangers, 0)


def test_concepts_of_the_other_layer_are_ranked_too(concepts: nw.Concepts) -> None:
    library = nw.Library().pin(concepts)
    other = planted(seed=4, width=20, layer="b")
    library.pin(concepts_of(other))
    found = library.where(other, 0, top=30)
    best = found[found["kind"] == "concept"].iloc[0]
    assert best["auroc"] > 0.99
    assert best["q"] < 0.01
    # The concept's direction tells its samples apart better than the neuron that holds both.
    neuron = found[(found["kind"] == "neuron") & (found["neuron"] == 0)]["auroc"].iloc[0]
    assert best["auroc"] > neuron


def test_random_members_agree_with_nothing() -> None:
    rng = np.random.default_rng(0)
    acts = nw.Activations.from_arrays(rng.normal(size=(200, 64)), texts_of(200), layer="noise")
    other = nw.Activations.from_arrays(rng.normal(size=(200, 400)), texts_of(200), layer="b")
    concepts = nw.split(acts, 0, 60).cut(np.inf)
    found = nw.Library().pin(concepts).where(other, 0, top=400)
    assert found["q"].min() > 0.05
    assert 0.02 < (found["p"] < 0.05).mean() < 0.09


def test_tokens_of_a_text_are_no_independent_evidence_for_concepts() -> None:
    text = np.repeat(np.arange(60), 8)
    token = np.tile(np.arange(8), 60).astype(np.int32)
    p = []
    for seed in range(60):
        rng = np.random.default_rng(seed)

        def tokens(layer: str, rng: np.random.Generator = rng) -> nw.Activations:
            values = rng.normal(size=(60, 6))[text] + 0.3 * rng.normal(size=(480, 6))
            values[:, 0] += 20 * (text < 10) * (layer == "a")
            return nw.Activations(
                layer, values.astype("f4"), nw.Samples(480, item=text, token=token)
            )

        # All tokens of ten texts; in the other layer, a concept of another neuron.
        library = nw.Library().pin(nw.split(tokens("a"), 0, 80).cut(np.inf))
        other = tokens("b")
        library.pin(nw.split(other, 1, 40).cut(np.inf))
        found = library.where(other, 0)
        p.append(found[found["kind"] == "concept"]["p"].iloc[0])
    assert 0 < (np.array(p) < 0.1).mean() < 0.25


def test_keys_know_the_same_sample_everywhere() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (4, 5, 5), np.uint8)
    values = rng.normal(size=(4, 3))
    shuffled = nw.Activations.from_arrays(values, images[::-1])
    np.testing.assert_array_equal(
        keys_of(nw.Activations.from_arrays(values, images)), keys_of(shuffled)[::-1]
    )
    plain = nw.Activations.from_arrays(values)
    assert keys_of(plain).tolist() == [0, 1, 2, 3]
