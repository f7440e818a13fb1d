"""Finds the layers whose outputs are commonly called "neurons", by a model's structure alone."""

from __future__ import annotations

import inspect
import re

from torch import nn

_ACTIVATIONS = (
    nn.ReLU, nn.GELU, nn.SiLU, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ReLU6,
    nn.Mish, nn.Softplus, nn.Hardswish, nn.Tanh, nn.Sigmoid, nn.Hardtanh, nn.Threshold,
)  # fmt: skip
# The activation functions of transformers share no class, only their names.
_NAMED = re.compile("gelu|relu|silu|swish|mish|Activation$", re.IGNORECASE)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_APPLIED = re.compile(r"(F|functional|torch)\.\w*(elu|silu|mish|swish|tanh|sigmoid)|\.relu_?\(")
_NORMS = re.compile(r"(Batch|Group|Instance)Norm|^(Frozen|Sync)BatchNorm")


def neuron_layers(model: nn.Module) -> frozenset[str]:
    """The names of the layers whose outputs are commonly called "neurons".

    - Activation functions that are modules.
    - Blocks of convolutions and norms that apply their activation function inside `forward`
      (Inception), or one activation function to several convolutions (ResNet).
    - Convolutions that are followed by no norm and no activation function.

    Layers inside experts are left out: their rows are not in the order of the tokens.
    """
    names: set[str] = set()
    for name, module in model.named_modules():
        if ".experts." in f".{name}.":
            continue
        children = list(module.named_children())
        block = bool(name) and _is_block(module)
        if block:
            names.add(name)
        for i, (own, child) in enumerate(children):
            follower = children[i + 1][1] if i + 1 < len(children) else None
            activation = is_activation(child)
            alone = isinstance(child, _CONVOLUTIONS) and not (
                follower is not None and (is_norm(follower) or is_activation(follower))
            )
            if (activation or alone) and not block and ".experts." not in f".{name}.{own}.":
                names.add(f"{name}.{own}" if name else own)
    return frozenset(names)


def is_activation(module: nn.Module) -> bool:
    """Whether a module is an activation function."""
    named = _NAMED.search(type(module).__name__) and not any(module.children())
    return bool(named) or isinstance(module, _ACTIVATIONS)


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises channels of feature maps."""
    return bool(_NORMS.search(type(module).__name__))


def _is_block(module: nn.Module) -> bool:
    """Whether a module is a block of convolutions whose output holds the activations."""
    if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return False
    children = list(module.children())
    convolutions = sum(isinstance(child, _CONVOLUTIONS) for child in children)
    norms = sum(map(is_norm, children))
    activations = sum(map(is_activation, children))
    if not convolutions or norms <= activations:
        return False
    return activations > 0 or bool(_APPLIED.search(_source_of_forward(module)))


def _source_of_forward(module: nn.Module) -> str:
    try:
        return inspect.getsource(type(module).forward)
    except (OSError, TypeError):
        return ""
