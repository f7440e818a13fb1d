"""The collectors of each layer, fed batch by batch."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from neuronwidgets.capturing.collectors import Chunk, Collector
from neuronwidgets.capturing.collectors.side_by_side import can_be_joined, joined, separated
from neuronwidgets.capturing.rows import LayerRows


class LayerCollectors:
    """The collectors of each layer: copies, so that the user's own stay empty.

    Layers of one width are fed side by side where a collector can: a GPU so gets as many kernels
    and reads for twelve layers as for one, except those that read the rows.
    """

    def __init__(
        self, layers: Sequence[str], collectors: Sequence[Collector], nonfinite: str | None
    ) -> None:
        self._nonfinite = nonfinite
        self._by_layer = {
            name: [copy.deepcopy(collector) for collector in collectors]
            for name in (layers if collectors else ())
        }
        # Layers -> the number of a collector -> it, of these layers side by side.
        self._joined: dict[tuple[str, ...], dict[int, Collector]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_layer)

    @property
    def collectors(self) -> dict[str, list[Collector]]:
        """The collectors by layer, with all rows so far."""
        for layers, wholes in self._joined.items():
            for number, whole in wholes.items():
                for layer, part in zip(layers, separated(whole, len(layers)), strict=True):
                    self._by_layer[layer][number] = part
        self._joined = {}
        return self._by_layer

    def add(self, rows: list[LayerRows]) -> list[LayerRows]:
        """Feed one batch of all layers. Returns the rows, without non-finite ones if excluded."""
        if not self:
            return rows
        if self._nonfinite is not None:
            refuse = self._nonfinite == "refuse"
            # One read of the device for all layers.
            finite = torch.cat([part.finite() for part in rows]).cpu().numpy()
            ends = np.cumsum([len(part.values) for part in rows])[:-1]
            # Check all layers first: a refused batch must not enter any collector.
            rows = [
                part.without(one, refuse)
                for part, one in zip(rows, np.split(finite, ends), strict=True)
            ]
        for group in _side_by_side(rows):
            self._add(group)
        return rows

    def _add(self, group: list[LayerRows]) -> None:
        """Feed layers with the same rows of one width."""
        layers = tuple(part.layer for part in group)
        if layers not in self._joined:
            self._join(layers)
        wholes = self._joined[layers]
        chunk = chunk_of(group, finite=self._nonfinite is not None)
        for whole in wholes.values():
            whole.add(chunk)
        columns = enumerate(zip(*(self._by_layer[layer] for layer in layers), strict=True))
        rest = [
            column
            for number, column in columns
            if number not in wholes and not _add_layers(column, chunk)
        ]
        if rest:
            for collectors, one in zip(zip(*rest, strict=True), chunk.layers(), strict=True):
                for collector in collectors:
                    collector.add(one)

    def _join(self, layers: tuple[str, ...]) -> None:
        """Join the collectors of layers that were not joined, or otherwise, before."""
        by_layer = self._by_layer
        if any({*layers} & {*others} for others in self._joined):
            by_layer = self.collectors
        wholes = self._joined[layers] = {}
        columns = enumerate(zip(*(by_layer[layer] for layer in layers), strict=True))
        for number, column in columns if len(layers) > 1 else ():
            if can_be_joined(column):
                wholes[number] = joined(column)
                for layer in layers:
                    # Let go of the state, of which the joined one has a copy.
                    by_layer[layer][number] = wholes[number]

    def merge(self, others: dict[str, list[Collector]]) -> None:
        """Merge the collectors of another process, by layer."""
        for name, collectors in self.collectors.items():
            for mine, other in zip(collectors, others[name], strict=True):
                mine.merge(other)

    def results(self, layer: str) -> list[Any]:
        """The results of a layer's collectors."""
        return [collector.result() for collector in self.collectors.get(layer, [])]

    def state(self) -> bytes:
        """All collectors, pickled. Equal states give equal bytes."""
        return pickled(self.collectors)

    def resume(self, state: bytes) -> None:
        """Continue from the bytes of `state`."""
        self._by_layer, self._joined = _Unpickler(io.BytesIO(state)).load(), {}


def _add_layers(collectors: Sequence[Collector], chunk: Chunk) -> bool:
    """Add layers side by side to a collector of each, if their kind can."""
    kind = type(collectors[0])
    return all(type(one) is kind for one in collectors) and kind._add_layers(collectors, chunk)


def chunk_of(group: Sequence[LayerRows], finite: bool = False) -> Chunk:
    """The same rows of several layers in the form for collectors.

    Args:
        finite: whether all values are known to be finite.
    """
    first = group[0]
    position = None if first.position is None else torch.as_tensor(first.position)
    code = None if first.code is None else torch.as_tensor(first.code)
    return Chunk(
        [part.values for part in group],
        torch.as_tensor(first.sample),
        position,
        code,
        finite=finite,
        lasting=True,
    )


def _side_by_side(rows: Sequence[LayerRows]) -> Iterator[list[LayerRows]]:
    """The layers' rows in groups of equal rows and width. A layer comes once in a group."""
    groups: list[list[LayerRows]] = []
    for part in rows:
        fitting = (group for group in groups if _fits(part, group))
        group = next(fitting, None)
        if group is None:
            groups.append([part])
        else:
            group.append(part)
    yield from groups


def _fits(part: LayerRows, group: list[LayerRows]) -> bool:
    first = group[0]
    if any(part.layer == other.layer for other in group):
        return False
    own, other = part.values, first.values
    return (
        (own.shape, own.dtype, own.device) == (other.shape, other.dtype, other.device)
        and _equal(part.sample, first.sample)
        and _equal(part.position, first.position)
        and _equal(part.code, first.code)
    )


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or np.array_equal(one, other)


class _Pickler(pickle.Pickler):
    """Pickles tensors by their values. torch would also write their place in memory."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dtype != torch.bfloat16:
            return torch.from_numpy, (value.detach().cpu().contiguous().numpy(),)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    """Reads states of version 0.1, in which this room was called `capture`."""

    def find_class(self, module: str, name: str) -> Any:
        former, room = "neuronwidgets.capture.", "neuronwidgets.capturing."
        if module.startswith(former):
            module = room + module.removeprefix(former)
        return super().find_class(module, name)


def pickled(state: Any) -> bytes:
    """`state` as bytes. Equal states give equal bytes."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=4).dump(state)
    return buffer.getvalue()
