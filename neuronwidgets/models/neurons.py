"""Finds the layers that hold what is commonly called "neurons", by a model's structure alone."""

from __future__ import annotations

import inspect
import re
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast

from torch import nn

from neuronwidgets.core.layer_place import At

_ACTIVATIONS = (
    nn.ReLU, nn.GELU, nn.SiLU, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ReLU6,
    nn.Mish, nn.Softplus, nn.Hardswish, nn.Tanh, nn.Sigmoid, nn.Hardtanh, nn.Threshold,
)  # fmt: skip
# The activation functions of transformers share no class, only their names.
_NAMED = re.compile("gelu|relu|silu|swish|mish|Activation$", re.IGNORECASE)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_APPLIED = re.compile(r"(F|functional|torch)\.\w*(elu|silu|mish|swish|tanh|sigmoid)|\.relu_?\(")
_PRODUCT = re.compile(r"[\w)\]]\s*\*\s*[\w(]|mul", re.IGNORECASE)
_GATED = re.compile("gate|glu", re.IGNORECASE)
_BY_NAME = re.compile(r"getattr\(self|children\(\)|_modules|modules\(\)")
_GATED_UNIT = re.compile("GLU$")
_ROUTING = re.compile("Router|Gating")
_POINT = "HookPoint"
"""The class of the modules that TransformerLens passes activations through, unchanged."""
_NORMS = re.compile(r"(Batch|Group|Instance)Norm|^(Frozen|Sync)BatchNorm")


def neuron_layers(model: nn.Module) -> dict[str, At]:
    """The layers that hold what is commonly called "neurons": name -> their output, or their input.

    - Activation functions that are modules.
    - Blocks of convolutions and norms that apply their activation function inside `forward`
      (Inception), or one activation function to several convolutions (ResNet).
    - Convolutions that are followed by no norm and no activation function. Not those of each
      channel by itself, where activation functions follow further on (ConvNeXt).
    - The input of a gated MLP's down projection, see `down_projection`, instead of the output of
      its activation function, which is only one of two factors.
    - Gated linear units that are modules, see `is_gated_unit`, instead of their activation
      function.
    - The points of TransformerLens that pass on an MLP's neurons: `hook_post` of its own MLPs,
      whose activation functions and linear maps are no modules, and `hook_in` of a gated MLP's
      down projection, which may not be called itself.

    Layers inside experts are left out: their rows are not in the order of the tokens. So are
    activation functions beside them (JetMoe), those of routers, and layers that are never called,
    as Mamba's convolution, of which only the weights are used.
    """
    places: dict[str, At] = {}
    projected: set[nn.Module] = set()  # gated units whose output is a down projection's input
    for name, module in model.named_modules():
        if ".experts." in f".{name}.":
            continue
        if _ROUTING.search(type(module).__name__):
            continue
        children = list(module.named_children())
        # `cast`: mypy takes a class of modules for one that has no hash.
        kind = cast(Any, type(module))
        block = bool(name) and (_is_block(module) or is_gated_unit(module))
        if block and module not in projected:
            places[name] = "output"
        if (down := down_projection(module)) is not None:
            place = f"{name}.{down}" if name else down
            point = _is_point(getattr(module.get_submodule(down), "hook_in", None))
            places[f"{place}.hook_in" if point else place] = "output" if point else "input"
            projected.update(filter(is_gated_unit, module.children()))
        for i, (own, child) in enumerate(children):
            if is_activation(child) and (
                down is not None or any(map(_is_experts, module.children()))
            ):
                continue
            follower = children[i + 1][1] if i + 1 < len(children) else None
            activation = is_activation(child)
            alone = isinstance(child, CONVOLUTIONS) and not (
                follower is not None and (is_norm(follower) or is_activation(follower))
            )
            if alone and _is_depthwise(child):
                alone = not any(map(is_activation, module.modules()))
            post = own == "hook_post" and _is_point(child)
            if ".experts." in f".{name}.{own}." or block or not (activation or alone or post):
                continue
            if not _never_called(kind, own):
                places[f"{name}.{own}" if name else own] = "output"
    return places


def down_projection(module: nn.Module) -> str | None:
    """The name of the down projection of a gated MLP (Shazeer 2020); `None` for other modules.

    A gated MLP computes `down(act(gate(x)) * up(x))`. It has an activation function, as a child or
    in `forward`, and three linear maps: two from `D` to `I` numbers and one from `I` to `D`. Or
    two, if gate and up projection are one map from `D` to `2 I`.
    """
    if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return None
    sizes = {name: size for name, child in module.named_children() if (size := _linear(child))}
    down = _down_of(sizes) if len(sizes) in (2, 3) else None
    if down is None:
        return None
    source = _source_of_forward(module)
    gates = any(is_activation(child) or is_gated_unit(child) for child in module.children())
    if not (gates or _APPLIED.search(source)):
        return None
    in_turn = len(sizes) == 3 and list(sizes).index(down) == 1
    if in_turn and not _PRODUCT.search(source):
        return None  # three maps one after the other, D -> I -> D -> I
    square = len({number for size in sizes.values() for number in size}) == 1
    named = " ".join([type(module).__name__, *sizes])
    return down if not square or _GATED.search(named) else None


