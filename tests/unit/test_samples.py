"""Samples: what each row was, and the pictures that are shown of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from neuronwidgets import Activations, Samples
from neuronwidgets.display.image import picture

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)
GREY = RGB[..., 0].copy()


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (RGB, RGB),
        (GREY, GREY),
        (GREY[..., None], GREY),
        (np.moveaxis(RGB, -1, 0), RGB),
        (GREY[None], GREY),
        (np.dstack([RGB, GREY]), RGB),
        (RGB / np.float32(255), RGB),
        (torch.tensor(RGB).movedim(-1, 0).float() / 255, RGB),
        (torch.tensor(RGB).movedim(-1, 0).float().div(255).requires_grad_(), RGB),
        ((torch.tensor(GREY) > 127).to(torch.bfloat16), (GREY > 127).astype(np.uint8) * 255),
        (GREY > 127, (GREY > 127).astype(np.uint8) * 255),
        (Image.fromarray(RGB), RGB),
        (Image.fromarray(GREY), GREY),
        (Image.fromarray(np.dstack([RGB, np.full_like(GREY, 255)])), RGB),
        (Image.fromarray(GREY > 127), np.dstack([(GREY > 127).astype(np.uint8) * 255] * 3)),
    ],
)
def test_whatever_an_image_is_it_can_be_shown(made: object, shown: np.ndarray) -> None:
    pixels = picture(made)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, shown)


def test_any_range_of_values_is_stretched() -> None:
    standard = RNG.normal(size=(3, 6, 5)).astype(np.float32)
    pixels = picture(standard)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert pixels.shape == (6, 5, 3)
    broken = standard.copy()
    broken[0, 0, 0] = np.nan
    assert picture(broken).shape == (6, 5, 3)
    assert picture(np.full((4, 4), 7.0)).tolist() == [[0] * 4] * 4


def test_lone_surrogates_become_replacement_characters() -> None:
    samples = Samples(3, texts=["a\ud83d", "\ud83e\udde0", "\ufeffb"])
    assert samples.texts == ["a\ufffd", "🧠", "\ufeffb"]
    assert len(set(samples.fingerprints())) == 3
    acts = Activations.from_arrays(np.eye(3), samples.texts, ["x\ude00", "x\ud83d", "y"])
    assert acts.label_names == ("x\ufffd", "y")
    assert acts.labels is not None
    assert acts.labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5), (6, 5, 2), (0, 5), ()])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"an image must have the shape .* got \("):
        picture(np.zeros(shape, np.float32))


def test_texts_images_and_nothing() -> None:
    texts = Samples.of(["a", "日本🧠"], 2)
    assert (texts.kind, texts.texts, len(texts)) == ("text", ["a", "日本🧠"], 2)
    assert Samples.of(np.array(["a", "b"]), 2).texts == ["a", "b"]
    assert Samples.of(pa.chunked_array([["a"], ["b"]]), 2).texts == ["a", "b"]
    assert Samples.of(RGB[None], 1).kind == "image"
    assert Samples.of([Image.fromarray(RGB), GREY], 2).kind == "image"
    assert Samples.of((t for t in ["a", "b"]), 2).texts == ["a", "b"]
    assert (Samples.of(None, 4).kind, Samples.of(None, 4).count) == ("none", 4)
    assert Samples.of(texts, 2) is texts


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        (["a"], ValueError, "samples must have one entry for each of the 2 rows of values, got 1"),
        (Samples(3), ValueError, "samples must have one entry .* got 3"),
        (["a", 1], TypeError, r"samples\[1\] is a int among texts"),
        ([1, 2], TypeError, "samples must hold texts or images .* got a int"),
        ([None, "a"], TypeError, "samples must hold texts or images .* got a NoneType"),
        ([RGB, "a"], TypeError, r"samples\[1\] is a str among images"),
        (5, TypeError, "samples must be texts or images .* got a int"),
        ({"a", "b"}, TypeError, "samples must be texts or images .* got a set"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    samples: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Activations.from_arrays(np.zeros((2, 2)), samples=samples)


def test_items_and_tokens() -> None:
    whole = Samples(2, texts=["a", "b"])
    assert (whole.item_of(1), whole.token_of(1)) == (1, None)
    item, token = np.array([0, 0, 1]), np.array([0, 1, 4], np.int32)
    tokens = Samples(3, texts=["a b", "c"], item=item, token=token)
    assert (tokens.item_of(2), tokens.token_of(2)) == (1, 4)


def test_repr_counts_what_there_is() -> None:
    item, token = np.array([0, 0, 1]), np.array([0, 1, 0], np.int32)
    assert repr(Samples(1_000, texts=["a"] * 1_000)) == "Samples(1,000 texts)"
    assert repr(Samples(3, texts=["a", "b"], item=item, token=token)) == (
        "Samples(3 tokens of 2 texts)"
    )
    assert repr(Samples(3, images=[GREY, GREY], item=item, token=token)) == (
        "Samples(3 positions of 2 images)"
    )
    assert repr(Samples(3, item=item, token=token)) == "Samples(3 positions of 2 samples)"
    assert repr(Samples(3)) == "Samples(3 samples)"


def test_some_samples_are_taken_to_look_at() -> None:
    item, token = np.array([0, 0, 1]), np.array([0, 1, 0], np.int32)
    spans = [np.array([[0, 1], [2, 3]], np.int32), np.array([[0, 1]], np.int32)]
    tokens = Samples(3, texts=["a b", "c"], spans=spans, item=item, token=token).take([2, 1])
    assert tokens.texts == ["c", "a b"]
    assert [tokens.texts[tokens.item_of(i)] for i in range(2)] == ["c", "a b"]
    assert [tokens.token_of(i) for i in range(2)] == [0, 1]
    whole = Samples(3, images=list(RGB[None].repeat(3, 0))).take(np.array([0, 2]))
    assert repr(whole) == "Samples(2 images)"
    assert repr(Samples(5).take([4, 1])) == "Samples(2 samples)"
    assert repr(Samples(2, texts=["a", "b"]).take([])) == "Samples(0 samples)"


def test_html_shows_images_and_escapes_texts() -> None:
    shown = Samples(2, texts=["<script>alert('é')</script>", "x" * 500])._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "x" * 200 + "…" in shown
    assert "x" * 201 not in shown
    images = Samples(30, images=[RGB, GREY] * 15)._repr_html_()
    assert images.count("src='data:image/png;base64,") == 24
    assert "Samples(30 images), the first 24 shown" in images
    assert "Samples(4 samples)" in Samples(4)._repr_html_()


def test_places_and_the_rows_at_them() -> None:
    whole = Samples(4)
    assert whole.dataset_indices([3, 0]).tolist() == [[3, -1], [0, -1]]
    assert whole.rows_of(np.array([[3, -1], [4, -1], [0, 2]])).tolist() == [3, -1, -1]
    tokens = Samples(
        4, item=np.array([0, 0, 1, 1]), token=np.array([0, 2, 0, 1]), dataset_index=np.array([5, 9])
    )
    places = tokens.dataset_indices([1, 2])
    assert places.tolist() == [[5, 2], [9, 0]]
    assert [tokens.dataset_index_of(row) for row in (1, 2)] == [(5, 2), (9, 0)]
    assert tokens.rows_of(places).tolist() == [1, 2]
    assert tokens.rows_of(np.array([[5, 1], [0, 0]])).tolist() == [-1, -1]
    assert tokens.rows_of(np.zeros((0, 2), np.int64)).tolist() == []


def test_the_former_name_of_the_data_sets_index() -> None:
    samples = Samples(2, texts=["a", "b"], dataset_index=np.array([5, 9]))
    with pytest.warns(DeprecationWarning, match=r"Samples\.place .* use Samples\.dataset_index"):
        assert samples.place is samples.dataset_index


def test_texts_keep_their_direction_in_a_cell() -> None:
    made = Samples.of(["القط 1", "the <cat>"], 2)._repr_html_()
    assert "<li><bdi dir='auto'>القط 1</bdi></li>" in made
    assert "<bdi dir='auto'>the &lt;cat&gt;</bdi>" in made
