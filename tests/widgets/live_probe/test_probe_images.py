"""LiveProbe of images."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.live_probe.picture import as_png, opened
from tests.widgets.live_probe.conftest import WAIT, shown

IMAGES = np.random.default_rng(0).integers(0, 255, (40, 6, 6), dtype=np.uint8)


@pytest.fixture
def painted() -> Iterator[nw.LiveProbe]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU())
    made = nw.LiveProbe(nw.capture(model, IMAGES, "1", progress=False), model, 1)
    yield made
    made.close()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_images_are_read(painted: nw.LiveProbe) -> None:
    assert np.array_equal(pixels(painted.image), IMAGES[painted.sample])
    assert painted.result.pooled == pytest.approx(painted.acts.values[painted.sample, 1], rel=1e-5)
    before = painted.result.pooled
    painted.image = np.zeros((6, 6), np.uint8)
    assert painted.wait(WAIT)
    assert painted.result.pooled != before
    assert shown({"_readings": painted._readings})["slots"][0]["grid"] == 6
    painted.comparing = True
    painted.other_image = Image.new("RGB", (30, 20), "red")
    assert painted.wait(WAIT)
    note = shown({"_readings": painted._readings})["slots"][1]["note"]
    assert note == (
        "The image was resized from 30 × 20 to 6 × 6 and made grey, as the data set's are."
    )
    assert pixels(painted.other_image).shape == (6, 6)
    assert painted.other_result is not None
    with pytest.raises(ValueError, match="which have no words"):
        painted.delete_words()


def test_a_file_that_is_no_image_loses_nothing(painted: nw.LiveProbe) -> None:
    before = painted.result
    painted.set_state({"image": memoryview(b"no image")})
    assert painted.status["state"] == "error"
    assert "no image that Pillow can read" in painted.status["text"]
    assert painted.result is before
    painted.set_state({"image": memoryview(as_png(IMAGES[3]))})
    assert painted.wait(WAIT)
    assert painted.status["state"] == "idle"
    assert painted.result is not before


def test_files_become_as_the_data_sets_images() -> None:
    grey, colour = np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.uint8)
    image, note = opened(as_png(np.full((8, 8, 3), 7, np.uint8)), grey)
    assert (image.shape, note) == ((8, 8), "")
    image, note = opened(as_png(np.full((8, 8), 7, np.uint8)), colour)
    assert (image.shape, note) == ((8, 8, 3), "")
    image, note = opened(as_png(np.zeros((40, 3000), np.uint8)), None)
    assert image.shape == (14, 1024, 3)
    assert "from 3000 × 40 to 1024 × 14" in note
    with pytest.raises(ValueError, match="at most 32 MB"):
        opened(b"0" * (1 << 26), None)
