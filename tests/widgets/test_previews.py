"""Samples packed for a view."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from neuronwidgets.activations.samples import Samples
from neuronwidgets.widgets.base.previews import SEGMENTS, TILE, cut_text, pack_previews, plain_text


def opened(atlas: np.ndarray) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(atlas.tobytes())))


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 3), (7, 3)])
def test_small_pictures_come_back_pixel_for_pixel(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(7)]
    tensors, about = pack_previews(Samples(7, images=images), [6, 2, 3], {})
    tile = about["tile"]
    sheet = opened(tensors["atlas"])
    assert tensors["face"].tolist() == [6, 2, 3]
    side, columns = tile["side"], tile["columns"]
    assert side == max(shape[:2])
    for i, row in enumerate([6, 2, 3]):
        y, x = (i // columns) * side, (i % columns) * side
        square = sheet[y : y + side, x : x + side]
        left = (side - shape[1]) // 2
        top = (side - shape[0]) // 2
        inner = square[top : top + shape[0], left : left + shape[1]]
        np.testing.assert_array_equal(inner, images[row])


def test_large_pictures_shrink_and_keep_their_shape() -> None:
    wide = np.zeros((200, 400, 3), np.uint8)
    tensors, about = pack_previews(Samples(1, images=[wide]), [0], {})
    assert about["tile"]["side"] == TILE
    assert opened(tensors["atlas"]).shape == (TILE, TILE, 3)
    assert len(tensors["atlas"]) < 5000


def test_figures_on_black_are_ink() -> None:
    figure = np.zeros((28, 28), np.uint8)
    figure[10:20, 10:20] = 255
    assert pack_previews(Samples(1, images=[figure]), [0], {})[1]["tile"]["ink"] is True
    assert pack_previews(Samples(1, images=[figure]), [0], {})[1]["tile"]["print"] is False
    paper = pack_previews(Samples(1, images=[255 - figure]), [0], {})[1]["tile"]
    assert (paper["ink"], paper["print"]) == (False, True)
    scan = np.zeros((64, 64), np.uint8)
    tile = pack_previews(Samples(1, images=[scan]), [0], {})[1]["tile"]
    assert (tile["ink"], tile["print"]) == (False, False)


def test_an_image_looks_the_same_beside_any_others() -> None:
    """Of ten bags that fill their frame and thirty shoes on black; messages hold some of them."""
    bag, shoe = np.full((28, 28), 90, np.uint8), np.zeros((28, 28), np.uint8)
    shoe[10:20, 10:20] = 200
    samples = Samples(40, images=[bag if i % 4 == 0 else shoe for i in range(40)])
    for rows in ([0, 4, 8], [0, 4, 5], [1, 2, 3], list(range(40))):
        tile = pack_previews(samples, rows, {})[1]["tile"]
        assert (tile["ink"], tile["print"]) == (True, False)


def test_nothing_to_show() -> None:
    tensors, about = pack_previews(Samples(3), [0, 1], {})
    assert about == {"kind": "none"}
    assert len(tensors["face"]) == 0
    assert pack_previews(Samples(3, texts=["a", "b", "c"]), [], {})[1]["kind"] == "text"


def test_a_text_is_cut_at_its_tokens() -> None:
    text = "Hello, big world"
    spans = np.array([[0, 0], [0, 5], [5, 6], [7, 10], [11, 16], [0, 0]], np.int32)
    made = cut_text(text, spans, np.array([9, 1, 0, 3, 2, 9], np.float32))
    assert made.segments == ["Hello", ",", " big", " world"]
    assert made.values == [1, 0, 3, 2]
    assert made.segments[made.peak] == " big"


def test_bytes_of_one_emoji_are_one_segment() -> None:
    spans = np.array([[0, 1], [0, 1], [0, 1], [1, 3]], np.int32)
    made = cut_text("🙂 x", spans, np.array([1, 5, 2, 3], np.float32))
    assert made.segments == ["🙂", " x"]
    assert made.values == [5, 3]
    assert made.peak == 0


def test_a_long_text_is_cut_around_the_peak() -> None:
    words = [f"w{i}" for i in range(500)]
    ends = np.cumsum([len(w) + 1 for w in words]) - 1
    spans = np.stack([ends - [len(w) for w in words], ends], 1).astype(np.int32)
    values = np.zeros(500, np.float32)
    values[300] = 1
    made = cut_text(" ".join(words), spans, values)
    assert made.segments[made.peak] == " w300"
    assert len(made.segments) <= SEGMENTS + 2
    assert made.segments[0] == made.segments[-1] == "…"
    assert len(made.segments) == len(made.values)
    assert made.cut
    whole = cut_text(" ".join(words), spans, values, whole=True)
    assert "".join(whole.segments) == " ".join(words)
    assert (whole.peak, len(whole.values), whole.cut) == (300, 500, False)


def test_a_text_without_tokens_is_cut_at_its_end() -> None:
    samples = Samples(2, texts=["x" * 1000, "short"])
    made = plain_text(samples, 0)
    assert made.cut
    assert len(made.segments[0]) < 500
    whole = plain_text(samples, 0, whole=True)
    assert (whole.segments, whole.cut) == (["x" * 1000], False)
    assert not plain_text(samples, 1).cut
    assert pack_previews(samples, [0, 1], {})[1]["cut"] == [True, False]


def test_fewer_values_than_spans_and_no_tokens_at_all() -> None:
    spans = np.array([[0, 1], [1, 2], [2, 3]], np.int32)
    made = cut_text("abc", spans, np.array([1, 2], np.float32))
    assert "".join(made.segments) == "abc"
    assert made.segments[made.peak] == "b"
    assert cut_text("abc", np.zeros((0, 2), np.int32), np.zeros(0, np.float32)).segments == ["abc"]


def test_a_token_is_its_own_peak() -> None:
    samples = Samples(
        2, texts=["one two"], spans=[np.array([[0, 3], [4, 7]], np.int32)],
        item=np.zeros(2, np.int64), token=np.array([0, 1], np.int32),
    )  # fmt: skip
    made = plain_text(samples, 1)
    assert made.segments[made.peak] == " two"
    assert made.values == []
