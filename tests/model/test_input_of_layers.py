"""Layers read at their inputs, against forward pre-hooks of plain PyTorch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

import neuronwidgets as nw
from neuronwidgets.concepts.methods.contributions import contributions
from neuronwidgets.models.hooks import TruncatedForward

LAYER, WIDE = "model.layers.1.mlp.down_proj", 24
SIZES = {
    "vocab_size": 40, "hidden_size": 16, "intermediate_size": WIDE, "num_hidden_layers": 3,
    "num_attention_heads": 2, "max_position_embeddings": 32, "pad_token_id": 1, "num_labels": 3,
    "bos_token_id": 2, "eos_token_id": 3,
}  # fmt: skip
IDS = np.random.default_rng(0).integers(5, 40, (12, 7))
LABELS = [("odd", "even")[i % 2] for i in range(12)]
Edit = Callable[[torch.Tensor], torch.Tensor]


def made(kind: Any) -> Any:
    torch.manual_seed(0)
    return kind(LlamaConfig(**SIZES)).eval()


@pytest.fixture(scope="module")
def llama() -> Any:
    return made(LlamaForCausalLM)


@pytest.fixture(scope="module")
def classifier() -> Any:
    return made(LlamaForSequenceClassification)


def argument(by_hand: Any, model: nn.Module, layer: str, ids: Any) -> torch.Tensor:
    with by_hand(model, layer) as kept:
        model(input_ids=torch.as_tensor(ids))
    return kept[0]


def read(model: nn.Module, layer: Any = LAYER, pooling: str = "token", **options: Any) -> Any:
    options = {"at": "input", "progress": False, "first": True, "batch_size": 5} | options
    return nw.capture(model, options.pop("data", IDS), layer, pooling, **options)


# Capture


def test_a_capture_is_the_argument_of_a_pre_hook(llama: Any, by_hand: Any) -> None:
    expected = argument(by_hand, llama, LAYER, IDS)
    acts = read(llama)
    np.testing.assert_allclose(acts.values, expected.flatten(0, 1), atol=1e-6)
    assert (acts.at, acts.layer, acts.shape) == ("input", LAYER, (12 * 7, WIDE))
    np.testing.assert_allclose(read(llama, pooling="mean").values, expected.mean(1), atol=1e-6)
    mlp = llama.model.layers[1].mlp
    x = argument(by_hand, llama, "model.layers.1.mlp", IDS)
    with torch.no_grad():
        product = mlp.act_fn(mlp.gate_proj(x)) * mlp.up_proj(x)
    np.testing.assert_allclose(acts.values, product.flatten(0, 1), atol=1e-6)
    output = read(llama, at="output")
    assert (output.at, output.shape) == ("output", (12 * 7, 16))
    assert read(llama, "model.layers.1", at="output").at == nw.Activations.from_arrays(IDS).at
    assert "at='input'" in repr(acts)
    assert "at=" not in repr(output)
    assert "(its input)" in acts._repr_html_()


def test_several_layers_in_one_pass(llama: Any, by_hand: Any) -> None:
    layers = ["model.layers.0.mlp.down_proj", LAYER, "model.layers.2.self_attn.o_proj"]
    for name, acts in read(llama, layers).items():
        expected = argument(by_hand, llama, name, IDS).flatten(0, 1)
        np.testing.assert_allclose(acts.values, expected, atol=1e-6)
        assert acts.at == "input"


@pytest.mark.parametrize("layer", ["0", "1", "2"])
def test_convolutions_and_in_place_layers(layer: str, by_hand: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3)).eval()
    images = torch.rand(4, 3, 8, 8)
    with by_hand(model, layer) as kept:
        model(images)
    for which in (layer, ["0", "1", "2"]):
        acts = read(model, which, "mean", data=images.numpy())
        acts = acts if isinstance(which, str) else acts[layer]
        np.testing.assert_allclose(acts.values, kept[0].mean((2, 3)), atol=1e-6)


def test_the_pass_ends_before_the_layer(llama: Any) -> None:
    ran: list[str] = []
    handles = [
        part.register_forward_hook(lambda m, i, o, name=name: ran.append(name))
        for name, part in llama.named_modules()
    ]
    read(llama, data=IDS[:4])
    ran.clear()
    TruncatedForward(llama, {LAYER: llama.get_submodule(LAYER)}, at="input")(
        {"input_ids": torch.as_tensor(IDS)}, lambda name, tensor: ran.append(f"took {name}")
    )
    for handle in handles:
        handle.remove()
    assert ran[-1] == f"took {LAYER}"
    assert "model.layers.1.mlp.up_proj" in ran
    assert not {LAYER, "model.layers.1.mlp", "lm_head"} & set(ran)
    assert not any(part._forward_pre_hooks for part in llama.modules())


def test_padding_on_the_left_changes_nothing(llama: Any, by_hand: Any) -> None:
    rows = [IDS[0, :3].tolist(), IDS[1].tolist(), IDS[2, :5].tolist()]
    ids = torch.tensor([[1] * (7 - len(row)) + row for row in rows])
    mask = (ids != 1).long()
    acts = read(llama, data=[{"input_ids": ids, "attention_mask": mask}])
    alone = [argument(by_hand, llama, LAYER, [row])[0] for row in rows]
    np.testing.assert_allclose(acts.values, torch.cat(alone), atol=1e-5)


class Called(nn.Module):
    """Calls its layer by keywords, twice, or without a tensor."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.first, self.layer = how, nn.Linear(4, 6), Scaled()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.first(x)
        if self.how == "keyword":
            return self.layer(scale=2.0, h=h, shift=h + 1)
        if self.how == "second":
            return self.layer(3.0, h, h * 5)
        if self.how == "twice":
            return self.layer(1.0, self.layer(1.0, h, h), h)
        return self.layer([h], None, None)


