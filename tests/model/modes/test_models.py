"""Settings of a notebook and models: bundled ones, under autocast, made in inference mode."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw

BLOCK = "transformer.h.1"
OPTIONS: dict[str, Any] = {"progress": False}


@pytest.fixture(scope="module")
def made_within() -> SimpleNamespace:
    """A model and data that were made in inference mode, and the same made outside."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 12), nn.ReLU(inplace=True), nn.BatchNorm1d(12),
                        nn.Linear(12, 2)).eval()  # fmt: skip
    rows = torch.randn(40, 6)
    with torch.inference_mode():
        within = nn.Sequential(nn.Linear(6, 12), nn.ReLU(inplace=True), nn.BatchNorm1d(12),
                               nn.Linear(12, 2)).eval()  # fmt: skip
        within.load_state_dict(net.state_dict())
        batches = [rows[:25] + 0, rows[25:] + 0]
    assert all(p.is_inference() for p in within.parameters())
    return SimpleNamespace(net=net, rows=rows, within=within, batches=batches)


def jobs_of(net: nn.Module, data: Any, rows: torch.Tensor) -> Any:
    labels = ["a", "b"] * 20
    acts = nw.capture(net, data, "1", labels=labels, **OPTIONS)
    source: dict[str, Any] = {"model": net, "data": rows, "classes": ["a", "b"]}
    with nw.mask_neurons(net, nw.ranges(acts), "a", 3), torch.no_grad():
        masked = net(rows)
    return [
        acts, masked,
        nw.capture(net, data, "1", collect=[nw.Moments(), nw.Top(3)], **OPTIONS).results,
        [nw.salient(acts, "a", method, **source).scores for method in ("gradient", "integrated")],
        nw.split(acts, 2, top=20, method="attribution", model=net, below="0", data=rows).points,
        nw.evaluate_masks(net, rows, nw.ranges(acts), labels=labels, classes=["a", "b"],
                          **OPTIONS).confidence,
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["inference_mode", "autocast", "strict", "loose"], indirect=True)
def test_bundled_models_of_texts_load_as_ever(mode: Any) -> None:
    with mode.enter():
        made = [nw.datasets.topics(), nw.datasets.stories()]
    models = [made[0].model, made[0].lm, made[1].model]
    for model in models:
        for tensor in model.parameters():
            assert (tensor.dtype, tensor.device.type) == (torch.float32, "cpu")
            assert not tensor.is_inference()


def test_activations_under_autocast_are_float32_and_near(world: SimpleNamespace) -> None:
    data, layer = world.texts, [BLOCK, f"{BLOCK}.mlp.act"]
    options: dict[str, Any] = {"tokenizer": world.tokenizer, **OPTIONS}
    plain_acts = nw.capture(world.gpt, data, layer, "token", **options)
    with torch.autocast("cpu", torch.bfloat16):
        acts = nw.capture(world.gpt, data, layer, "token", **options)
        assert acts[BLOCK].tokens is not None
        tokens = acts[BLOCK].tokens([0], np.eye(16)[3])
    for name in layer:
        found, expected = acts[name].values, plain_acts[name].values
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())
        assert not np.array_equal(found, expected)
    assert tokens[0].dtype == np.float32


@pytest.mark.parametrize("inside", [True, False])
def test_models_and_data_that_were_made_in_inference_mode(
    made_within: SimpleNamespace, plain: Any, compare: Any, inside: bool
) -> None:
    w = made_within
    expected = plain(jobs_of(w.net, [w.rows[:25], w.rows[25:]], w.rows))
    with torch.inference_mode(inside):
        found = jobs_of(w.within, w.batches, torch.cat(w.batches))
    compare(plain(found), expected, rough=False)
    explorer = nw.RangeExplorer(found[0], neuron=2, model=w.within, data=w.rows,
                                labels=["a", "b"] * 20, classes=["a", "b"])  # fmt: skip
    explorer.wait(30)
    assert explorer.status["state"] != "error", explorer.status
    explorer.close()
