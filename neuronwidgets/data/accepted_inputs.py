"""The input names that a model's `forward` accepts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from neuronwidgets.core.compiled import plain

_TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""Inputs that tokenizers give. A `forward` without named parameters is taken to accept these."""
_MAPPING = re.compile(r"^(typing\.|collections\.abc\.)?([Dd]ict|Mapping|BatchEncoding)\b")


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside wrappers that pass all inputs on: of `torch.compile`, `nn.DataParallel` and
    others whose `forward` names no argument and that hold one module. Else the model itself."""
    model = plain(model)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    while not isinstance(model, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        parameters = inspect.signature(model.forward).parameters.values()
        children = list(model.children())
        if len(children) != 1 or any(p.kind not in variable for p in parameters):
            break
        model = plain(children[0])
    return model


@dataclass(frozen=True)
class Arguments:
    """What a model's `forward` takes by position.

    Attributes:
        names: the names, in order.
        required: how many it needs.
        most: how many it takes; `None` for any number.
    """

    names: tuple[str, ...] = ()
    required: int = 1
    most: int | None = None

    @classmethod
    def of(cls, model: nn.Module | None) -> Arguments:
        """The arguments of a model; without one, any number of them."""
        if model is None:
            return cls()
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = inspect.signature(unwrapped(model).forward).parameters.values()
        named = [p for p in parameters if p.kind in kinds]
        required = [p for p in named if p.default is inspect.Parameter.empty]
        any_number = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
        most = None if any_number else len(named)
        return cls(tuple(p.name for p in named), len(required), most)

    def name(self, index: int) -> str:
        """The name of an argument by its position; "" if it has none."""
        return self.names[index] if index < len(self.names) else ""


def accepts(model: nn.Module | None) -> Callable[[str], bool]:
    """Return a test of input names: does the model's `forward` accept this one?

    A `forward` that names no parameters (`*args, **kwargs`) accepts `_TEXT_INPUTS`, and so does one
    that takes a mapping of them.
    """
    named = [] if model is None else _named(model)
    if named and _is_mapping(named[0]):
        named = []
    return frozenset([p.name for p in named] or _TEXT_INPUTS).__contains__


def refuses(model: nn.Module | None) -> Callable[[str], bool]:
    """Return a test of input names: does the model's `forward` fail when it is given this one?

    A `forward` with `**kwargs` refuses none, nor does one that takes a mapping of inputs.
    """
    if model is None:
        return lambda name: False
    parameters = inspect.signature(unwrapped(model).forward).parameters.values()
    takes, named = accepts(model), _named(model)
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    open_ended = open_ended or bool(named and _is_mapping(named[0]))
    return lambda name: not open_ended and not takes(name)


def takes_one_mapping(model: nn.Module, names: Iterable[str]) -> bool:
    """Whether a model takes inputs of these names as one mapping, its only required argument, as
    SentenceTransformer and models of `batch` do."""
    named = _named(model)
    required = required_inputs(model)
    return required == [p.name for p in named[:1]] != [] and not any(p.name in names for p in named)


def named_inputs(model: nn.Module) -> list[str]:
    """The names of the parameters of a model's `forward`."""
    return [p.name for p in _named(model)]


def required_inputs(model: nn.Module) -> list[str]:
    """The names of the parameters of a model's `forward` that have no default."""
    return [p.name for p in _named(model) if p.default is inspect.Parameter.empty]


def takes_tensor(model: nn.Module, name: str) -> bool:
    """Whether a model of `takes_one_mapping` takes a tensor, so that a mapping of it alone, as a
    data set gives its samples, is to be opened: no part of the model reads a mapping."""
    if _is_mapping(_named(model)[0]):
        return False
    for part in plain(model).modules():
        code = getattr(inspect.unwrap(type(part).forward), "__code__", None)
        if code is None or type(part).__module__.startswith("torch."):
            continue
        if name in code.co_consts or {"keys", "values", "items", "get"} & set(code.co_names):
            return False
    return True


def unfit(model: nn.Module, inputs: Any) -> str | None:
    """A sentence on inputs that a model's `forward` does not take, or lacks; `None` if they fit."""
    forward = inspect.signature(unwrapped(model).forward)
    shown = f"forward({', '.join(p.name for p in _named(model))})"
    if isinstance(inputs, Mapping) and takes_one_mapping(model, inputs):
        if not all(takes_tensor(model, name) for name in inputs):
            return None
        own = _named(model)[0].name
        return (
            f"{shown} gets a mapping of {', '.join(map(repr, inputs))}, and no part of the model "
            f"reads one. Call its input {own!r} and the labels 'label', or pass (input, label) "
            "pairs."
        )
    mapping = isinstance(inputs, Mapping)
    given = inputs if isinstance(inputs, tuple) else () if mapping else (inputs,)
    names = dict(inputs) if mapping else {}
    try:
        forward.bind(*given, **names)
    except TypeError:
        pass
    else:
        return None
    unknown = [name for name in names if name not in forward.parameters]
    if unknown:
        fields = " and ".join(map(repr, unknown[:3]))
        return (
            f"{shown} does not take {fields}. Leave such fields out of the batches; the labels "
            "may be called 'label'."
        )
    arguments = Arguments.of(model)
    if arguments.most is not None and len(given) > arguments.most:
        most = arguments.most
        return (
            f"{shown} takes {most} input{'s' * (most != 1)}, and the batch has {len(given)}. Pass "
            "(inputs, labels) pairs, of which inputs may be a tuple."
        )
    needed = required_inputs(model)
    missing = " and ".join(repr(n) for n in needed[len(given) :] if n not in names)
    example = ", ".join(needed)
    return missing and (
        f"{shown} also needs {missing}, which the data does not give. Pass ready batches that "
        f"have it: [({example})], or a DataLoader of such tuples."
    )


def _named(model: nn.Module) -> list[inspect.Parameter]:
    """The named parameters of a model's `forward`."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(unwrapped(model).forward).parameters.values()
    return [p for p in parameters if p.kind not in variable]


def _is_mapping(parameter: inspect.Parameter) -> bool:
    """Whether a parameter is a mapping, by its annotation, or else by its name."""
    kind = parameter.annotation
    if kind is inspect.Parameter.empty:
        return parameter.name in ("batch", "features")
    kind = kind if isinstance(kind, str) else f"{getattr(kind, '__name__', '')} {kind}"
    return bool(_MAPPING.search(kind))
