"""Ready batches of models of one's own: which part is an input, a label, or says what is padding.

Each sample is compared with the model's answer to it alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, TensorDataset

import neuronwidgets as nw

IDS = [[1, 2, 3], [4, 5, 6, 7, 8], [9], [2, 2, 2, 3], [19, 18, 17, 16, 15, 14]]
ROWS = [torch.tensor(row) for row in IDS]
PAD = pad_sequence(ROWS, True)
MASK = PAD != 0
LENGTHS = MASK.sum(1)
Y = torch.tensor([1, 0, 2, 1, 0])


class OfMask(nn.Module):
    """A transformer that must have a mask, true at tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.layer = nn.TransformerEncoderLayer(6, 2, 12, 0.0, batch_first=True)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.layer(self.embed(x), src_key_padding_mask=~mask.bool())


class OfPaddingMask(OfMask):
    """One that may have a mask, true at padding."""

    def forward(self, x: torch.Tensor, padding_mask: torch.Tensor | None = None) -> torch.Tensor:
        return self.layer(self.embed(x), src_key_padding_mask=padding_mask)


class OfIds(OfMask):
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return self.layer(self.embed(x))


class OfLengths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.rnn = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.layer = nn.Linear(10, 4)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        steps = self.embed(x) if x.ndim == 2 else x
        packed = pack_padded_sequence(steps, lengths, batch_first=True, enforce_sorted=False)
        return self.layer(pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0])


def alone(model: nn.Module, *beside: Any, rows: list[torch.Tensor] = ROWS) -> np.ndarray:
    """The mean over the steps of each sample, read without others."""
    made = []
    with torch.no_grad():
        for row in rows:
            told = [part(row[None]) for part in beside]
            made.append(model.eval()(row[None], *told)[0].mean(0).numpy())
    return np.stack(made)


def ones(x: torch.Tensor) -> torch.Tensor:
    return torch.ones(x.shape[:2], dtype=torch.bool)


def length(x: torch.Tensor) -> torch.Tensor:
    return torch.tensor([x.shape[1]])


@pytest.mark.parametrize(
    "batch",
    [
        (PAD, MASK, Y),
        (PAD, MASK.long(), Y.tolist()),
        ((PAD, MASK), Y),
        {"x": PAD, "mask": MASK, "label": Y},
        {"x": PAD, "mask": MASK, "target": Y},
    ],
)
@pytest.mark.parametrize("kind", [OfMask, OfPaddingMask, OfIds])
def test_a_mask_is_no_label_and_padding_does_not_count(kind: type[OfMask], batch: Any) -> None:
    torch.manual_seed(0)
    model = kind()
    acts = nw.capture(model, [batch], layer="layer")
    expected = alone(model, *([ones] if kind is OfMask else []))
    np.testing.assert_allclose(acts.values, expected, atol=1e-5)
    assert acts.labels is not None
    assert [acts.label_names[i] for i in acts.labels] == ["1", "0", "2", "1", "0"]


def test_a_mask_or_lengths_alone() -> None:
    torch.manual_seed(0)
    for model, told in ((OfMask(), [ones]), (OfIds(), []), (OfPaddingMask(), [])):
        for batch in ((PAD, MASK), (PAD, MASK.long()), {"x": PAD, "mask": MASK}):
            acts = nw.capture(model, [batch], layer="layer")
            np.testing.assert_allclose(acts.values, alone(model, *told), atol=1e-5)
            assert acts.labels is None
    turned = nw.capture(model := OfPaddingMask(), [(PAD, ~MASK)], layer="layer")
    np.testing.assert_allclose(turned.values, alone(model), atol=1e-5)
    acts = nw.capture(model := OfIds(), [(PAD, LENGTHS)], layer="layer")
    np.testing.assert_allclose(acts.values, alone(model), atol=1e-5)
    assert acts.labels is None


