"""The input names that a model's `forward` accepts."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from torch import nn

from neuronwidgets.core.compiled import plain

_TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""Inputs that tokenizers give. A `forward` without named parameters is taken to accept these."""


def accepts(model: nn.Module | None) -> Callable[[str], bool]:
    """Return a test of input names: does the model's `forward` accept this one?

    A `forward` that names no parameters (`*args, **kwargs`) accepts `_TEXT_INPUTS`.
    """
    names: list[str] = []
    if model is not None:
        forward = inspect.signature(plain(model).forward)
        variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        names = [name for name, p in forward.parameters.items() if p.kind not in variable]
    return frozenset(names or _TEXT_INPUTS).__contains__


def refuses(model: nn.Module | None) -> Callable[[str], bool]:
    """Return a test of input names: does the model's `forward` fail when it is given this one?

    A `forward` with `**kwargs` refuses none.
    """
    if model is None:
        return lambda name: False
    parameters = inspect.signature(plain(model).forward).parameters.values()
    takes = accepts(model)
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    return lambda name: not open_ended and not takes(name)