class Scaled(nn.Module):
    def forward(self, scale: Any, h: Any, shift: Any) -> torch.Tensor:
        out: torch.Tensor = scale[0] if h is None else h * scale + shift
        return out


X = np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32)


@pytest.mark.parametrize("how", ["keyword", "second"])
def test_the_first_tensor_argument_counts(how: str) -> None:
    model = Called(how)
    h = model.first(torch.tensor(X)).detach()
    np.testing.assert_allclose(read(model, "layer", "mean", data=X).values, h, atol=1e-6)
    base, shift, scale = model(torch.tensor(X)), *((h + 1, 2.0) if how == "keyword" else (h * 5, 3))
    with nw.mask_neurons(model, "layer", [1, 3], at="input"):
        edited = model(torch.tensor(X))
    h[:, [1, 3]] = 0
    np.testing.assert_allclose(edited.detach(), h * scale + shift, atol=1e-6)
    assert not torch.equal(base, edited)


def test_a_call_without_a_tensor_is_refused() -> None:
    model = Called("none")
    said = "the input of layer 'layer' is no tensor, since none of its arguments is one: read its"
    with pytest.raises(ValueError, match=said):
        read(model, "layer", "mean", data=X)
    with pytest.raises(ValueError, match=said), nw.mask_neurons(model, "layer", [1], at="input"):
        model(torch.tensor(X))
    ids = nn.Sequential(nn.Embedding(40, 4), nn.Linear(4, 4))
    with pytest.raises(ValueError, match="the input of layer '0' must have floating point numbers"):
        read(ids, "0")


def test_calls_are_chosen_and_axes_checked() -> None:
    model = Called("twice")
    h = model.first(torch.tensor(X)).detach()
    second = read(model, "layer", "mean", data=X, call=1)
    np.testing.assert_allclose(second.values, 2 * h, atol=1e-6)
    with pytest.warns(UserWarning, match="layer 'layer' is called 2 times"):
        first = read(model, "layer", "mean", data=X)
    np.testing.assert_allclose(first.values, h, atol=1e-6)
    with pytest.raises(ValueError, match="the input of layer 'layer' has shape"):
        read(model, "layer", "mean", data=X, call=0, neuron_axis=4)
    with pytest.raises(ValueError, match=r"at must be 'output' or 'input'; got 'inputs'\."):
        read(model, "layer", "mean", data=X, at="inputs")


