"""Pictures that a model is given: on one scale, whatever a sample's own values are."""

from __future__ import annotations

import io
from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset, TensorDataset
from transformers import (
    CLIPImageProcessor,
    PreTrainedTokenizerBase,
    VisionTextDualEncoderProcessor,
)

from neuronwidgets import Samples
from neuronwidgets.data.batches import batches
from neuronwidgets.display.image import picture, upright

RNG = np.random.default_rng(0)
DARK = RNG.integers(900, 1100, (6, 5)).astype(np.uint16)
BRIGHT = RNG.integers(0, 65536, (6, 5)).astype(np.uint16)
DEEP = np.stack([DARK, BRIGHT, np.zeros_like(DARK), np.full_like(DARK, 65535)])
GREY = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)
PROCESSOR = CLIPImageProcessor(
    size={"height": 6, "width": 5}, do_resize=False, do_center_crop=False, do_normalize=False
)


def given(data: Any, **options: Any) -> torch.Tensor:
    """What the model gets."""
    made = [batch.inputs for batch in batches(data, **({"batch_size": 3} | options)).batches]
    return torch.cat([m["pixel_values"] if isinstance(m, dict) else m for m in made])


def shares(values: np.ndarray, most: float) -> torch.Tensor:
    return torch.tensor(values[:, None].astype(np.float64) / most).float()


@pytest.mark.parametrize(
    "data",
    [
        DEEP,
        DEEP.astype(">u2"),
        list(DEEP),
        torch.tensor(DEEP),
        list(torch.tensor(DEEP)[:, None]),
        DEEP[:, None],
        DEEP[..., None],
        TensorDataset(torch.tensor(DEEP)),
        [Image.fromarray(image) for image in DEEP],
        [Image.fromarray(image.astype(np.int32)) for image in DEEP],
        [Image.frombytes("I;16B", (5, 6), image.astype(">u2").tobytes()) for image in DEEP],
    ],
)
def test_sixteen_bits_are_shares_of_65535(data: Any) -> None:
    torch.testing.assert_close(given(data), shares(DEEP, 65535))


def test_sixteen_bits_in_colour() -> None:
    deep = RNG.integers(0, 65536, (3, 6, 5, 3)).astype(np.uint16)
    expected = torch.tensor(np.moveaxis(deep, -1, 1).astype(np.float64) / 65535).float()
    for data in (deep, list(deep), np.moveaxis(deep, -1, 1)):
        torch.testing.assert_close(given(data), expected)


def test_a_dark_picture_stays_dark_whatever_is_beside_it() -> None:
    alone = given([Image.fromarray(DARK)])
    beside = given([Image.fromarray(DARK), Image.fromarray(BRIGHT)])
    assert torch.equal(alone[0], beside[0])
    assert alone.max() < 0.02
    # What is shown is stretched.
    (batch,) = batches([Image.fromarray(DARK)]).batches
    assert (batch.images[0].min(), batch.images[0].max()) == (0, 255)


def test_floats_of_pil_are_given_as_they_are_if_they_are_shares() -> None:
    floats = RNG.random((3, 6, 5)).astype(np.float32) / 2
    data = [Image.fromarray(image) for image in floats]
    torch.testing.assert_close(given(data), torch.tensor(floats[:, None]))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_arrays_of_floats_are_given_as_they_are(dtype: Any) -> None:
    floats = (RNG.random((3, 1, 6, 5)) * 9 - 4).astype(dtype)
    for data in (floats, list(floats), torch.tensor(floats)):
        assert torch.equal(given(data), torch.tensor(floats))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (
            np.float32([[0, 1.5]]),
            r"sample 4 .*floats \(mode F\), and its values reach from 0 to 1.5",
        ),
        (
            np.float32([[-0.5, 1]]),
            r"sample 4 .*reach from -0.5 to 1. Its values must be from 0 to 1",
        ),
        (np.float32([[np.nan, 1]]), "sample 4 .*1 of its pixels are NaN"),
        (np.float32([[np.inf, 1]]), "sample 4 .*reach from 0 to inf"),
        (np.int32([[0, 70000]]), r"sample 4 .*32 bits \(mode I\).*70000|7e\+04"),
        (np.int32([[-1, 7]]), "sample 4 .*reach from -1 to 7. Its values must be from 0 to 65,535"),
    ],
)
def test_pictures_without_a_scale_are_refused_by_name(pixels: np.ndarray, message: str) -> None:
    fine = [Image.fromarray(np.zeros((1, 2), np.float32))] * 4
    with pytest.raises(ValueError, match=rf"(?s){message}"):
        given([*fine, Image.fromarray(pixels)])
    # Another scale is the user's to choose, and anything can be shown.
    data = [*fine, Image.fromarray(pixels)]
    assert given(data, transform=lambda images: torch.zeros(len(images), 2)).shape == (5, 2)


@pytest.mark.parametrize("other", [GREY.astype(np.float32), GREY.astype(np.int64)])
def test_other_arrays_among_images_are_refused_by_name(other: np.ndarray) -> None:
    with pytest.raises(TypeError, match=rf"sample 1 is an array of {other.dtype} among images"):
        given([GREY, other])


def test_masked_pixels_are_refused() -> None:
    masked = np.ma.array(np.stack([GREY] * 4))
    masked[2, 4, 3] = np.ma.masked
    for data in (masked, list(masked)):
        with pytest.raises(
            ValueError, match=r"sample 2 is masked at (pixel 4, 3|sample 4, neuron 3)"
        ):
            given(data)
    assert picture(masked[2])[4, 3] == 0


