"""The one hook that every reader and editor of a layer uses; it dies with its `with`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from neuronwidgets.models.run import call, described


class _Reached(BaseException):
    """Ends a forward pass as soon as the layer that is read has answered.

    No `Exception`, so that a model that catches those does not go on.
    """


@contextmanager
def hooked(
    module: nn.Module, hook: Callable[[Any], Any], every_thread: bool = False
) -> Iterator[None]:
    """Call `hook(output)` at every forward of `module` made by this thread.

    What the hook returns replaces the output; `None` leaves it. Other threads' passes through
    the same module are not touched, so that a widget's job and a user's cell can share a model;
    with `every_thread` they are, as when a model generates on a thread of its own.
    """
    owner = threading.get_ident()

    def edit(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        return hook(output) if every_thread or threading.get_ident() == owner else None

    handle = module.register_forward_hook(edit)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """`model.eval()` without gradients; each module's own mode is restored on every way out.

    Not `torch.inference_mode`: a tensor that the model keeps from such a pass (a cache of rotary
    positions, say) could never be trained through again.
    """
    training = [module for module in model.modules() if module.training]
    if training:
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True


class Reader:
    """Runs a model up to one layer and no further, and returns that layer's raw output."""

    def __init__(self, model: nn.Module, module: nn.Module, name: str) -> None:
        self._model, self._module, self._name = model, module, name

    def __call__(self, inputs: Any) -> Any:
        """Args: `inputs`: a mapping (keywords), a tuple (positional) or a single argument."""
        kept: list[Any] = []

        def keep(output: Any) -> None:
            kept.append(output)
            raise _Reached

        with hooked(self._module, keep):
            try:
                call(self._model, inputs)
            except _Reached:
                return kept[0]
            except torch.OutOfMemoryError:
                raise
            except (AttributeError, IndexError, KeyError, RuntimeError, TypeError) as error:
                raise RuntimeError(
                    f"{type(self._model).__name__} could not run on this data "
                    f"({described(inputs)}): {error}"
                ) from error
        raise ValueError(
            f"layer {self._name!r} was never called while {type(self._model).__name__} ran on this "
            "data: choose a layer that the forward pass uses."
        )