@pytest.mark.parametrize("series", [False, True])
def test_lengths_are_no_labels(series: bool) -> None:
    torch.manual_seed(0)
    rows = [torch.randn(len(row), 6) for row in ROWS] if series else ROWS
    padded = pad_sequence(rows, True)
    model = OfLengths()
    expected = alone(model, length, rows=rows)
    for batch in (
        (padded, LENGTHS),
        (padded, LENGTHS, Y),
        ((padded, LENGTHS), Y),
        {"x": padded, "lengths": LENGTHS, "label": Y},
        {"x": padded, "lengths": LENGTHS.tolist(), "y": Y},
    ):
        acts = nw.capture(model, [batch], layer="layer")
        np.testing.assert_allclose(acts.values, expected, atol=1e-5)
        has_labels = isinstance(batch, dict) or batch[-1] is Y
        assert (acts.labels is not None) == has_labels
    with pytest.raises(ValueError, match="'rnn' returns a PackedSequence, whose rows mix samples"):
        nw.capture(model, [(padded, LENGTHS)], layer="rnn")


def test_series_and_lengths_of_a_model_that_takes_no_lengths() -> None:
    torch.manual_seed(0)
    rows = [torch.randn(len(row), 6) for row in ROWS]
    padded = pad_sequence(rows, True)
    model = nn.Sequential(nn.TransformerEncoderLayer(6, 2, 12, 0.0, batch_first=True))
    for batch in ((padded, LENGTHS), (padded, MASK), ((padded, ~MASK), Y), (padded, LENGTHS, Y)):
        acts = nw.capture(model, [batch], layer="0")
        np.testing.assert_allclose(acts.values, alone(model, rows=rows), atol=1e-5)


def test_classes_that_could_be_lengths_are_labels() -> None:
    """They are not where the padding ends."""
    model = OfIds()
    for labels in (torch.tensor([3, 5, 2, 4, 6]), torch.tensor([1, 1, 1, 1, 1])):
        acts = nw.capture(model, [(PAD, labels)], layer="layer")
        assert acts.labels is not None
        assert [int(acts.label_names[i]) for i in acts.labels] == labels.tolist()


def test_two_towers_have_two_inputs() -> None:
    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(4, 3), nn.Linear(2, 3)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return (self.left(x) * self.right(y)).sum(1)

    torch.manual_seed(0)
    model, x, y = Towers(), torch.randn(5, 4), torch.randn(5, 2)
    expected = model.right(y).detach().numpy()
    for batch, labelled in (
        ((x, y), False),
        ({"x": x, "y": y}, False),
        ((x, y, Y), True),
        (((x, y), Y), True),
        ({"x": x, "y": y, "label": Y}, True),
    ):
        acts = nw.capture(model, [batch], layer="right")
        np.testing.assert_allclose(acts.values, expected, atol=1e-6)
        assert (acts.labels is not None) == labelled


def test_the_padding_token_of_a_models_own_embedding() -> None:
    torch.manual_seed(0)
    model = OfIds()
    model.embed = nn.Embedding(20, 6, padding_idx=0)
    expected = alone(model)
    for data in (PAD, PAD.numpy(), [PAD], [(PAD, Y)], [{"x": PAD}]):
        acts = nw.capture(model, data, layer="layer")
        np.testing.assert_allclose(acts.values, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("form", "second"),
    [
        *[(form, "numbers") for form in ("list", "data set", "loader", "batch")],
        *[(form, "matrices") for form in ("data set", "loader", "batch")],
    ],
)
def test_pairs_for_a_model_that_needs_two_inputs(form: str, second: str) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            times = other[:, None, None] if other.ndim == 1 else other
            return self.read(times @ x if times.shape[-1] > 1 else times * x)

    x = torch.randn(6, 5, 4)
    other = torch.rand(6) if second == "numbers" else torch.rand(6, 5, 5)
    model = Two()
    with torch.no_grad():
        expected = model(x, other).mean(1)
    data: Any = TensorDataset(x, other)
    data = {
        "list": list(data),
        "data set": data,
        "loader": DataLoader(data, batch_size=4),
        "batch": [(x, other)],
    }[form]
    acts = nw.capture(model, data, "read", batch_size=3, progress=False)
    assert acts.labels is None
    np.testing.assert_allclose(acts.values, expected, atol=1e-6)
