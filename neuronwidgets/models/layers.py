"""Layers by their names in `torch.nn.Module.named_modules()`."""

from __future__ import annotations

import difflib
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import nn

from neuronwidgets.core.compiled import COMPILED, plain
from neuronwidgets.core.layer_place import At
from neuronwidgets.display.html import table
from neuronwidgets.models.neurons import neuron_layers

_WIDTH_ATTRIBUTES = ("out_features", "out_channels", "num_features", "embedding_dim", "nf")
_INPUT_WIDTHS = ("in_features", "nx")


@dataclass(frozen=True)
class Layer:
    """One module of a model that `layer=` accepts."""

    name: str
    type: str
    width: int | None
    """Number of neurons at `at`; `None` where only a forward pass can tell."""
    neurons: bool = False
    """Whether it holds what is commonly called "neurons", see `models.neurons.neuron_layers`."""
    at: At = "output"
    """Whether its output holds them, or its input, which `capture(..., at="input")` reads."""


@dataclass(frozen=True, repr=False)
class Layers(Sequence[Layer]):
    """The layers of a model, in the order of `named_modules()`. A `*` marks layers of neurons."""

    model: str
    rows: tuple[Layer, ...]

    @overload
    def __getitem__(self, index: int) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Layer, ...]: ...
    def __getitem__(self, index: int | slice) -> Layer | tuple[Layer, ...]:
        return self.rows[index]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        wide = max((len(row.name) for row in self.rows), default=4)
        kind = max((len(row.type) for row in self.rows), default=4)
        lines = [f"{self.model}: {len(self)} layers", f"{'name':<{wide}}  {'type':<{kind}}  width"]
        lines += [
            f"{r.name:<{wide}}  {r.type:<{kind}}  {r.width or '–':>5}{' *' if r.neurons else ''}"
            f"{' (input)' if r.at == 'input' else ''}"
            for r in self.rows
        ]
        if any(row.neurons for row in self.rows):
            lines.append('* commonly called "neurons"')
        if any(row.at == "input" for row in self.rows):
            lines.append("(input) the neurons are the layer's input: capture(..., at='input')")
        return "\n".join(lines)

    @property
    def neurons(self) -> tuple[str, ...]:
        """The names of the layers that hold what is commonly called "neurons". Each row's `at` says
        whether its output does or its input."""
        return tuple(row.name for row in self.rows if row.neurons)

    def _repr_html_(self) -> str:
        rows = [
            (f"<code>{html.escape(r.name)}</code>", html.escape(r.type), f"{r.width or '–'}",
             ("● input" if r.at == "input" else "●") if r.neurons else "")
            for r in self.rows
        ]  # fmt: skip
        kinds = (
            "activation functions, blocks and channels of convolutions; input: that of the down "
            "projection of a gated MLP, which at=&quot;input&quot; reads"
        )
        head = ("layer", "type", "width", f"<span title='{kinds}'>neurons</span>")
        return (
            f"<p>{html.escape(self.model)}: {len(self)} layers</p>"
            f"<div style='max-height:24em;overflow:auto'>{table(head, rows, {0, 1})}</div>"
        )

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with the columns `name`, `type`, `width`, `neurons`, `at`."""
        import pandas as pd

        columns = ["name", "type", "width", "neurons", "at"]
        rows = [(r.name, r.type, r.width, r.neurons, r.at) for r in self.rows]
        return pd.DataFrame(rows, columns=columns)


def _width(module: nn.Module, at: At) -> int | None:
    for attribute in _WIDTH_ATTRIBUTES if at == "output" else _INPUT_WIDTHS:
        value = getattr(module, attribute, None)
        if isinstance(value, int):
            return value
    # I-BERT's norm has a number here.
    shape = getattr(module, "normalized_shape", None)
    if isinstance(shape, list | tuple) and shape:
        shape = shape[-1]
    return shape if isinstance(shape, int) else None


def require_module(model: object) -> nn.Module:
    """`model`, refused if it is no module, or TorchScript, whose layers nobody can reach."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a torch.nn.Module, got a {type(model).__name__} (of a Hugging Face "
            "pipeline, pass pipeline.model)."
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError(
            f"model is TorchScript (a {type(model).__name__}), whose layers cannot be read or "
            "edited: pass the module that it was made from."
        )
    return model


def _row(name: str, module: nn.Module, neurons_at: At | None) -> Layer:
    """A layer's row; `neurons_at` says where its neurons are, `None` if it holds none."""
    at = neurons_at or "output"
    return Layer(name, type(module).__name__, _width(module, at), neurons_at is not None, at)


def layers(model: nn.Module) -> Layers:
    """List the layers of `model` that `layer=` accepts.

    Each has its name, its type, its width if the module states it, and whether its output is
    commonly called "neurons". Of a gated MLP, as in Llama, it is the input of the down projection:
    capture it with `at="input"`. `layers(model).neurons` are the names of those.
    """
    model = plain(require_module(model))
    neurons = neuron_layers(model)
    rows = tuple(
        _row(name, module, neurons.get(name))
        for name, module in model.named_modules()
        # Lists of modules are never called.
        if name and not isinstance(module, nn.ModuleList | nn.ModuleDict)
    )
    return Layers(type(model).__name__, rows)


def find_layer(model: nn.Module, name: str | nn.Module) -> nn.Module:
    """The module called `name` in `model.named_modules()`, or `name` itself if it is one of them.

    Raises:
        ValueError: no such layer. The message lists the nearest names.
        TypeError: neither a name nor a module.
    """
    model = plain(require_module(model))
    # Keep duplicates: a shared module has several names.
    modules = dict(model.named_modules(remove_duplicate=False))
    if isinstance(name, str) and name.removeprefix(COMPILED) in modules:
        return modules[name.removeprefix(COMPILED)]
    if isinstance(name, nn.Module) and any(name is module for module in modules.values()):
        return name
    names = [n for n in modules if n]
    what = str(name) if isinstance(name, str | int) else type(name).__name__
    near = difflib.get_close_matches(what, names, n=3, cutoff=0.5)
    near += [n for n in names if n.endswith(f".{what}") and n not in near][:3]
    hint = f" Nearest: {', '.join(map(repr, near))}." if near else ""
    everything = f"neuronwidgets.layers(model) lists all {len(names)} names."
    if isinstance(name, str):
        raise ValueError(
            f"layer {name!r} does not exist in {type(model).__name__}.{hint} {everything}"
        )
    if isinstance(name, nn.Module):
        raise ValueError(
            f"layer is a {what} that does not exist in {type(model).__name__}.{hint} {everything}"
        )
    raise TypeError(
        f"layer must be a name, got {name!r:.40} ({type(name).__name__}).{hint} {everything}"
    )


def layer_name(model: nn.Module, layer: str | nn.Module) -> str:
    """The name of a layer given by its name or as a module of the model.

    Raises:
        ValueError, TypeError: see `find_layer`.
    """
    module = find_layer(model, layer)
    if isinstance(layer, str):
        return layer
    return next(name for name, part in plain(model).named_modules() if part is module)
