"""Follows the labels of axes through one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from neuronwidgets.models.axes.labels import (
    BATCH,
    NEURON,
    POSITION,
    UNKNOWN,
    Labels,
    axis,
    broadcast,
    fitted,
    kind_of,
    unknown,
)
from neuronwidgets.models.axes.rules import RULES

_OF_STEPS = {
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), "recurrent layer"),
    "multi_head_attention_forward": "attention",
}


class Tracker(TorchFunctionMode):
    """Inside its `with`, passes the labels of axes from the arguments of each torch function to its
    results.

    Results of custom autograd functions and scripted modules are labelled unknown. No result is
    changed and nothing is raised.
    """

    def __init__(self) -> None:
        super().__init__()
        self._labels: Any = WeakTensorKeyDictionary()
        self.samples = 0
        """The batch size."""
        self.mixing = ""
        """What took the samples of the batch for the steps of one series; "" if nothing did."""

    def label_inputs(self, inputs: Any, samples: int) -> None:
        """Label the input tensors with `samples` rows: their first axis is the batch.

        Whole numbers are tokens. Four-dimensional floats with one or three channels are images.
        """
        self.samples = samples
        for tensor in tensors_of(inputs):
            if tensor.ndim and tensor.shape[0] == samples:
                kinds = [BATCH, *_kinds(tensor)]
                self.set(tensor, tuple(map(axis, kinds, tensor.shape)))

    def start(self) -> None:
        """Begin without a `with`; `stop` ends it."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def set(self, tensor: torch.Tensor, labels: Labels) -> None:
        """Label a tensor."""
        self._labels[tensor] = fitted(labels, tensor.shape)

    def labels(self, tensor: Any) -> Labels:
        """The labels of a tensor's axes."""
        if not isinstance(tensor, torch.Tensor):
            return ()
        labels: Labels | None = self._labels.get(tensor)
        # A tensor may have been resized in place.
        fits = labels is not None and len(labels) == tensor.ndim
        return labels if labels is not None and fits else unknown(tensor.shape)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        results = [t for t in tensors_of(out) if t.layout is torch.strided and not t.is_nested]
        if results:
            # Rules may fail on unforeseen arguments. Such results are unknown.
            try:
                name = _name(func)
                before = [self.labels(t) for t in tensors_of([args, kwargs])]
                for tensor in results:
                    self.set(tensor, self._after(name, args, kwargs, tensor, before))
            except Exception:
                for tensor in results:
                    self._labels.pop(tensor, None)
        return out

    def _after(
        self, name: str, args: Any, kwargs: Any, tensor: torch.Tensor, before: list[Labels]
    ) -> Labels:
        """The labels of one result, by the function's rule. A function without a rule counts as
        elementwise."""
        rule = RULES.get(name)
        if name in _OF_STEPS and not self.mixing and args:
            labels = self.labels(args[0])
            # Recurrent layers have `batch_first` last; attention has turned its input by now.
            steps = int(args[-1] is True)
            if len(labels) == 3 and kind_of(labels[steps]) == BATCH:
                self.mixing = _OF_STEPS[name]
        if rule is not None:
            return rule(args, kwargs, tuple(tensor.shape), self.labels)
        return broadcast(before, tensor.shape)


def _kinds(tensor: torch.Tensor) -> list[str]:
    """The kinds of an input's axes after the first."""
    rest = tensor.ndim - 1
    if not tensor.is_floating_point():
        return [POSITION] * rest
    if rest == 3 and (tensor.shape[1] in (1, 3)) != (tensor.shape[3] in (1, 3)):
        first = tensor.shape[1] in (1, 3)
        return [NEURON, POSITION, POSITION] if first else [POSITION, POSITION, NEURON]
    return [UNKNOWN] * rest


def _name(func: Callable[..., Any]) -> str:
    """The key of a torch function in `RULES`."""
    name = getattr(func, "__name__", "")
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", "")
    elif name == "unfold" and "nn.functional" in getattr(func, "__module__", ""):
        name = "unfold_patches"
    return name.strip("_")


def tensors_of(nest: Any) -> list[torch.Tensor]:
    """All tensors in a nest of mappings, tuples and lists."""
    if isinstance(nest, torch.Tensor):
        return [nest]
    if isinstance(nest, Mapping):
        nest = list(nest.values())
    if isinstance(nest, tuple | list):
        return [tensor for part in nest for tensor in tensors_of(part)]
    return []
