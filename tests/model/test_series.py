"""Lists of series: each is a sample, read as if it were alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

import neuronwidgets as nw

LABELS = ["a", "b", None, "a", "b", "c", "c"]
LENGTHS = [6, 3, 1, 2, 5, 6, 4]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(4, 5, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(self.embed(x)).mean(1)


class Convolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(4, 5, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.transpose(1, 2)).mean(2)


class Rows(Dataset[Any]):
    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Any:
        return self.rows[i]


def alone(model: nn.Module, series: list[torch.Tensor]) -> np.ndarray:
    """The mean over steps of the layer's output for each series, read without others."""
    made = []

    def keep(_module: nn.Module, _args: Any, out: Any) -> None:
        made.append(out[0] if isinstance(out, tuple) else out)

    handle = model.get_submodule("layer").register_forward_hook(keep)
    with torch.no_grad():
        for one in series:
            model.eval()(one[None])
    handle.remove()
    axis = 2 if isinstance(model, Convolution) else 1
    return np.stack([out.mean(axis)[0].numpy() for out in made])


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("kind", [Recurrent, Transformer, Convolution])
def test_each_series_of_a_list_is_a_sample(kind: type[nn.Module], ragged: bool) -> None:
    """Its steps would be the samples, which recurrent layers take without a word."""
    torch.manual_seed(0)
    model = kind()
    series = [torch.randn(n if ragged else 6, 4) for n in LENGTHS]
    expected = alone(model, series)
    arrays = [one.numpy() for one in series]
    held = np.empty(len(series), object)
    held[:] = arrays
    numbers = [0, 1, -1, 0, 1, 2, 2]
    for data, labels in (
        (series, LABELS),
        (arrays, LABELS),
        (held, LABELS),
        (list(zip(series, LABELS, strict=True)), None),
        (((one, label) for one, label in zip(arrays, LABELS, strict=True)), None),
        (Rows(list(zip(series, numbers, strict=True))), None),
        (Rows(list(series)), LABELS),
    ):
        acts = nw.capture(model, data, layer="layer", labels=labels, batch_size=4)
        np.testing.assert_allclose(acts.values, expected, atol=1e-5)
        assert acts.labels is not None
        assert acts.labels.tolist() == numbers
    batches = [one[None] for one in series]
    acts = nw.capture(model, batches, layer="layer")
    np.testing.assert_allclose(acts.values, expected, atol=1e-5)


def test_batches_of_vectors_stay_batches() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    assert len(nw.capture(model, [torch.zeros(5, 4), torch.zeros(2, 4)], layer="1")) == 7


def test_batches_of_series_of_one_number_stay_batches() -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(1, 3, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x[..., None])[0]

    assert len(nw.capture(Single(), [torch.zeros(5, 6), torch.zeros(2, 6)], layer="layer")) == 7


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("layer", ["0", "2"])
def test_series_with_their_features_first_may_have_different_lengths(
    stride: int, layer: str
) -> None:
    """Convolutions read padding: series of one length are read together."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(4, 5, 3, stride, padding=1), nn.ReLU(), nn.Conv1d(5, 6, 2, stride)
    ).eval()
    series = [torch.randn(4, n) for n in (9, 9, 4, 12, 9, 7, 7)]
    with torch.no_grad():
        outputs = [model[: int(layer) + 1](one[None])[0].mean(1) for one in series]
    expected = torch.stack(outputs).numpy()
    arrays = [one.numpy() for one in series]
    pairs = list(zip(series, [0, 1, -1, 0, 1, 2, 2], strict=True))
    for data, labels in (
        (series, LABELS), (arrays, LABELS), (iter(series), LABELS), (pairs, None),
        (Rows(pairs), None), (Rows(list(series)), LABELS),
    ):  # fmt: skip
        acts = nw.capture(model, data, layer=layer, labels=labels, batch_size=4)
        np.testing.assert_allclose(acts.values, expected, atol=1e-5)
        assert acts.labels is not None
        assert acts.labels.tolist() == [0, 1, -1, 0, 1, 2, 2]
