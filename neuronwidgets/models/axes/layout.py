"""The axes of batch, neurons and positions in a layer's output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from neuronwidgets.models.axes.labels import (
    BATCH,
    MIXED,
    NEURON,
    POSITION,
    REORDERED,
    UNKNOWN,
    Labels,
    Order,
    kind_of,
)

_LAST = ("Linear", "LayerNorm", "RMSNorm", "Embedding", "Conv1D")
"""Classes whose neurons are on the last axis. Conv1D is a linear layer of transformers."""
# Conv2d, ConvTranspose1d, LayerNorm2d, AdaptiveAvgPool2d ... but neither ConvBertLayer nor Conv1D.
_FIRST = re.compile(r"(Conv|ConvTranspose|Norm|Pool)(\d)d|GroupNorm|SyncBatchNorm|ConvLayer$")


@dataclass(frozen=True)
class Layout:
    """The kind of each axis of a layer's output.

    Attributes:
        kinds: "b" (batch), "n" (neurons) or "p" (positions) for each axis. A merged axis has
            several, outermost first: "bp" is one row per token of each text.
        reordered: whether the samples are in another order than the batch's.
        chosen: whether they were chosen by a list of rows, which may differ in the next batch.
    """

    kinds: tuple[str, ...]
    reordered: bool = False
    chosen: bool = False

    @property
    def neuron_axis(self) -> int | None:
        """The axis of the neurons; `None` if they are spread over several axes."""
        return self.neuron_axes[0] if len(self.neuron_axes) == 1 else None

    @property
    def neuron_axes(self) -> tuple[int, ...]:
        """The axes of the neurons, in order: several where heads have one of their own."""
        return tuple(i for i, kind in enumerate(self.kinds) if kind == NEURON)

    def rows(self, tensor: torch.Tensor, samples: int) -> torch.Tensor:
        """The output as `B x D`, or `B x P x D` with positions: a view where possible."""
        shape, parts = self._parts(tensor.shape, samples)
        tensor = tensor.reshape(shape).permute(_order(parts))
        neurons = parts.count(NEURON)
        if neurons != 1:
            tensor = tensor.flatten(tensor.ndim - neurons)
        return tensor.flatten(1, -2) if tensor.ndim > 2 else tensor

    def output(self, rows: torch.Tensor, shape: Sequence[int], samples: int) -> torch.Tensor:
        """The inverse of `rows`, for an output of `shape`."""
        sizes, parts = self._parts(shape, samples)
        order = _order(parts)
        back = sorted(range(len(order)), key=order.__getitem__)
        return rows.reshape([sizes[i] for i in order]).permute(back).reshape(tuple(shape))

    def _parts(self, sizes: Sequence[int], samples: int) -> tuple[list[int], list[str]]:
        """The sizes and kinds of all axes, with merged axes split."""
        shape: list[int] = []
        parts: list[str] = []
        for kind, size in zip(self.kinds, sizes, strict=True):
            if len(kind) == 1:
                shape, parts = [*shape, size], [*parts, kind]
                continue
            # The batch's size is known, and gives the number of positions.
            shape += [samples if k == BATCH else size // samples for k in kind]
            parts += kind
        return shape, parts


def _order(parts: Sequence[str]) -> list[int]:
    """The permutation to batch, positions, neurons."""
    return sorted(range(len(parts)), key=lambda i: (BATCH, POSITION, NEURON).index(parts[i]))


def own_axis(module: nn.Module, dimensions: int) -> int | None:
    """The neuron axis by a module's class; `None` for classes without one.

    It is 1 for convolutions, their norms and pools, and the last for linear maps, layer norms and
    embeddings.
    """
    kind = type(module).__name__
    channels_first = _FIRST.search(kind) is not None
    if channels_first or getattr(module, "data_format", "") == "channels_first":
        return 1
    if any(kind.startswith(name) or kind.endswith(name) for name in _LAST):
        return dimensions - 1
    return None


def layout_of(
    module: nn.Module,
    labels: Labels,
    shape: Sequence[int],
    samples: int,
    inherited: Labels = (),
    neuron_axis: int | None = None,
    batch_axis: int | None = None,
    guess: bool = True,
) -> Layout | None:
    """The layout of an output of `shape`; `None` if it stays unclear.

    Args:
        module: the layer.
        labels: the labels of the output's axes, by `Tracker`.
        shape: the shape of the output.
        samples: the batch size.
        inherited: the labels of the layer's input. They replace unknown labels if the output has
            the input's shape, as in a block of a residual stream.
        neuron_axis, batch_axis: the user's axes, which win.
        guess: whether a first axis of unknown kind that has the size of the batch is the batch.
            Experts may have as many rows, or be as many.
    """
    kinds = [kind_of(label) for label in labels]
    if len(kinds) < 2:
        return None
    if UNKNOWN in "".join(kinds) and [_size(label) for label in inherited] == list(shape):
        kinds = [kind_of(inherited[i]) if UNKNOWN in kind else kind for i, kind in enumerate(kinds)]
    reordered = any(REORDERED in kind for kind in kinds)
    kinds = [kind.replace(REORDERED, BATCH) for kind in kinds]
    chosen = any(isinstance(kind, Order) for label in labels for kind, _ in label)
    axes = [a for a in (neuron_axis, batch_axis) if a is not None]
    if not all(-len(kinds) <= a < len(kinds) for a in axes):
        return None
    if batch_axis is not None:
        kinds = [k.replace(BATCH, "") or UNKNOWN for k in kinds]
        kinds[batch_axis % len(kinds)] = BATCH
    batched = _with_batch(kinds, shape, samples, guess)
    if batched is None:
        return None
    axis = own_axis(module, len(kinds)) if neuron_axis is None else neuron_axis % len(kinds)
    full = _with_neurons(batched, axis, neuron_axis is not None)
    return None if full is None else Layout(tuple(full), reordered, chosen)


def _size(label: tuple[tuple[str, int], ...]) -> int:
    size = 1
    for _, count in label:
        size *= count
    return size


def _with_batch(
    kinds: list[str], shape: Sequence[int], samples: int, guess: bool
) -> list[str] | None:
    """The kinds with one batch axis: the labelled one, else the first axis if its size fits, and
    `guess`."""
    batch = [i for i, kind in enumerate(kinds) if BATCH in kind]
    if guess and not batch and UNKNOWN in kinds[0] and shape[0] == samples:
        return [BATCH, *kinds[1:]]
    if len(batch) != 1 or kinds[batch[0]].count(BATCH) != 1:
        return None
    merged = kinds[batch[0]]
    if merged == BATCH:
        return kinds if shape[batch[0]] == samples else None
    if set(merged) <= {BATCH, POSITION, UNKNOWN} and len(merged) == 2:
        if shape[batch[0]] % samples:
            return None
        kinds[batch[0]] = merged.replace(UNKNOWN, POSITION)
        return kinds
    return None


def _with_neurons(kinds: list[str], own: int | None, certain: bool) -> list[str] | None:
    """The kinds with all axes told apart: neurons and positions. `own` is the neurons' axis by the
    layer's class, or, if `certain`, as the user says."""
    rest = [i for i, kind in enumerate(kinds) if BATCH not in kind]
    chosen: list[int] = []
    for wanted in (MIXED, NEURON):
        chosen = chosen or [i for i in rest if wanted in kinds[i]]
    # An axis of neurons that were spread over positions, beside one of neurons alone (upsampling).
    chosen = [i for i in chosen if kinds[i] in (NEURON, MIXED)] or chosen
    if own is not None and own in rest and (certain or len(chosen) != 1):
        chosen = [own]
    open_ = [i for i in rest if UNKNOWN in kinds[i]]
    if not chosen and len(open_) == 1:
        chosen = open_
    if not chosen and len(rest) == 1:
        chosen = rest
    if not chosen:
        return None
    return [
        kind if i not in rest else NEURON if i in chosen else POSITION
        for i, kind in enumerate(kinds)
    ]