@pytest.mark.parametrize(
    "data",
    [
        np.stack([GREY > 99] * 2),
        [GREY > 99] * 2,
        torch.tensor(GREY > 99).repeat(2, 1, 1),
        [Image.fromarray(GREY > 99)] * 2,
    ],
)
def test_black_and_white_are_0_and_1(data: Any) -> None:
    torch.testing.assert_close(given(data), shares(np.stack([GREY > 99] * 2), 1))


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "CMYK", "YCbCr", "HSV"])
def test_other_modes_are_brought_to_colours(mode: str) -> None:
    image = Image.fromarray(RGB).convert("L" if mode == "LA" else "RGB").convert(mode)
    expected = np.moveaxis(np.asarray(image.convert("RGB"))[None], -1, 1) / np.float32(255)
    torch.testing.assert_close(given([image]), torch.tensor(expected))


@pytest.mark.parametrize("batch_size", [1, 2, 9])
def test_grey_among_coloured_is_brought_to_colours_in_every_batch(batch_size: int) -> None:
    grey = np.repeat(GREY[..., None], 3, axis=2)
    expected = np.moveaxis(np.stack([grey, RGB, grey]), -1, 1) / np.float32(255)
    for data in (
        [Image.fromarray(GREY), Image.fromarray(RGB), Image.fromarray(GREY)],
        [GREY, RGB, GREY],
        [(GREY, 0), (RGB, 1), (Image.fromarray(GREY), 0)],
    ):
        made = given(data, batch_size=batch_size)
        torch.testing.assert_close(made, torch.tensor(expected))


def test_an_image_processor_is_given_bytes_of_the_same_scale() -> None:
    found = given(list(DEEP), processor=PROCESSOR)
    expected = torch.tensor(np.round(DEEP / 257) / 255).float()
    torch.testing.assert_close(found, expected[:, None].expand(-1, 3, -1, -1))
    halves = [Image.fromarray(np.full((6, 5), 0.5, np.float32))]
    torch.testing.assert_close(
        given(halves, processor=PROCESSOR)[0, 0, 0, 0], torch.tensor(128 / 255)
    )


def test_floats_are_not_given_past_an_image_processor(
    bert_tokenizer: PreTrainedTokenizerBase,
) -> None:
    floats = RNG.random((2, 3, 6, 5)).astype(np.float32)
    both = VisionTextDualEncoderProcessor(PROCESSOR, bert_tokenizer)
    for processor in (PROCESSOR, both):
        for data in (floats, list(floats)):
            with pytest.raises(ValueError, match=r"images of float32.*image processor.*astype"):
                given(data, processor=processor)
    assert given(floats, processor=bert_tokenizer).shape == (2, 3, 6, 5)
    with pytest.raises(
        ValueError, match=r"data holds images, and tokenizer= is a .*prepares texts"
    ):
        given(RGB[None], processor=bert_tokenizer)


def turned(orientation: int, kind: str = "PNG") -> tuple[Image.Image, np.ndarray]:
    """A picture as a file says that it was taken, and what a person is to see."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, kind, exif=exif)
    seen = {1: RGB, 3: RGB[::-1, ::-1], 6: np.rot90(RGB, -1), 8: np.rot90(RGB)}[orientation]
    image = Image.open(file)
    image.info["file"] = file.getvalue()
    return image, seen


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_pictures_are_upright_for_models_and_people(orientation: int) -> None:
    image, seen = turned(orientation)
    expected = torch.tensor(np.moveaxis(seen[None], -1, 1) / np.float32(255))
    (batch,) = batches([image]).batches
    torch.testing.assert_close(batch.inputs, expected)
    np.testing.assert_array_equal(batch.images[0], seen)
    np.testing.assert_array_equal(Samples.of([image], 1).images[0], seen)
    transformed: list[Any] = []
    given([image], transform=lambda images: transformed.extend(images) or torch.zeros(1, 1))
    np.testing.assert_array_equal(np.asarray(transformed[0]), seen)
    rows = {"image": [{"bytes": image.info["file"], "path": None}]}
    data = hf.Dataset.from_dict(rows, hf.Features({"image": hf.Image()}))
    torch.testing.assert_close(given(data), expected)


def test_a_picture_that_is_upright_stays_itself() -> None:
    for image in (turned(1)[0], Image.fromarray(RGB)):
        assert upright(image) is image
    damaged = Image.fromarray(RGB)
    damaged.info["exif"] = b"Exif\x00\x00nothing of a TIFF"
    assert upright(damaged) is damaged


def test_sixteen_bit_ids_are_still_ids() -> None:
    ids = RNG.integers(0, 60000, (3, 7)).astype(np.uint16)
    assert given(ids).tolist() == ids.tolist()


def test_bytes_that_come_in_ready_batches_stay_batches() -> None:
    for shape in ((4, 6, 5), (4, 6)):
        ready = [torch.zeros(*shape, dtype=torch.uint8)] * 2
        assert [b.size for b in batches(ready).batches] == [4, 4]


class Folder(Dataset[Any]):
    """A data set of one's own, whose samples are mappings."""

    def __init__(self, column: str) -> None:
        self.column = column

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {self.column: Image.fromarray(np.roll(RGB, i, 0)), "label": "ab"[i % 2]}


@pytest.mark.parametrize("column", ["image", "img"])
def test_samples_that_are_mappings_of_a_picture_and_a_label(column: str) -> None:
    folder = Folder(column)
    expected = given([folder[i][column] for i in range(4)], processor=PROCESSOR)
    forms = folder, [folder[i] for i in range(4)], (folder[i] for i in range(4))
    for data in (*forms, Subset(folder, [0, 1, 2, 3])):
        made = list(batches(data, batch_size=3, processor=PROCESSOR).batches)
        torch.testing.assert_close(torch.cat([b.inputs["pixel_values"] for b in made]), expected)
        assert [label for b in made for label in b.labels or ()] == ["a", "b", "a", "b"]