def is_gated(model: nn.Module, layer: str, at: At) -> bool:
    """Whether a layer holds the neurons of gated MLPs, whose activations take both signs."""
    if neuron_layers(model).get(layer) != at:
        return False
    holder, _, own = layer.rpartition(".")
    part, around = model.get_submodule(layer), model.get_submodule(holder)
    gated = own == "hook_in" or hasattr(around, "W_gate")
    return at == "input" or is_gated_unit(part) or (_is_point(part) and gated)


def _is_point(module: object) -> bool:
    return type(module).__name__ == _POINT


def _down_of(sizes: dict[str, tuple[int, int]]) -> str | None:
    """Which of two or three linear maps projects down from the product of gate and up projection,
    by the numbers of their inputs and outputs. The last one if several could."""
    for name, (inner, outer) in reversed(sizes.items()):
        others = [size for other, size in sizes.items() if other != name]
        if others in ([(outer, 2 * inner)], [(outer, inner)] * 2):
            return name
    return None


def _linear(module: nn.Module) -> tuple[int, int] | None:
    """The numbers of inputs and outputs of a linear map; `None` for other modules."""
    # Conv1D, the linear map of GPT-2, has nx and nf. Quantised and adapted maps keep the names.
    for names in (("in_features", "out_features"), ("nx", "nf")):
        inner, outer = (getattr(module, name, None) for name in names)
        if isinstance(inner, int) and isinstance(outer, int):
            return inner, outer
    return None


def is_activation(module: nn.Module) -> bool:
    """Whether a module is an activation function."""
    named = _NAMED.search(type(module).__name__) and not any(module.children())
    return bool(named) or isinstance(module, _ACTIVATIONS)


def is_gated_unit(module: nn.Module) -> bool:
    """Whether a module is a gated linear unit, `act(gate) * up` of a split vector, by its class:
    GLU, GEGLU, SwiGLU ... It may hold the map to that vector, but no down projection."""
    if not _GATED_UNIT.search(type(module).__name__):
        return False
    if isinstance(module, nn.GLU):
        return module.dim == -1  # of channels: inside the convolution module of a Conformer
    weighted = [child for child in module.children() if any(True for _ in child.parameters())]
    return len(weighted) <= 1 and all(_linear(child) for child in weighted)


def _is_depthwise(module: nn.Module) -> bool:
    """Whether a convolution reads each channel by itself."""
    channels, groups = (getattr(module, name, 1) for name in ("in_channels", "groups"))
    return bool(1 < channels == groups == getattr(module, "out_channels", 0))


def _is_experts(module: nn.Module) -> bool:
    """Whether a module holds the weights of several experts, by its class."""
    return "Experts" in type(module).__name__


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises channels of feature maps."""
    return bool(_NORMS.search(type(module).__name__))


def _is_block(module: nn.Module) -> bool:
    """Whether a module is a block of convolutions whose output holds the activations."""
    if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return False
    children = list(module.children())
    convolutions = sum(isinstance(child, CONVOLUTIONS) for child in children)
    norms = sum(map(is_norm, children))
    activations = sum(map(is_activation, children))
    if not convolutions or norms <= activations:
        return False
    return activations > 0 or bool(_APPLIED.search(_source_of_forward(module)))


@lru_cache(maxsize=1024)
def _never_called(kind: type, child: str) -> bool:
    """Whether the code of a class shows that it sets a child and never calls it."""
    source = ""
    for base in kind.__mro__:
        if not base.__module__.startswith(("torch.nn.", "builtins")):
            with suppress(OSError, TypeError):
                source += inspect.getsource(base)
    own = rf"\bself\.{re.escape(child)}\b"
    set_and_run = re.search(rf"{own}\s*=[^=]", source) and "def forward(" in source
    if not set_and_run or _BY_NAME.search(source):
        return False
    # `self.conv.weight` is no call. What else follows could be one.
    return not re.search(rf"{own}(?!\s*=[^=])(?!\.(weight|bias)\b)", source)


def _source_of_forward(module: nn.Module) -> str:
    try:
        return inspect.getsource(type(module).forward)
    except (OSError, TypeError):
        return ""
