"""Neurons, batch and positions of real layers, against a reference that follows no axis: what
changes with the batch size is the batch, what changes with the input's size are positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn

import neuronwidgets as nw
from neuronwidgets.models.outputs import tensor_of
from neuronwidgets.models.survey import surveyed

RNG = np.random.default_rng(0)
IMAGE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 24, "image_size": 32, "patch_size": 8}  # fmt: skip


def images(count: int, size: int) -> torch.Tensor:
    return torch.rand(count, 3, size, size)


def audio(count: int, length: int) -> torch.Tensor:
    return torch.randn(count, length)


def series(count: int, length: int) -> torch.Tensor:
    return torch.randn(count, 2, length)


def vectors(count: int, length: int) -> torch.Tensor:
    return torch.randn(count, length, 8)


class SequenceFirst(nn.Module):
    """torch's default encoder: T x B x D inside."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 12)
        self.enc = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.enc(x.transpose(0, 1))).mean(0)


class Mixer(nn.Module):
    """Token mixing and channel mixing, as in MLP-Mixer."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 8, 8)
        self.tokens, self.tokens_act, self.tokens_out = (
            nn.Linear(16, 20),
            nn.GELU(),
            nn.Linear(20, 16),
        )
        self.channels, self.channels_act = nn.Linear(16, 24), nn.GELU()
        self.out, self.block = nn.Linear(24, 16), nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.tokens_out(self.tokens_act(self.tokens(x.transpose(1, 2)))).transpose(1, 2)
        return self.block(x + self.out(self.channels_act(self.channels(x))))


def convnext() -> nn.Module:
    return hf.ConvNextModel(hf.ConvNextConfig(hidden_sizes=[16] * 4, depths=[1] * 4))


def swin() -> nn.Module:
    config = hf.SwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=[2, 1],
                           num_heads=[2, 2], window_size=4)  # fmt: skip
    return hf.SwinModel(config)


def segformer() -> nn.Module:
    config = hf.SegformerConfig(
        hidden_sizes=[8, 8], num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1],
        patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2],
    )  # fmt: skip
    return hf.SegformerModel(config)


def wav2vec() -> nn.Module:
    config = hf.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
        conv_dim=(8, 8), conv_kernel=(5, 3), conv_stride=(2, 2), num_feat_extract_layers=2,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    return hf.Wav2Vec2Model(config)


def poolformer() -> nn.Module:
    return hf.PoolFormerModel(
        hf.PoolFormerConfig(hidden_sizes=[8] * 4, depths=[1] * 4, num_encoder_blocks=4)
    )


def mobilenet() -> nn.Module:
    return hf.MobileNetV2Model(hf.MobileNetV2Config(depth_multiplier=0.1, min_depth=8))


def resnet() -> nn.Module:
    config = hf.ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1])
    return hf.ResNetModel(config)


def conv1d() -> nn.Module:
    first = nn.Conv1d(2, 16, 5), nn.ReLU(), nn.Conv1d(16, 6, 3), nn.GELU()
    last = nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 3), nn.Tanh()
    return nn.Sequential(*first, *last)


Make = Callable[[], nn.Module]
MODELS: dict[str, tuple[Make, Callable[[int, int], torch.Tensor], tuple[int, int]]] = {
    "ConvNext": (convnext, images, (64, 96)),
    "Swin": (swin, images, (32, 64)),
    "Segformer": (segformer, images, (32, 64)),
    "PoolFormer": (poolformer, images, (64, 96)),
    "MobileNet": (mobilenet, images, (64, 96)),
    "ResNet": (resnet, images, (32, 64)),
    "Wav2Vec2": (wav2vec, audio, (400, 600)),
    "Conv1d": (conv1d, series, (50, 61)),
    "sequence first": (SequenceFirst, vectors, (7, 9)),
}


def shapes(model: nn.Module, x: torch.Tensor) -> dict[str, tuple[int, ...]]:
    """The shape of every layer's first answer."""
    found: dict[str, tuple[int, ...]] = {}

    def hook(name: str) -> Any:
        def keep(_module: nn.Module, _args: Any, output: Any) -> None:
            found.setdefault(name, tuple(tensor_of(output, name).shape))

        return keep

    handles = [m.register_forward_hook(hook(n)) for n, m in model.named_modules() if n]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("kind", MODELS)
