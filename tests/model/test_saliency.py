"""Gradient saliency against closed forms, completeness and finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch import nn
from transformers import GPT2Config, GPT2ForSequenceClassification

import neuronwidgets as nw


class Net(nn.Module):
    """In place after the layer, as torchvision's networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(4, 6)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.hidden(x)))


@pytest.fixture
def case() -> dict[str, Any]:
    torch.manual_seed(0)
    model = Net().train()
    x = torch.randn(40, 4).numpy()
    y = np.arange(40) % 3
    acts = nw.capture(model, x, "hidden", labels=y, progress=False)
    return {"model": model, "x": x, "y": y, "acts": acts}


def test_on_a_relu_both_are_known(case: dict[str, Any]) -> None:
    model, acts = case["model"], case["acts"]
    values = acts.values[case["y"] == 1].astype("f8")
    weight = model.head.weight.detach().double().numpy()[1]
    expected = (np.maximum(values, 0) * weight).mean(0)
    options = {"model": model, "data": case["x"], "batch_size": 7}
    for method in ("gradient", "integrated"):
        found = nw.salient(acts, 1, method, top=2, **options)
        np.testing.assert_allclose(found.scores, expected, atol=1e-6)
        assert found.neurons.tolist() == np.argsort(-expected, kind="stable")[:2].tolist()
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert not model.hidden._forward_hooks


@pytest.mark.parametrize("pooling", ["last", "cls", "mean"])
def test_integrated_gradients_are_complete(pooling: str) -> None:
    torch.manual_seed(0)
    config = GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=50, n_positions=16, num_labels=3,
                        pad_token_id=0)  # fmt: skip
    model = GPT2ForSequenceClassification(config).eval()
    ids = torch.randint(1, 50, (12, 9)).numpy()
    labels = np.arange(12) % 3
    acts = nw.capture(model, ids, "transformer.h.0", pooling, labels=labels, progress=False)
    found = nw.salient(acts, 2, "integrated", model=model, data=ids, batch_size=5)
    mine = torch.as_tensor(ids[labels == 2])

    def silenced(_module: Any, _inputs: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        hidden = hidden.clone()
        where = {"last": slice(-1, None), "cls": slice(0, 1), "mean": slice(None)}[pooling]
        hidden[:, where] = 0
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    with torch.no_grad():
        full = model(input_ids=mine).logits[:, 2]
        handle = model.transformer.h[0].register_forward_hook(silenced)
        without = model(input_ids=mine).logits[:, 2]
        handle.remove()
    lost = float((full - without).mean())
    # A path through a layer norm bends near zero: sixteen points meet it closely, not exactly.
    assert found.scores.sum() == pytest.approx(lost, rel=0.05, abs=2e-3)


def test_the_gradient_is_the_finite_difference() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    x = torch.randn(10, 4).double().numpy()
    acts = nw.capture(model, x, "0", labels=np.zeros(10, int), progress=False)
    scores = nw.salient(acts, 0, "gradient", model=model, data=x, classes=["0", "1"]).scores
    h = torch.tensor(acts.values).double()
    model.requires_grad_(False)
    for j in range(5):
        step = torch.zeros(5).double()
        step[j] = 1e-5
        ends = [model[2](model[1](h + s))[:, 0] for s in (step, -step)]
        slope = (ends[0] - ends[1]) / 2e-5
        assert scores[j] == pytest.approx(float((slope * h[:, j]).mean()), abs=1e-6)


def test_of_a_layer_called_twice_the_captured_call_counts() -> None:
    torch.manual_seed(0)
    shared, head = nn.Linear(4, 4), nn.Linear(4, 2)
    model = nn.Sequential(shared, nn.Tanh(), shared, head)
    x = torch.randn(6, 4).numpy()
    for call, above in ((0, lambda h: head(shared(torch.tanh(h)))), (1, head)):
        acts = nw.capture(model, x, "0", labels=[0] * 6, call=call, progress=False)
        found = nw.salient(acts, 0, "gradient", model=model, data=x).scores
        h = torch.tensor(acts.values).requires_grad_()
        (gradient,) = torch.autograd.grad(above(h)[:, 0].sum(), h)
        np.testing.assert_allclose(found, (gradient * h).detach().mean(0), atol=1e-6)


def test_channels_of_a_convolution() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 2))
    images = np.random.default_rng(0).normal(size=(6, 1, 6, 6)).astype("f4")
    acts = nw.capture(model, images, "0", labels=[0, 1] * 3, progress=False)
    found = nw.salient(acts, 0, "gradient", model=model, data=images)
    assert found.scores.shape == (3,)
    with torch.no_grad():
        logits = model(torch.tensor(images[::2]))[:, 0] - model[3].bias[0]
    assert found.scores.sum() == pytest.approx(float(logits.mean()), abs=1e-5)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "pass model="),
        ({"model": 0}, "pass data="),
        ({"model": 0, "data": np.zeros((3, 4), "f4")}, "one sample for each"),
        ({"model": 0, "data": 1, "classes": ["no"]}, "not among the model's classes"),
        ({"model": 0, "data": 1, "predict": lambda out: out[:, 0]}, "samples x classes"),
        ({"model": 0, "data": 1, "predict": lambda out: out.detach()}, "do not require grad"),
    ],
)
def test_bad_input(case: dict[str, Any], more: dict[str, Any], words: str) -> None:
    if "model" in more:
        more["model"] = case["model"]
    if isinstance(more.get("data"), int):
        more["data"] = case["x"]
    with pytest.raises((ValueError, RuntimeError), match=words):
        nw.salient(case["acts"], 0, "integrated", **more)


@pytest.mark.parametrize(
    "made",
    [
        lambda x: x,
        torch.tensor,
        list,
        sp.csr_matrix,
        sp.coo_matrix,
        lambda x: torch.tensor(x).to_sparse(),
        lambda x: pd.Series(list(x), index=range(len(x), 0, -1)),
    ],
)
def test_data_in_every_form(case: dict[str, Any], made: Any) -> None:
    plain = nw.salient(case["acts"], 1, "gradient", model=case["model"], data=case["x"])
    found = nw.salient(case["acts"], 1, "gradient", model=case["model"], data=made(case["x"]))
    np.testing.assert_allclose(found.scores, plain.scores, atol=1e-7)