# Stores, collectors, threads


def test_a_folder_keeps_where_it_was_read(llama: Any, tmp_path: Path) -> None:
    expected = read(llama)
    acts = read(llama, out=tmp_path / "in")
    assert nw.Activations.load(tmp_path / "in").at == acts.at == "input"
    np.testing.assert_array_equal(np.asarray(acts.values), expected.values)
    assert json.loads((tmp_path / "in" / "manifest.json").read_text())["about"]["at"] == "input"
    assert read(llama, out=tmp_path / "in").at == "input"
    with pytest.raises(nw.StoreError, match='at is "input" there and not given here'):
        read(llama, out=tmp_path / "in", at="output")
    read(llama, out=tmp_path / "out", at="output")
    assert "at" not in json.loads((tmp_path / "out" / "manifest.json").read_text())["about"]
    assert nw.Activations.load(tmp_path / "out").at == "output"
    with pytest.raises(nw.StoreError, match='at is not given there and "input" here'):
        read(llama, out=tmp_path / "out")
    assert nw.Activations.load(acts.save(tmp_path / "saved")).at == "input"


def test_collectors_and_captures_in_the_background(llama: Any) -> None:
    expected = read(llama)
    collected = read(llama, collect=[nw.Top(3), nw.Rows()])
    assert "at='input'" in repr(collected)
    np.testing.assert_array_equal(collected[1].values, expected.values)
    top = np.sort(expected.values, axis=0)[::-1][:3]
    np.testing.assert_allclose(collected[0].values, top.T, atol=1e-6)
    running = read(llama, background=True)
    assert running.result().at == "input"
    np.testing.assert_array_equal(running.result().values, expected.values)


def test_tokens_are_read_again_at_the_input(llama: Any, gpt2_tokenizer: Any, by_hand: Any) -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**{**SIZES, "vocab_size": len(gpt2_tokenizer) + 4})).eval()
    texts = ["the cat sat on the mat", "the mat"]
    acts = read(model, pooling="mean", data=texts, tokenizer=gpt2_tokenizer)
    along = np.eye(WIDE)[3]
    for row, text in enumerate(texts):
        ids = gpt2_tokenizer(text, return_tensors="pt")["input_ids"]
        expected = argument(by_hand, model, LAYER, ids)[0, :, 3]
        np.testing.assert_allclose(acts.tokens([row], along)[0], expected, atol=1e-5)


# Gradients


def test_saliency_is_the_gradient_at_the_input(classifier: Any) -> None:
    labels = [f"LABEL_{i % 3}" for i in range(12)]
    acts = read(classifier, pooling="mean", labels=labels)
    found = nw.salient(acts, "LABEL_1", "gradient", top=3, model=classifier, data=IDS, batch_size=5)
    rows = torch.as_tensor(IDS[np.arange(12) % 3 == 1])
    leaves: list[torch.Tensor] = []

    def hook(_module: nn.Module, args: Any) -> Any:
        leaves.append(args[0].detach().requires_grad_())
        return (leaves[0],)

    handle = classifier.get_submodule(LAYER).register_forward_pre_hook(hook)
    logits = classifier(rows).logits[:, 1].sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(logits, leaves)
    expected = (gradient * leaves[0]).sum((0, 1)).detach() / len(rows)
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)


@pytest.mark.parametrize("pooling", ["token", "mean"])
def test_attribution_of_a_neuron_at_the_input(llama: Any, pooling: str) -> None:
    acts = read(llama, pooling=pooling)
    below = "model.layers.1.mlp.up_proj"
    given: Any = nw.split(acts, 4, top=8)
    found = contributions(given, llama, below, IDS)
    # The neuron is linear in the up projection, and in one neuron of it only.
    expected = np.zeros((8, WIDE))
    expected[:, 4] = given.vectors[:, 4]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    split = nw.split(acts, 4, top=8, method="attribution", model=llama, data=IDS,
                     below="model.layers.0")  # fmt: skip
    assert split.points is not None
    with pytest.raises(ValueError, match=f"gave no output before the input of layer '{LAYER}' did"):
        contributions(given, llama, "lm_head", IDS)
