"""Samples and batches that are mappings, for models of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import neuronwidgets as nw


def read(model: nn.Module, data: Any, layer: str) -> Any:
    return nw.capture(model, data, layer, progress=False, batch_size=4)


class Named(Dataset[Any]):
    """Samples that are mappings."""

    def __init__(self, samples: list[dict[str, Any]]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return self.samples[i]


@pytest.mark.parametrize("label", ["label", "target"])
@pytest.mark.parametrize("name", ["image", "x"])
def test_arrays_of_images_in_mappings(name: str, label: str) -> None:
    """Whether or not the model's argument has the name of the column."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())

    class Convolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)

    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
    floats = torch.from_numpy(pixels).movedim(-1, 1).float() / 255
    expected = read(model, floats, "1").values
    kinds: tuple[Any, ...] = (floats,) if name == "x" else (floats, pixels)
    for images in kinds:
        rows = Named([{name: image, label: i % 2} for i, image in enumerate(images)])
        by_loader = images is floats and (name == "x" or label == "label")
        forms: list[Any] = [rows, *([DataLoader(rows, 2)] if by_loader else [])]
        forms += [rows.samples, iter(rows.samples)] if name == "image" else []
        for data in forms:
            acts = read(Convolution(), data, "layer.1")
            np.testing.assert_allclose(acts.values, expected, atol=1e-6)
            assert acts.labels.tolist() == [0, 1, 0, 1, 0]
            assert len(acts.samples.images) == 5


def test_a_model_that_reads_a_mapping_of_one_tensor_gets_it() -> None:
    class ByName(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, inputs: Any) -> torch.Tensor:
            return self.layer(inputs["image"])

    assert read(ByName(), [{"image": torch.zeros(2, 4)}], "layer").shape == (2, 3)


def test_a_mapping_for_a_model_that_reads_none() -> None:
    model = nn.Sequential(nn.Linear(4, 3))
    batch = {"image": torch.zeros(2, 4), "more": torch.zeros(2, 4)}
    with pytest.raises(RuntimeError, match=r"a mapping of 'image', 'more', .* 'input' and the lab"):
        read(model, [batch], "0")


@pytest.mark.parametrize("label", ["label", "y"])
def test_a_mapping_with_one_label_is_one_sample(label: str) -> None:
    """Its rows are not samples, nor are its label's."""
    torch.manual_seed(0)
    flat, maps = nn.Sequential(nn.Linear(4, 3)), nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    classes = ["a", None, "b", "a", "b"]
    for model, x in ((flat, torch.randn(5, 4)), (maps, torch.randn(5, 3, 4))):
        expected = model(x).detach().numpy()
        forms: list[list[Any]] = [list(x), list(x.numpy())]
        for rows in [*forms, x.tolist()] if x.ndim == 2 else forms:
            records = [{"input": row, label: name} for row, name in zip(rows, classes, strict=True)]
            for data in (records, iter(records), Named(records)):
                acts = read(model, data, str(len(model) - 1))
                np.testing.assert_allclose(acts.values, expected, atol=1e-6)
                assert acts.labels.tolist() == [0, -1, 1, 0, 1]
