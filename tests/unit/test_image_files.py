"""A single image, and images that are files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from neuronwidgets.data.batches import batches

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "data",
    [RGB, np.dstack([RGB, RGB[..., :1]]), torch.from_numpy(RGB), Image.fromarray(RGB)],
)
def test_a_single_image_is_no_list_of_rows(data: Any) -> None:
    """Its rows would be read as grey images of three columns."""
    with pytest.raises(TypeError, match=r"data is a single image \(.*pass a list of images"):
        batches(data)
    assert next(batches([data]).batches).inputs.shape == (1, 3, 6, 5)


def test_grey_images_of_three_or_four_columns_are_images() -> None:
    grey = np.arange(36, dtype=np.uint8)
    for shape in ((4, 3, 3), (2, 4, 4), (3, 4, 3)):
        images = grey[: np.prod(shape)].reshape(shape)
        assert next(batches(images).batches).inputs.shape == (shape[0], 1, *shape[1:])


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Five images in colour, the second of them grey."""
    paths = [tmp_path / f"{i}.{end}" for i, end in enumerate(("png", "BMP", "tiff", "ppm", "png"))]
    for i, path in enumerate(paths):
        Image.fromarray(np.roll(RGB, i, 0)).convert("L" if i == 1 else "RGB").save(path)
    return paths


class Folder(Dataset[Any]):
    def __init__(self, samples: list[Any]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> Any:
        return self.samples[i]


def test_paths_of_images_are_opened(files: list[Path]) -> None:
    images = [Image.open(path) for path in files]
    expected = [batch.inputs for batch in batches(images, batch_size=2).batches]
    labels = ["a", "b", None, "a", "c"]
    names = [str(path) for path in files]
    for data, has_labels in (
        (files, False),
        (names, False),
        (np.array(names), False),
        (list(zip(names, labels, strict=True)), True),
        ([{"path": path, "label": y} for path, y in zip(names, labels, strict=True)], True),
        ([{"label": y, "image": path} for path, y in zip(names, labels, strict=True)], True),
    ):
        made = list(batches(data, batch_size=2).batches)
        for batch, inputs in zip(made, expected, strict=True):
            torch.testing.assert_close(batch.inputs, inputs)
        assert [len(batch.images) for batch in made] == [2, 2, 1]
        if has_labels:
            assert [label for batch in made for label in batch.labels or ()] == labels
    one = next(batches(Folder([(names[0], 1)] * 2)).batches)
    torch.testing.assert_close(one.inputs, expected[0][:1].repeat(2, 1, 1, 1))
    assert list(one.labels or ()) == [1, 1]


def test_paths_of_a_data_set_are_opened(files: list[Path]) -> None:
    rows = hf.Dataset.from_dict({"image": list(map(str, files))[2:4], "label": ["x", "y"]})
    batch = next(batches(rows).batches)
    torch.testing.assert_close(batch.inputs, next(batches(files[2:4]).batches).inputs)
    assert list(batch.labels or ()) == ["x", "y"]


def test_paths_that_are_no_images_are_named(
    files: list[Path], bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    with pytest.raises(FileNotFoundError, match=r"sample 1 of data is .*missing\.png.*seen from"):
        list(batches([str(files[0]), "missing.png"]).batches)
    files[2].write_text("no image")
    with pytest.raises(ValueError, match=r"sample 2 of data, .*, is no image"):
        list(batches(files).batches)
    with pytest.raises(TypeError, match="sample 1 of data is 'a text', unlike the first one"):
        list(batches([files[0], "a text"]).batches)
    # With a tokenizer they are texts.
    assert next(batches(["a.png", "b.png"], processor=bert_tokenizer).batches).texts[0] == "a.png"
