"""Models that sort the samples of a batch and put them back, or merge them with channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn

import neuronwidgets as nw


class Sorting(nn.Module):
    """Sorts its series by their first number, and puts them back."""

    def __init__(self, select: bool) -> None:
        super().__init__()
        self.select, self.within, self.behind = select, nn.Linear(8, 6), nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        order = x[:, 0, 0].argsort()
        back = order.argsort()
        if self.select:
            return self.behind(self.within(x.index_select(0, order)).index_select(0, back))
        return self.behind(self.within(x[order])[back])


@pytest.mark.parametrize("select", [False, True])
def test_a_model_that_sorts_its_samples(select: bool) -> None:
    torch.manual_seed(0)
    model, x = Sorting(select), torch.randn(12, 5, 8)
    with torch.no_grad():
        own = model.within(x).mean(1)
        behind = model(x).mean(1)
    acts = nw.capture(model, x, "behind", batch_size=4, progress=False)
    np.testing.assert_allclose(acts.values, behind, atol=1e-6)
    # The first batch is in order by chance, the second is not.
    sorted_first = torch.cat([x[:4][x[:4, 0, 0].argsort()], x[4:]])
    for data in (x, sorted_first):
        with pytest.raises((ValueError, nw.CaptureError), match="in another order"):
            nw.capture(model, data, "within", batch_size=4, progress=False)
    alone = nw.capture(model, x, "within", batch_size=1, progress=False)
    np.testing.assert_allclose(alone.values, own, atol=1e-6)
    with nw.mask_neurons(model, "within", [2]), torch.no_grad():
        masked = model(x).mean(1)
    own[:, 2] = 0
    with torch.no_grad():
        np.testing.assert_allclose(masked, model.behind(own), atol=1e-6)


def test_channels_that_are_read_as_samples_are_positions() -> None:
    config = hf.PatchTSTConfig(
        num_input_channels=8, context_length=24, patch_length=4, patch_stride=4, d_model=16,
        num_hidden_layers=2, num_attention_heads=2, ffn_dim=24,
    )  # fmt: skip
    torch.manual_seed(0)
    model, x = hf.PatchTSTModel(config).eval(), torch.randn(5, 24, 8)
    layer = "encoder.layers.1.ff.1"
    kept: list[torch.Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda m, i, out: kept.append(out))
    with torch.no_grad():
        model(x)
    handle.remove()
    expected = kept[0].unflatten(0, (5, 8)).flatten(1, 2)  # samples x (channels, patches) x D
    acts = nw.capture(model, x, layer, "token", batch_size=2, progress=False)
    np.testing.assert_allclose(acts.values, expected.flatten(0, 1), atol=1e-5)
    assert acts.samples.item.tolist() == [i for i in range(5) for _ in range(48)]
