"""A single image, and images that are files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from neuronwidgets.data.batches import batches

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "data",
    [RGB, np.dstack([RGB, RGB[..., :1]]), torch.from_numpy(RGB), Image.fromarray(RGB)],
)
def test_a_single_image_is_no_list_of_rows(data: Any) -> None:
    """Its rows would be read as grey images of three columns."""
    with pytest.raises(TypeError, match=r"data is a single image \(.*pass a list of images, \[data"):
        batches(data)
    assert next(batches([data]).batches).inputs.shape == (1, 3, 6, 5)


def test_grey_images_of_three_or_four_columns_are_images() -> None:
    grey = np.arange(36, dtype=np.uint8)
    for shape in ((4, 3, 3), (2, 4, 4), (3, 4, 3)):
        images = grey[: np.prod(shape)].reshape(shape)
        assert next(batches(images).batches).inputs.shape == (shape[0], 1, *shape[1:])
