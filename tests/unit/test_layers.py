"""Names of layers, and what a wrong one is told."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from transformers.activations import ACT2FN

from neuronwidgets.models.layers import find_layer, layer_name, layers


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.ModuleList([nn.Linear(8, 16), nn.LayerNorm(16)])
        self.embed = nn.Embedding(10, 4)


NAMES = ["stem", "stem.0", "stem.1", "stem.2", "blocks", "blocks.0", "blocks.1", "embed"]


def test_layers_are_those_of_named_modules_with_their_widths() -> None:
    found = layers(Net())
    assert [row.name for row in found] == [name for name in NAMES if name != "blocks"]
    assert [row.width for row in found] == [None, 8, 8, None, 16, 16, 4]
    assert found[1].type == "Conv2d"
    assert found[-2:] == found.rows[-2:]
    assert len(found) == 7
    assert list(found.to_frame()) == ["name", "type", "width", "neurons", "at"]


def test_repr_and_html_list_all_and_escape() -> None:
    found = layers(Net())
    lines = repr(found).splitlines()
    assert lines[0] == "Net: 7 layers"
    assert len(lines) == 10
    assert lines[3].split() == ["stem.0", "Conv2d", "8"]
    assert lines[5].split() == ["stem.2", "ReLU", "–", "*"]
    kind = type("<b>Odd</b>", (nn.Module,), {})
    model = nn.Sequential(kind())
    model.add_module("<i>", kind())
    shown = layers(model)._repr_html_()
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert repr(layers(nn.ReLU())).startswith("ReLU: 0 layers")


def test_a_layer_is_found_by_its_name() -> None:
    model = Net()
    for name in NAMES:
        assert find_layer(model, name) is model.get_submodule(name)
    # As in `named_modules()`, the empty name is the model itself.
    assert find_layer(model, "") is model


@pytest.mark.parametrize(
    ("name", "near"),
    [("stem0", "'stem.0'"), ("block.1", "'blocks.1'"), ("embedd", "'embed'"), ("0", "'stem.0'")],
)
def test_near_misses_are_in_the_error(name: str, near: str) -> None:
    with pytest.raises(
        ValueError, match=f"layer '{name}' does not exist in Net. Nearest: .*{near}"
    ):
        find_layer(Net(), name)


@pytest.mark.parametrize("name", ["zzz", nn.ReLU()])
def test_no_layer_of_the_model_is_told_where_to_look(name: object) -> None:
    with pytest.raises(
        ValueError, match=r"does not exist in Net\..* .*layers\(model\) lists all 8 names"
    ):
        find_layer(Net(), name)


@pytest.mark.parametrize("name", [4, None, 1.5, ["stem"], b"stem", nn.ReLU])
def test_no_name_at_all_is_told_where_to_look(name: object) -> None:
    shown = re.escape(f"layer must be a name, got {name!r:.40} ({type(name).__name__}).")
    with pytest.raises(TypeError, match=rf"{shown}.*layers\(model\) lists all 8 names"):
        find_layer(Net(), name)


def test_a_number_is_told_which_names_end_with_it() -> None:
    with pytest.raises(TypeError, match=r"got 1 \(int\)\. Nearest: 'stem\.1', 'blocks\.1'\."):
        find_layer(Net(), 1)


def test_a_module_of_the_model_is_a_layer_too() -> None:
    model = Net()
    assert find_layer(model, model.stem[1]) is model.stem[1]
    assert layer_name(model, model.stem[1]) == "stem.1"
    assert layer_name(model, "stem.1") == "stem.1"
    with pytest.raises(ValueError, match=r"layer is a Conv2d that does not exist in Net\."):
        find_layer(model, nn.Conv2d(3, 8, 3))


@pytest.mark.parametrize("model", ["gpt2", None, Net, [nn.ReLU()]])
def test_what_is_no_module_is_refused(model: object) -> None:
    for ask in (layers, lambda model: find_layer(model, "a")):
        with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module.*pipeline\.model"):
            ask(model)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused() -> None:
    traced = torch.jit.trace(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), torch.zeros(1, 3))
    for ask in (layers, lambda model: find_layer(model, "0")):
        with pytest.raises(TypeError, match="pass the module that it was made from"):
            ask(traced)


def test_neurons_are_marked() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.act = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
            self.head, self.soft = nn.Linear(4, 2), nn.Softmax(-1)

    found = layers(Block())
    assert found.neurons == ("act",)
    assert [line.endswith(" *") for line in repr(found).splitlines()[2:-1]] == [
        False, False, True, False, False,
    ]  # fmt: skip
    assert found._repr_html_().count("●") == 1
    assert found.to_frame()["neurons"].tolist() == [False, False, True, False, False]
    act = ACT2FN["gelu_new"]
    assert layers(nn.Sequential(nn.Linear(2, 2), act)).neurons == ("1",)


class Reused(nn.Module):
    """One activation function for two convolutions, as in torchvision's ResNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
        self.downsample = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))


class Applied(nn.Module):
    """An activation function without a module, as in Inception."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu(self.bn(self.conv(x)))


class Projected(Applied):
    """None at all, as in MobileNet's last convolutions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(x))


def test_blocks_are_marked_where_no_layer_has_their_activations() -> None:
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3)),
        nn.Sequential(Reused(), Reused()), Applied(), Projected(),
    )  # fmt: skip
    assert layers(model).neurons == ("0.2", "0.3", "1.0", "1.1", "2")
    # A model that is such a block has no layer around it: its activation function is left.
    assert layers(Reused()).neurons == ("relu",)


def test_a_module_that_has_two_names_is_found_by_both() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model.add_module("again", model[0])
    assert find_layer(model, "again") is find_layer(model, "0") is model[0]


class Mixer(nn.Module):
    """Layers of which only the weights are used, as in Mamba, beside one that is called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 3)
        self.act = nn.SiLU()
        self.called = nn.Conv1d(4, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.conv1d(x, self.conv.weight, self.conv.bias)
        return self.called(y)


class Inherits(Mixer):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(x)


class ByName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_0 = nn.Conv1d(4, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(self, f"conv_{0}")(x)


def test_layers_that_are_never_called_are_not_marked() -> None:
    assert layers(Mixer()).neurons == ("called",)
    assert layers(Inherits()).neurons == ("act", "called")
    assert layers(ByName()).neurons == ("conv_0",)


def test_a_width_that_is_a_number_is_read() -> None:
    class Norm(nn.Module):
        def __init__(self, shape: object) -> None:
            super().__init__()
            self.normalized_shape = shape

    model = nn.Sequential(Norm(8), Norm([2, 6]), Norm(torch.Size([5])), Norm(None))
    assert layers(model).to_frame()["width"].tolist()[:3] == [8, 6, 5]