def test_axes_are_those_that_sizes_show(kind: str) -> None:
    make, data, (short, long) = MODELS[kind]
    torch.manual_seed(0)
    torch.backends.mha.set_fastpath_enabled(False)
    model = make().eval()
    modules = {name: module for name, module in model.named_modules() if name}
    x = data(3, short)
    three, five, longer = (
        shapes(model, data(b, s)) for b, s in ((3, short), (5, short), (3, long))
    )
    torch.backends.mha.set_fastpath_enabled(True)
    with torch.no_grad(), surveyed(modules, x, 3) as answers:
        model(x)
    told = 0
    for name in three:
        if len({len(three[name]), len(five[name]), len(longer[name])}) > 1 or not three[name]:
            continue
        # Window counts grow with batch and picture: such an axis is both.
        batch = [a != b for a, b in zip(three[name], five[name], strict=True)]
        place = [a != b for a, b in zip(three[name], longer[name], strict=True)]
        same = [i for i in range(len(batch)) if not batch[i] and not place[i]]
        if not any(batch) or len(same) != 1:
            continue
        layout = answers[name].layout(0)
        assert layout is not None, name
        assert layout.neuron_axis == same[0], name
        assert [("b" in k) for k in layout.kinds] == batch, name
        told += 1
    assert told >= 4


def test_windows_of_a_swin_layer_are_positions_of_their_image() -> None:
    torch.manual_seed(0)
    model, x = swin().eval(), images(3, 32)
    layer = "encoder.layers.0.blocks.0.attention"
    acts = nw.capture(model, x, layer, progress=False)
    for i in range(3):
        alone = nw.capture(model, x[i : i + 1], layer, progress=False)
        np.testing.assert_allclose(acts.values[i], alone.values[0], atol=1e-5)


def test_sam_whose_picture_size_is_fixed() -> None:
    from transformers.models.sam.modeling_sam import SamVisionModel

    torch.manual_seed(0)
    config = hf.SamVisionConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=64, patch_size=8,
        window_size=3, mlp_dim=8, output_channels=8, global_attn_indexes=[1],
    )  # fmt: skip
    model, x = SamVisionModel(config).eval(), images(2, 64)
    # As many neurons as rows and columns of patches.
    layer = next(name for name in nw.layers(model).neurons if name.endswith("layers.0.mlp.act"))
    kept: list[torch.Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _m, _i, out: kept.append(out))
    with torch.no_grad():
        model(x)
    handle.remove()
    acts = nw.capture(model, x, layer, progress=False)
    np.testing.assert_allclose(acts.values, kept[0].mean((1, 2)), atol=1e-6)


def test_token_mixing_units_are_neurons() -> None:
    torch.manual_seed(0)
    model, x = Mixer().eval(), images(3, 32)
    # 16 channels, 16 positions: sizes tell nothing.
    kept: dict[str, torch.Tensor] = {}
    for name in ("tokens_act", "channels_act", "block"):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda _m, _i, out, name=name: kept.update({name: out}))
    with torch.no_grad():
        model(x)
    for name in ("tokens_act", "channels_act", "block"):
        acts = nw.capture(model, x, name, progress=False)
        np.testing.assert_allclose(acts.values, kept[name].mean(1), atol=1e-6)


def test_as_many_samples_as_tokens_in_a_sequence_first_encoder() -> None:
    torch.manual_seed(0)
    model, x = SequenceFirst().eval(), torch.randn(7, 7, 8)
    kept: list[torch.Tensor] = []
    model.enc.layers[0].register_forward_hook(lambda _m, _i, out: kept.append(out))
    with torch.no_grad():
        model(x)
    right = kept[0].mean(0)
    acts = nw.capture(model, x, "enc.layers.0", progress=False)
    np.testing.assert_allclose(acts.values, right, atol=1e-5)
    # And with another number of samples than tokens.
    few = nw.capture(model, x[:3], "enc.layers.0", progress=False)
    np.testing.assert_allclose(few.values, right[:3], atol=1e-5)
    # Positions are the tokens, wherever their axis is: a reference by hand.
    v = np.zeros(8)
    v[2] = 1
    with torch.no_grad():
        with nw.steer(model, "enc.layers.0", v, 3.0, positions=[1]):
            steered = model(x)

        def hook(_module: nn.Module, _args: Any, out: torch.Tensor) -> torch.Tensor:
            out = out.clone()
            out[1, :, 2] += 3
            return out

        handle = model.enc.layers[0].register_forward_hook(hook)
        torch.testing.assert_close(steered, model(x))
        handle.remove()


