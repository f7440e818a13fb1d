"""Where the batch, the neurons and the positions of a layer's output are."""

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
    UNKNOWN,
    Labels,
    kind_of,
)

_LAST = ("Linear", "LayerNorm", "RMSNorm", "Embedding", "Conv1D")
# Conv2d, ConvTranspose1d, LayerNorm2d, AdaptiveAvgPool2d ... but not ConvBertLayer, nor Conv1D, a
# linear layer of transformers.
_FIRST = re.compile(r"(Conv|ConvTranspose|Norm|Pool)(\d)d|GroupNorm|SyncBatchNorm|ConvLayer$")


@dataclass(frozen=True)
class Layout:
    """What each axis of a layer's output holds.

    Attributes:
        kinds: for each axis "b" (batch), "n" (neurons), "p" (positions), or several that are merged
            into one, outermost first: "bp" is one row for each token of each text.
    """

    kinds: tuple[str, ...]

    @property
    def neuron_axis(self) -> int | None:
        """The axis of the neurons; `None` where they are spread over several."""
        places = [i for i, kind in enumerate(self.kinds) if kind == NEURON]
        return places[0] if len(places) == 1 else None

    def rows(self, tensor: torch.Tensor, samples: int) -> torch.Tensor:
        """The output as `B x D`, or `B x P x D` where there are positions (a view if it can be)."""
        shape, parts = self._parts(tensor.shape, samples)
        tensor = tensor.reshape(shape).permute(_order(parts))
        neurons = parts.count(NEURON)
        if neurons != 1:
            tensor = tensor.flatten(tensor.ndim - neurons)
        return tensor.flatten(1, -2) if tensor.ndim > 2 else tensor

    def output(self, rows: torch.Tensor, shape: Sequence[int], samples: int) -> torch.Tensor:
        """What `rows` made of an output of `shape`, as that output again."""
        sizes, parts = self._parts(shape, samples)
        order = _order(parts)
        back = sorted(range(len(order)), key=order.__getitem__)
        return rows.reshape([sizes[i] for i in order]).permute(back).reshape(tuple(shape))

    def _parts(self, sizes: Sequence[int], samples: int) -> tuple[list[int], list[str]]:
        """Merged axes taken apart: sizes and kinds."""
        shape: list[int] = []
        parts: list[str] = []
        for kind, size in zip(self.kinds, sizes, strict=True):
            if len(kind) == 1:
                shape, parts = [*shape, size], [*parts, kind]
                continue
            # Of a text's batch and positions the batch's size is known.
            shape += [samples if k == BATCH else size // samples for k in kind]
            parts += kind
        return shape, parts


def _order(parts: Sequence[str]) -> list[int]:
    """The batch first, then positions, then neurons."""
    return sorted(range(len(parts)), key=lambda i: (BATCH, POSITION, NEURON).index(parts[i]))


def own_axis(module: nn.Module, dimensions: int) -> int | None:
    """The neuron axis that a module's class has by definition: convolutions, their norms and pools
    1 (of unbatched maps 0), linear maps, layer norms and embeddings the last; else `None`."""
    kind = type(module).__name__
    found = _FIRST.search(kind)
    if found is not None or getattr(module, "data_format", "") == "channels_first":
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
) -> Layout | None:
    """The layout of an output of `shape`, from its labels; `None` where that stays unclear.

    Args:
        module: the layer.
        labels: what `Tracker` says of the output's axes.
        samples: the size of the batch.
        inherited: the labels of the layer's input, for what the tracker could not follow inside the
            layer: of a layer whose output has its input's shape (a block of a residual stream).
        neuron_axis, batch_axis: what the user says; it wins.
    """
    kinds = [kind_of(label) for label in labels]
    if len(kinds) < 2:
        return None
    if UNKNOWN in "".join(kinds) and [_size(label) for label in inherited] == list(shape):
        kinds = [kind_of(inherited[i]) if UNKNOWN in kind else kind for i, kind in enumerate(kinds)]
    axes = [a for a in (neuron_axis, batch_axis) if a is not None]
    if not all(-len(kinds) <= a < len(kinds) for a in axes):
        return None
    if batch_axis is not None:
        kinds = [k.replace(BATCH, "") or UNKNOWN for k in kinds]
        kinds[batch_axis % len(kinds)] = BATCH
    batched = _with_batch(kinds, shape, samples)
    if batched is None:
        return None
    own = own_axis(module, len(kinds)) if neuron_axis is None else neuron_axis % len(kinds)
    told = _with_neurons(batched, own, neuron_axis is not None)
    return None if told is None else Layout(tuple(told))


def _size(label: tuple[tuple[str, int], ...]) -> int:
    size = 1
    for _, count in label:
        size *= count
    return size


def _with_batch(kinds: list[str], shape: Sequence[int], samples: int) -> list[str] | None:
    """The kinds with one batch axis: the labelled one, else the first axis if its size fits."""
    batch = [i for i, kind in enumerate(kinds) if BATCH in kind]
    if not batch and UNKNOWN in kinds[0] and shape[0] == samples:
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
