"""The dictionary of chunks: spherical k-means, its controls, and the strip under a text."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.activations.samples import Samples
from neuronwidgets.effects.chunks.spherical import nearest, spherical_kmeans
from neuronwidgets.effects.chunks.strip import ChunkStrip


def states(seed: int = 0, each: int = 60, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Five states of 16 neurons, drawn for runs of three tokens: values and states."""
    rng = np.random.default_rng(seed)
    centers = np.linalg.qr(rng.normal(size=(16, 16)))[0][:5] * 3
    which = np.repeat(rng.permutation(np.repeat(np.arange(5), each // 3)), 3)
    return (centers[which] + rng.normal(0, noise, (len(which), 16))).astype(np.float32), which


@pytest.fixture(scope="module")
def tokens() -> tuple[nw.Activations, np.ndarray]:
    """Thirty texts of ten tokens, each token in one of five states."""
    values, which = states()
    texts = ["a <b> c & d e f g h i"] + [
        f"text {i} of ten small words as all are" for i in range(29)
    ]
    spans = []
    for text in texts:
        ends = np.cumsum([len(w) + 1 for w in text.split(" ")]) - 1
        starts = np.concatenate([[0], ends[:-1] + 1])
        spans.append(np.stack([starts, ends], axis=1).astype(np.int32)[:10])
    item = np.repeat(np.arange(30), 10)
    token = np.tile(np.arange(10, dtype=np.int32), 30)
    token = np.minimum(token, np.array([len(spans[i]) - 1 for i in item], np.int32))
    samples = Samples(300, texts=texts, spans=spans, item=item, token=token)
    return nw.Activations("layer", values, samples), which


@pytest.fixture(scope="module")
def found(tokens: tuple[nw.Activations, np.ndarray]) -> nw.ChunkDictionary:
    return nw.chunk_dictionary(tokens[0], 5)


def test_the_best_of_all_partitions_is_found() -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        rows = normalized(rng.normal(size=(9, 3)))
        best = max(
            sum(np.linalg.norm(rows[np.array(p) == k].sum(axis=0)) for k in (0, 1, 2))
            for p in product(range(3), repeat=9)
        )
        vectors, assignment = spherical_kmeans(rows, 3, n_init=30)
        total = np.einsum("nd,nd->n", rows, vectors[assignment]).sum()
        assert total == pytest.approx(best, abs=1e-4)


def test_each_vector_is_the_mean_direction_of_its_rows() -> None:
    values, _ = states(3, noise=0.8)
    rows = normalized(values)
    vectors, assignment = spherical_kmeans(rows, 7)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    means = normalized(np.stack([rows[assignment == k].sum(axis=0) for k in range(7)]))
    assert np.einsum("kd,kd->k", means, vectors).min() > 0.99
    np.testing.assert_array_equal(nearest(rows, vectors)[0], assignment)
    sizes = np.bincount(assignment)
    assert (np.diff(sizes) <= 0).all()


def test_few_different_rows_make_few_vectors() -> None:
    rows = normalized(np.repeat(np.eye(3), 20, axis=0))
    vectors, assignment = spherical_kmeans(rows, 8)
    assert len(vectors) == 3
    assert np.bincount(assignment).tolist() == [20, 20, 20]


def test_planted_states_are_the_chunks(
    found: nw.ChunkDictionary, tokens: tuple[nw.Activations, np.ndarray]
) -> None:
    pairs = set(zip(found.assignment.tolist(), tokens[1].tolist(), strict=True))
    assert len(pairs) == len(found) == 5
    assert found.held_out > 0.95
    assert found.agreement.min() > 0.95
    assert found.chance < 0.7
    assert found.chance_agreement < 0.9
    assert found.sizes.tolist() == [60] * 5


def test_the_seed_decides(tokens: tuple[nw.Activations, np.ndarray]) -> None:
    one, other = (nw.chunk_dictionary(tokens[0], 4, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert one.chance == other.chance


def test_noise_is_at_its_control() -> None:
    noise = np.random.default_rng(4).normal(size=(600, 12)).astype(np.float32)
    found = nw.chunk_dictionary(noise, 8)
    assert found.held_out == pytest.approx(found.chance, abs=0.03)
    assert found.agreement.mean() == pytest.approx(found.chance_agreement, abs=0.15)


def test_other_samples_get_the_same_chunks(
    found: nw.ChunkDictionary, tokens: tuple[nw.Activations, np.ndarray]
) -> None:
    assignment, similarity = found.assign(tokens[0].values[:50])
    np.testing.assert_array_equal(assignment, found.assignment[:50])
    np.testing.assert_allclose(similarity, found.similarity[:50], atol=1e-5)
    assert found.nearest(0, 3).tolist() == sorted(
        np.flatnonzero(found.assignment == 0), key=lambda row: -found.similarity[row]
    )[:3]  # fmt: skip
    with pytest.raises(ValueError, match="acts must have 16 neurons as the chunks, got 3"):
        found.assign(np.ones((2, 3)))


def test_a_sample_at_the_centre_is_in_no_chunk() -> None:
    values, _ = states()
    values[:4] = 0
    found = nw.chunk_dictionary(values, 5, by="cosine-origin")
    assert found.assignment[:4].tolist() == [-1] * 4
    assert (found.assignment[4:] >= 0).all()
    assert not found.center.any()


def test_labels_name_and_purity() -> None:
    values, which = states()
    acts = nw.Activations.from_arrays(values, labels=[f"state {k}" for k in which])
    found = nw.chunk_dictionary(acts, 5)
    frame = found.to_frame()
    assert sorted(frame["name"]) == [f"state {k}" for k in range(5)]
    assert (frame["purity"] == 1).all()
    assert "<table>" in found._repr_html_()
    with pytest.raises(ValueError, match="tokens of texts"):
        found.strip()


def test_the_strip_holds_the_whole_text_and_escapes_it(found: nw.ChunkDictionary) -> None:
    strip = found.strip([0, 3])
    for i, runs in zip((0, 3), strip.runs, strict=True):
        assert "".join(text for _, text in runs) == found.acts.samples.texts[i]
        chunks = [chunk for chunk, _ in runs]
        assert all(a != b for a, b in pairwise(chunks))
    page = strip._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert page in found.strip([0, 3])._repr_html_()
    assert len(found.strip(2).texts) == 2
    assert "<div dir='auto'" in found._repr_html_()


def test_twelve_chunks_have_a_colour_and_the_others_are_grey() -> None:
    text = " ".join(f"w{i}" for i in range(20))
    ends = np.cumsum([len(w) + 1 for w in text.split()]) - 1
    spans = np.stack([np.concatenate([[0], ends[:-1] + 1]), ends], axis=1).astype(np.int32)
    samples = Samples(
        20,
        texts=[text],
        spans=[spans],
        item=np.zeros(20, np.int64),
        token=np.arange(20, dtype="i4"),
    )
    strip = ChunkStrip.of(samples, np.arange(20), ("",) * 20, 1)
    assert len(set(strip.colors.values())) == 13
    assert list(strip.colors.values()).count("#999999") == 8
    assert len(strip.runs[0]) == 20


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"chunks": 0}, "chunks must be a positive integer, got 0"),
        ({"chunks": 301}, r"chunks must be at most 300, the number of samples, got 301\."),
        ({"by": "dot"}, "by must be 'cosine' or 'cosine-origin'; got 'dot'"),
        ({"n_init": 1.5}, "n_init must be a positive integer"),
    ],
)
def test_wrong_arguments(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        nw.chunk_dictionary(states()[0], **settings)


def test_degenerate_data() -> None:
    with pytest.raises(ValueError, match="at least four samples, got 3"):
        nw.chunk_dictionary(np.eye(3))
    with pytest.raises(ValueError, match="is constant"):
        nw.chunk_dictionary(np.ones((9, 3)), 2)


def test_wrong_texts_and_chunks(found: nw.ChunkDictionary) -> None:
    with pytest.raises(IndexError, match="text 99 does not exist"):
        found.strip([99])
    with pytest.raises(IndexError, match="chunk 9 does not exist"):
        found.nearest(9)