def test_an_edit_of_channels_last_maps() -> None:
    torch.manual_seed(0)
    model, x = convnext().eval(), images(2, 128)
    # 16 neurons of 16 x 16 places and more: 64 of an inner layer, and the block's own 16.
    for layer, place in (("encoder.stages.0.layers.0.act", -1), ("encoder.stages.1", 1)):
        acts = nw.capture(model, x, layer, labels=[0, 0], progress=False)
        with torch.no_grad(), nw.mask_neurons(model, layer, [3, 5]):
            masked = model(x).last_hidden_state

        def hook(_m: nn.Module, _a: Any, out: torch.Tensor, place: int = place) -> torch.Tensor:
            index = torch.tensor([3, 5])
            return out.index_fill(place % out.ndim, index, 0)

        handle = model.get_submodule(layer).register_forward_hook(hook)
        with torch.no_grad():
            torch.testing.assert_close(masked, model(x).last_hidden_state)
        handle.remove()
        assert acts.shape[1] == (64 if place == -1 else 16)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_of_torchs_encoder() -> None:
    tokens = nw.datasets.topics().tokenizer
    torch.manual_seed(0)

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.emb = nn.Embedding(len(tokens), 16)
            layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True)
            self.enc = nn.TransformerEncoder(layer, 2)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.enc(self.emb(input_ids), src_key_padding_mask=~attention_mask.bool())

    model = Reader().eval()
    texts = ["one short text", "another text that is longer than the first", "and a third"]
    acts = nw.capture(model, texts, "enc.layers.0", tokenizer=tokens, progress=False)
    for i, text in enumerate(texts):
        alone = nw.capture(model, [text], "enc.layers.0", tokenizer=tokens, progress=False)
        np.testing.assert_allclose(acts.values[i], alone.values[0], atol=1e-5)
    batch = tokens(texts, return_tensors="pt", padding=True)
    inputs = batch["input_ids"], batch["attention_mask"]
    with torch.no_grad():
        base = model(*inputs)
        with nw.steer(model, "enc.layers.0.linear1", np.ones(24), 5.0):
            steered = model(*inputs)
        again = model(*inputs)
    # The fused path is as it was afterwards, and gives zeros for padding.
    torch.testing.assert_close(again, base, rtol=0, atol=0)
    assert torch.backends.mha.get_fastpath_enabled()
    real = batch["attention_mask"].bool()
    assert (steered - base)[real].abs().max() > 0.01


def test_an_input_of_three_axes_read_as_it_is_is_refused() -> None:
    model = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(12, 2)).eval()
    x = RNG.normal(size=(5, 3, 4)).astype("f4")
    with pytest.raises(ValueError, match=r"layer '0' returns shape \(5, 3, 4\) .*neuron_axis="):
        nw.capture(model, x, "0", progress=False)
    for axis, mean in ((-1, 1), (1, 2)):
        acts = nw.capture(model, x, "0", neuron_axis=axis, progress=False)
        np.testing.assert_allclose(acts.values, x.mean(mean), atol=1e-6)
    turned = nw.capture(
        nn.Sequential(Turned(), nn.Identity()), x, "0", neuron_axis=2, batch_axis=1, progress=False
    )
    np.testing.assert_allclose(turned.values, x.mean(1), atol=1e-6)


class Turned(nn.Module):
    """What a tracker cannot follow: positions x batch x neurons, by way of NumPy."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x.numpy().swapaxes(0, 1)))


def test_neurons_that_upsampling_spreads_over_positions() -> None:
    class Upsampling(nn.Module):
        """As SEW's: each vector becomes two, at two positions."""

        def __init__(self) -> None:
            super().__init__()
            self.projection, self.activation = nn.Linear(8, 12), nn.GELU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            samples, length, _ = x.shape
            x = self.activation(self.projection(x))
            return x.reshape(samples, length, 2, 6).reshape(samples, 2 * length, 6)

    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(8, 8), Upsampling()), vectors(4, 5)
    with torch.no_grad():
        expected = model(x).mean(1)
    np.testing.assert_allclose(
        nw.capture(model, x, "1", progress=False).values, expected, atol=1e-6
    )


def test_weights_of_ones_own_that_are_looked_up_and_summed_over() -> None:
    """A model without layers of torch: a table that ids index, a tensor of each head's weights."""

    class Tensors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.randn(9, 8))
            self.heads = nn.Parameter(torch.randn(2, 8, 3))
            self.embedded, self.queries = nn.Identity(), nn.Identity()

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            x = self.embedded(self.table[tokens, :])
            return self.queries(torch.einsum("... d, h d k -> ... h k", x, self.heads))

    torch.manual_seed(0)
    model, ids = Tensors(), torch.randint(1, 9, (4, 5))
    read = nw.capture(model, ids, ["embedded", "queries"], "token", progress=False)
    x = model.table.detach()[ids]
    np.testing.assert_allclose(read["embedded"].values, x.flatten(0, 1), atol=1e-6)
    queries = torch.einsum("bpd,hdk->bphk", x, model.heads.detach()).reshape(20, 6)
    np.testing.assert_allclose(read["queries"].values, queries, atol=1e-6)
