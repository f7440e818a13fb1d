"""The layer that is proposed where the user names none."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertConfig,
    BertModel,
    ConvBertConfig,
    ConvBertModel,
    ConvNextConfig,
    ConvNextModel,
    EsmConfig,
    EsmModel,
    LlamaConfig,
    LlamaModel,
    MixtralConfig,
    MixtralModel,
    Swinv2Config,
    Swinv2Model,
)

import neuronwidgets as nw
from neuronwidgets.models.layers import layers
from neuronwidgets.models.proposal import proposed_layer

SMALL = {
    "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
    "vocab_size": 9,
}  # fmt: skip


def test_two_thirds_of_the_way_through_a_transformer() -> None:
    config = BertConfig(
        hidden_size=8,
        num_hidden_layers=6,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=9,
    )
    proposal = proposed_layer(BertModel(config, add_pooling_layer=False))
    assert proposal.layer == "encoder.layer.3.intermediate.intermediate_act_fn"
    assert proposal.at == "output"
    assert "layer 4 of the 6" in proposal.reason


def test_the_neurons_of_a_gated_mlp_are_an_input() -> None:
    config = LlamaConfig(
        hidden_size=8,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=9,
    )
    proposal = proposed_layer(LlamaModel(config))
    assert (proposal.layer, proposal.at) == ("layers.1.mlp.down_proj", "input")


def test_a_convolutional_network() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)
    )
    assert proposed_layer(net).layer == "3"


def test_convolutions_of_single_channels_do_not_count() -> None:
    sizes: dict[str, list[int]] = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
    model = ConvNextModel(ConvNextConfig(**sizes))
    proposal = proposed_layer(model)
    assert proposal.layer == "encoder.stages.2.layers.0.act"
    assert "6 of the 9 that hold neurons" in proposal.reason
    images = torch.rand(6, 3, 64, 64)
    # Four times as wide as the block, by places: 4 x 4 of each image.
    assert nw.capture(model, images, proposal.layer, progress=False).shape == (6, 96)
    rows = nw.capture(model, images, proposal.layer, "token", progress=False)
    assert rows.shape == (96, 96)


def test_the_block_there_of_a_mixture_of_experts() -> None:
    config = MixtralConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=6, num_attention_heads=2,
        num_key_value_heads=2, num_local_experts=8, vocab_size=10,
    )  # fmt: skip
    proposal = proposed_layer(MixtralModel(config))
    assert proposal[:2] == ("layers.3", "output")
    assert "a block two thirds of the way" in proposal.reason


def test_the_block_there_of_a_model_with_an_activation_function_beside_its_blocks_only() -> None:
    model = EsmModel(EsmConfig(**SMALL, pad_token_id=0, mask_token_id=1))
    assert "contact_head.activation" in layers(model).neurons  # which no pass calls
    proposal = proposed_layer(model)
    assert proposal[:2] == ("encoder.layer.1", "output")
    assert "none in encoder.layer is a layer of activation functions" in proposal.reason


def test_an_activation_function_beside_a_list_of_linear_maps() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maps = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
            self.act = nn.ReLU()

    assert proposed_layer(Shared()).layer == "act"


def test_without_activation_functions_the_last_layer_before_the_output() -> None:
    proposal = proposed_layer(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)))
    assert proposal.layer == "1"
    assert "no layer of activation functions" in proposal.reason
    assert proposed_layer(nn.Sequential(nn.Linear(4, 2))).layer == "0"


def test_a_model_without_layers_of_known_width() -> None:
    with pytest.raises(ValueError, match="Sequential has no layer of known width"):
        proposed_layer(nn.Sequential(nn.Identity()))


def test_poolers_do_not_count() -> None:
    model = AlbertModel(AlbertConfig(**SMALL, embedding_size=8))
    assert "pooler_activation" in layers(model).neurons
    layer = "encoder.albert_layer_groups.0.albert_layers.0.activation"
    assert proposed_layer(model).layer == layer


def test_layers_inside_attention_do_not_count() -> None:
    model = ConvBertModel(ConvBertConfig(**SMALL, embedding_size=8))
    assert proposed_layer(model).layer == "encoder.layer.1.intermediate.intermediate_act_fn"
    sizes = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1],
             "num_heads": [2, 2], "window_size": 4}  # fmt: skip
    swin = Swinv2Model(Swinv2Config(**sizes))
    assert (
        proposed_layer(swin).layer == "encoder.layers.0.blocks.0.intermediate.intermediate_act_fn"
    )


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.out = nn.Linear(4, 4), nn.Linear(4, 4)


class SpatialAttention(Block):
    def __init__(self) -> None:
        super().__init__()
        self.to_qkv = nn.Sequential(nn.Conv2d(4, 12, 1))


def feed_forward() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))


def test_a_module_of_all_blocks_that_is_called_by_its_attention() -> None:
    """As in x-transformers: `attn_layers.layers.1.1`."""
    pairs = [nn.ModuleList([Block(), feed_forward()]) for _ in range(3)]
    model = nn.Module()
    model.attn_layers = nn.Module()
    model.attn_layers.layers = nn.ModuleList(pairs)
    assert proposed_layer(model).layer == "attn_layers.layers.1.1.1"
    pairs[1][0].attn = feed_forward()  # within a block, the name says what it is
    assert proposed_layer(model).layer == "attn_layers.layers.1.1.1"


def test_a_block_that_is_a_list_is_never_called() -> None:
    model = nn.Module()
    model.layers = nn.ModuleList(nn.ModuleList([Block(), Block()]) for _ in range(3))
    proposal = proposed_layer(model)
    assert proposal[:2] == ("layers.1.1", "output")
    assert proposal.layer in [row.name for row in layers(model)]


def test_convolutions_of_a_class_of_attention_do_not_count() -> None:
    model = nn.Sequential(feed_forward(), SpatialAttention(), SpatialAttention())
    assert layers(model).neurons == ("0.1", "1.to_qkv.0", "2.to_qkv.0")
    assert proposed_layer(model).layer == "0.1"
