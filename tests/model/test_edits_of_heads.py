"""Edits of layers whose neurons are spread over several axes, as attention's heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw


class Heads(nn.Module):
    """Attention whose heads are a layer: samples x heads x tokens x dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.qkv = nn.Embedding(9, 12), nn.Linear(12, 36)
        self.heads, self.out = nn.Identity(), nn.Linear(12, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        parts = self.qkv(self.table(ids)).chunk(3, -1)
        parts = [part.unflatten(-1, (3, 4)).transpose(1, 2) for part in parts]
        heads = self.heads(nn.functional.scaled_dot_product_attention(*parts))
        return self.out(heads.transpose(1, 2).flatten(2)).mean(1)


@pytest.fixture
def model() -> Heads:
    torch.manual_seed(0)
    return Heads().eval()


def by_hand(model: Heads, ids: torch.Tensor, edit: Any) -> torch.Tensor:
    """The model's output with `edit(values)` as the layer's `B x T x 12`."""

    def hook(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        values = edit(output.transpose(1, 2).flatten(2).clone())
        return values.unflatten(2, (3, 4)).transpose(1, 2)

    handle = model.heads.register_forward_hook(hook)
    with torch.no_grad():
        output: torch.Tensor = model(ids)
    handle.remove()
    return output


# Twelve tokens are as many as the neurons: neither are they taken for these.
@pytest.mark.parametrize("length", [5, 12])
def test_masks(model: Heads, length: int) -> None:
    ids = torch.randint(1, 9, (40, length))
    labels = [int(row[0] > 4) for row in ids]
    acts = nw.capture(model, ids[:20], "heads", labels=labels[:20], progress=False)
    ranges = nw.ranges(acts)
    with nw.mask_range(model, ranges, label="1", tau=1.0, top=2) as mask, torch.no_grad():
        masked = model(ids)

    assert mask.value is not None
    value = mask.value

    def in_range(values: torch.Tensor) -> torch.Tensor:
        for i, neuron in enumerate(mask.neurons):
            column = values[..., neuron]
            column[(column >= mask.low[i, 0]) & (column <= mask.high[i, 0])] = value[i]
        return values

    torch.testing.assert_close(masked, by_hand(model, ids, in_range))
    given: dict[str, Any] = {"labels": labels[20:], "progress": False, "tau": 1.0, "top": 2}
    report = nw.evaluate_masks(model, ids[20:], ranges, **given)
    assert report.resumed
    expected = masked[20:].softmax(-1).numpy()[np.arange(20), labels[20:]]
    # The base pass, the range mask of label 0, that of label 1.
    np.testing.assert_allclose(report.confidence[2], expected, atol=1e-6)


def test_a_neuron_at_a_token(model: Heads) -> None:
    ids = torch.randint(1, 9, (4, 5))
    with nw.mask_neurons(model, "heads", [7], positions=-1), torch.no_grad():
        masked = model(ids)

    def last(values: torch.Tensor) -> torch.Tensor:
        values[:, -1, 7] = 0
        return values

    torch.testing.assert_close(masked, by_hand(model, ids, last))


def test_a_direction(model: Heads) -> None:
    ids = torch.randint(1, 9, (4, 5))
    direction = torch.randn(12)
    direction /= direction.norm()
    with nw.ablate(model, "heads", direction.numpy()), torch.no_grad():
        ablated = model(ids)
    without = by_hand(model, ids, lambda v: v - (v @ direction)[..., None] * direction)
    torch.testing.assert_close(ablated, without)
