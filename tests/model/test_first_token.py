"""Attention sinks, and a vision transformer's special tokens, are left out of what is read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaModel, ViTConfig, ViTModel, YolosConfig, YolosModel

import neuronwidgets as nw
from neuronwidgets.models.content import has_sink

LEFT_OUT = "the first token of each text is an attention sink in layer 'layers.1'"
LAYER = "layers.1"


@pytest.fixture(scope="module")
def llama() -> LlamaModel:
    """A Llama whose second block makes the first position 100 times as long, wherever it is."""
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        vocab_size=100,
    )  # fmt: skip
    model = LlamaModel(config).eval()
    with torch.no_grad():
        model.embed_tokens.weight.mul_(20)
    return model


class Sink(nn.Module):
    """A token 1 is 100 times as long as any other."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(50, 16)
        with torch.no_grad():
            self.embed.weight[1] = torch.linspace(-1, 1, 16) * 100

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None) -> torch.Tensor:
        return self.embed(input_ids)


def texts(first: int = 1, rows: int = 30, pad: int = 0) -> dict[str, torch.Tensor]:
    """Token ids that begin with `first`, the last third of the rows with `pad` of padding left."""
    ids = torch.randint(2, 50, (rows, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    ids[:, 0] = first
    if pad:
        ids[-rows // 3 :] = ids[-rows // 3 :].roll(pad, 1)
        mask[-rows // 3 :, :pad] = 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("pad", [0, 2])
@pytest.mark.parametrize("pooling", ["mean", "max", "token"])
def test_sinks_are_left_out_and_said(pooling: str, pad: int) -> None:
    model, data = Sink(), texts(pad=pad)
    with pytest.warns(UserWarning, match=r"in layer 'embed'.*first=True keeps it") as said:
        acts = nw.capture(model, [data], "embed", pooling, progress=False)
    assert len(said) == 1
    assert not acts.first
    read = data["attention_mask"].bool() & (data["input_ids"] != 1)
    values = model.embed(data["input_ids"]).detach()
    if pooling == "token":
        expected = values[read]
        place = read.nonzero()
        np.testing.assert_array_equal(acts.samples.dataset_indices(np.arange(len(acts))), place)
    elif pooling == "max":
        expected = values.masked_fill(~read[..., None], -torch.inf).amax(1)
    else:
        expected = (values * read[..., None]).sum(1) / read.sum(1, keepdim=True)
    torch.testing.assert_close(torch.from_numpy(acts.values), expected, rtol=1e-5, atol=1e-5)


def test_first_true_keeps_them_and_false_leaves_any_out() -> None:
    model, data = Sink(), texts()
    kept = nw.capture(model, [data], "embed", "token", first=True, progress=False)
    assert kept.first
    assert len(kept) == 30 * 9
    plain = texts(first=7)
    assert len(nw.capture(model, [plain], "embed", "token", progress=False)) == 30 * 9
    left = nw.capture(model, [plain], "embed", "token", first=False, progress=False)
    assert len(left) == 30 * 8
    assert not left.first
    # The first token is what "cls" asks for.
    first = nw.capture(model, [data], "embed", "cls", progress=False)
    assert first.first
    assert np.abs(first.values).max() == 100


def test_collectors_do_not_see_sinks() -> None:
    model, data = Sink(), texts()
    with pytest.warns(UserWarning, match="attention sink") as seen:
        (top,) = nw.capture(model, [data], "embed", "token", collect=[nw.Top(5)], progress=False)
    assert np.abs(top.values).max() < 10
    assert seen[0].filename == __file__


def test_a_text_of_one_token_keeps_it() -> None:
    model, data = Sink(), texts()
    data["attention_mask"][3, 1:] = 0
    with pytest.warns(UserWarning, match="attention sink"):
        acts = nw.capture(model, [data], "embed", progress=False)
    assert np.abs(acts.values[3]).max() == 100


def test_each_layer_by_itself(llama: LlamaModel) -> None:
    def longer(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        made = torch.cat([hidden[:, :1] * 100, hidden[:, 1:]], 1)
        return (made, *output[1:]) if isinstance(output, tuple) else made

    handle = llama.layers[1].register_forward_hook(longer)
    try:
        with pytest.warns(UserWarning, match=LEFT_OUT):
            both = nw.capture(llama, [texts()], ["layers.0", LAYER], progress=False)
    finally:
        handle.remove()
    assert [both[name].first for name in ("layers.0", LAYER)] == [True, False]
    # With the sink in it the mean of every text is the same vector.
    from_sink = both[LAYER].values - both[LAYER].values.mean(0)
    assert np.linalg.norm(from_sink) > 0.1 * np.linalg.norm(both[LAYER].values)


def test_a_store_remembers_and_goes_on(tmp_path: Path) -> None:
    model, data = Sink(), texts()
    batches = [{k: v[i : i + 10] for k, v in data.items()} for i in range(0, 30, 10)]
    with pytest.warns(UserWarning, match="attention sink"):
        nw.capture(model, batches[:2], "embed", "token", out=tmp_path / "a", progress=False)
    # Complete: it opens, and the model does not run.
    again = nw.capture(model, batches[:2], "embed", "token", out=tmp_path / "a", progress=False)
    assert not again.first
    loaded = nw.Activations.load(tmp_path / "a")
    assert not loaded.first
    assert len(loaded) == 20 * 8
    loaded.save(tmp_path / "b")
    assert not nw.Activations.load(tmp_path / "b").first
    with pytest.raises(ValueError, match="first is not given there and true here"):
        nw.capture(model, batches, "embed", "token", out=tmp_path / "a", first=True, progress=False)


def test_a_capture_that_broke_off_goes_on_as_it_began(tmp_path: Path, shard_limits: Any) -> None:
    shard_limits(batches=1)
    model, data = Sink(), texts()
    batches = [{k: v[i : i + 10] for k, v in data.items()} for i in range(0, 30, 10)]

    def broken() -> Any:
        yield from batches[:2]
        raise OSError("the disk is gone")

    with (
        pytest.warns(UserWarning, match="attention sink"),
        pytest.raises(nw.CaptureError, match="the disk is gone"),
    ):
        nw.capture(model, broken(), "embed", out=tmp_path / "a", progress=False)
    # What is left has no sinks: the store says that there were some.
    batches[2]["input_ids"][:, 0] = 7
    acts = nw.capture(model, batches, "embed", out=tmp_path / "a", progress=False)
    assert not acts.first
    expected = model.embed(batches[2]["input_ids"][:, 1:]).mean(1).detach()
    torch.testing.assert_close(torch.from_numpy(np.asarray(acts.values)[20:]), expected)


def test_models_without_sinks_say_nothing(llama: LlamaModel) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        acts = nw.capture(llama, [texts(first=7)], LAYER, progress=False)
    assert acts.first


def test_the_limit_is_five_times_the_median() -> None:
    from neuronwidgets.data.batch import Batch

    values = torch.ones(6, 4, 3)
    mask = torch.ones(6, 4, dtype=torch.bool)
    batch = Batch({}, 6, mask)
    for times, expected in ((4.9, False), (5.1, True)):
        values[:, 0] = times
        assert has_sink(batch, values) is expected
    # A special token may be one too, which edits spare.
    content = mask.clone()
    content[:, 0] = False
    assert has_sink(Batch({}, 6, mask, content), values)
    assert not has_sink(Batch({}, 6, mask[:, :1]), values[:, :1])
    assert not has_sink(Batch({}, 6), values)


@pytest.mark.parametrize(("pooling", "rows"), [("token", 16), ("mean", 1), ("max", 1)])
def test_a_vision_transformers_cls_is_special(pooling: str, rows: int) -> None:
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        image_size=32, patch_size=8,
    )  # fmt: skip
    model = ViTModel(config).eval()
    images = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
    layer = next(
        row.name for row in nw.layers(model).rows if row.name.endswith(("layers.1", "layer.1"))
    )
    acts = nw.capture(model, images, layer, pooling, progress=False)
    assert len(acts) == 5 * rows
    with torch.no_grad():
        pixels = torch.from_numpy(images).movedim(-1, 1).float() / 255
        hidden = model(pixels, output_hidden_states=True).hidden_states[2][:, 1:]
    expected = {
        "token": hidden.reshape(-1, 32), "mean": hidden.mean(1), "max": hidden.amax(1),
    }[pooling]  # fmt: skip
    np.testing.assert_allclose(acts.values, expected, rtol=1e-4, atol=1e-5)
    first = nw.capture(model, images, layer, "cls", progress=False)
    assert not np.allclose(first.values, hidden[:, 0])


class Mixer(nn.Module):
    """The token-mixing half of an MLP-Mixer's block: 16 patches of a few more channels."""

    def __init__(self, channels: int, special: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(1, channels, 2, 2)
        self.token_mixing = nn.Sequential(nn.Linear(16 + special, 9), nn.GELU())
        self.norm = nn.LayerNorm(channels)
        if special:
            self.registers = nn.Parameter(torch.randn(1, special, channels))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        if hasattr(self, "registers"):
            tokens = torch.cat([self.registers.expand(len(tokens), -1, -1), tokens], 1)
        return self.token_mixing(self.norm(tokens).transpose(1, 2))


@pytest.mark.parametrize("channels", [17, 20, 32])
def test_channels_over_which_positions_are_mixed_are_no_special_tokens(channels: int) -> None:
    images = torch.rand(3, 1, 8, 8)
    acts = nw.capture(Mixer(channels).eval(), images, "token_mixing.1", "token", progress=False)
    assert len(acts) == 3 * channels
    # As many registers as there are more channels than patches.
    model = Mixer(channels, channels - 16).eval()
    assert len(nw.capture(model, images, "norm", "token", progress=False)) == 3 * 16


def test_detection_tokens_are_no_patches() -> None:
    torch.manual_seed(0)
    config = YolosConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        image_size=[32, 32], patch_size=8, num_detection_tokens=20, initializer_range=0.5,
    )  # fmt: skip
    model = YolosModel(config).eval()
    images = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        pixels = torch.from_numpy(images).movedim(-1, 1).float() / 255
        hidden = model(pixels, output_hidden_states=True).hidden_states[1]
    assert hidden.shape[1] == 1 + 16 + 20
    layer = next(row.name for row in nw.layers(model) if row.name.endswith("layer.0"))
    acts = nw.capture(model, images, layer, progress=False)
    np.testing.assert_allclose(acts.values, hidden[:, 1:17].mean(1), atol=1e-5)
