"""Which layers of a model with towers for images and for texts the data reach."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch import nn

from neuronwidgets.core.compiled import plain
from neuronwidgets.data.batches import batches
from neuronwidgets.models.forward import call, move
from neuronwidgets.models.hooks import evaluating, hooked

_OF_IMAGES = (nn.Conv2d, nn.Conv3d)


def reached_layers(
    model: nn.Module, data: Any, processor: Any = None, transform: Any = None
) -> frozenset[str] | None:
    """The names of the layers that one sample of the data reaches.

    `None` if the model has not both convolutions over images and a table of tokens, where the data
    could be read once only, and where the model cannot read it, which its capture then says.
    """
    model = plain(model)
    parts = dict(model.named_modules(remove_duplicate=False))
    kinds = (_OF_IMAGES, nn.Embedding)
    towers = all(any(isinstance(part, kind) for part in parts.values()) for kind in kinds)
    if not towers or hasattr(data, "__next__"):
        return None
    reached: set[str] = set()

    def noting(name: str) -> Callable[[Any], None]:
        return lambda output: reached.add(name)

    try:
        source = batches(data, model=model, processor=processor, transform=transform, batch_size=1)
        batch = next(iter(source.batches)).part(range(1))
        with evaluating(model), ExitStack() as hooks:
            for name, part in parts.items():
                hooks.enter_context(hooked(part, noting(name)))
            call(model, move(model, batch.inputs))
    except Exception:
        return None
    return frozenset(reached)
