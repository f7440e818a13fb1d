"""The inputs that a model's `forward` accepts."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from torch import nn

from neuronwidgets.core.compiled import plain

_USUAL = ("input_ids", "attention_mask", "token_type_ids")


def accepts(model: nn.Module | None) -> Callable[[str], bool]:
    """Whether a model's `forward` names an input; of one that does not name any, whether texts
    usually come with it."""
    names: list[str] = []
    if model is not None:
        forward = inspect.signature(plain(model).forward)
        variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        names = [name for name, p in forward.parameters.items() if p.kind not in variable]
    return frozenset(names or _USUAL).__contains__
