"""A batch's rows, of one layer or of several side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import torch

from neuronwidgets.capturing.collectors import fused
from neuronwidgets.capturing.collectors.device import read, sent

POSITIONS = 1 << 24
"""Positions that a sample may have: 24 bits of a row's key. The sample takes the other 39."""
EMPTY = (1 << 63) - 1
"""The key of no row. It sorts after all others."""


class Chunk:
    """`N` rows of a layer of `D` neurons: one batch, without its padding.

    Layers of one width that a pass reads on the same rows may come side by side, as one layer with
    the neurons of all. Only collectors with `per_neuron` see such chunks.

    Args:
        rows: `N x D`; or several such tensors of one shape, dtype and device, the layers.
        finite: whether all values are known to be finite.
        lasting: whether the rows stay as they are while collectors take them in: what several
            collectors need of them is then computed once.

    Attributes:
        blocks: the layers' rows, `N x D` each, on the model's device, in the model's dtype.
        given: the same as one tensor: a copy if there are several.
        rows: the same in float32: a copy, made when it is first asked for, unless they are float32.
        sample: int64 `N`, the index of each row's text or image in the data.
        position: int64 `N`, each row's token or map position, from 0 and less than 2^24; `None`
            for whole samples. Each `(sample, position)` occurs once in the data.
        label: int64 `N`, codes from 0, -1 for unlabelled; or `None`.

    Raises:
        ValueError: `rows` is no matrix of floats, or a column has another length.
    """

    def __init__(
        self,
        rows: torch.Tensor | Sequence[torch.Tensor],
        sample: torch.Tensor,
        position: torch.Tensor | None = None,
        label: torch.Tensor | None = None,
        *,
        finite: bool = False,
        lasting: bool = False,
    ) -> None:
        blocks = (rows,) if isinstance(rows, torch.Tensor) else tuple(rows)
        for block in blocks:
            if block.ndim != 2 or not block.is_floating_point():
                raise ValueError(
                    f"rows must be floats, rows x neurons, got {block.dtype} of shape "
                    f"{tuple(block.shape)}."
                )
        self.blocks = tuple(block.detach() for block in blocks)
        self._known_finite, self._lasting = finite, lasting
        # As they were given: if on the CPU, reading them does not have to wait for a device.
        self._sample = self._column("sample", sample)
        self._position = None if position is None else self._column("position", position)
        self._label = None if label is None else self._column("label", label)

    def _column(self, name: str, column: torch.Tensor) -> torch.Tensor:
        if column.shape != (len(self),) or column.is_floating_point():
            raise ValueError(
                f"{name} must have one whole number for each of the {len(self)} rows, got "
                f"{column.dtype} of shape {tuple(column.shape)}."
            )
        return column.to(torch.int64)

    @cached_property
    def sample(self) -> torch.Tensor:
        return sent(self._sample, self.device)

    @cached_property
    def position(self) -> torch.Tensor | None:
        return None if self._position is None else sent(self._position, self.device)

    @cached_property
    def label(self) -> torch.Tensor | None:
        return None if self._label is None else sent(self._label, self.device)

    @property
    def device(self) -> torch.device:
        """The device of the rows."""
        return self.blocks[0].device

    @property
    def neurons(self) -> int:
        """The number of neurons, of all blocks."""
        return sum(block.shape[1] for block in self.blocks)

    @cached_property
    def given(self) -> torch.Tensor:
        """All blocks as one tensor."""
        return self.blocks[0] if len(self.blocks) == 1 else torch.cat(self.blocks, 1)

    @cached_property
    def rows(self) -> torch.Tensor:
        """`given` in float32."""
        return self.given.float()

    def __len__(self) -> int:
        return len(self.blocks[0])

    @cached_property
    def _own_key(self) -> torch.Tensor:
        """`key` where the columns were given, on one device."""
        start = self._sample * POSITIONS
        return start if self._position is None else start + self._position.to(start.device)

    @cached_property
    def key(self) -> torch.Tensor:
        """Sample and position in one number: int64 `N`. It sorts by sample, then position."""
        return sent(self._own_key, self.device)

    @cached_property
    def span(self) -> tuple[int, int]:
        """The smallest and the largest key, of at least one row."""
        if self._own_key.device.type == "cpu":
            key = self._own_key.numpy()
            return int(key.min()), int(key.max())
        first, last = read(torch.stack([self._own_key.amin(), self._own_key.amax()]))
        return first, last

    @cached_property
    def ascending(self) -> bool:
        """Whether the keys are known to increase, without asking a device."""
        key = self._own_key
        return key.device.type == "cpu" and bool((key[1:] > key[:-1]).all())

    @cached_property
    def fused(self) -> fused.Rows:
        """The rows as kernels take them."""
        return fused.Rows.of(self.blocks)

    @cached_property
    def sums(self) -> torch.Tensor:
        """See `fused.power_sums`."""
        return fused.power_sums(self.fused)

    @cached_property
    def extremes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The smallest and the largest value of each neuron: `D` each, NaN if one is NaN, in the
        dtype of the rows. At least one row."""
        least, most = (
            torch.cat([reduce(block, 0) for block in self.blocks])
            # On a CPU, `aminmax` takes ten times as long as both.
            for reduce in (torch.amin, torch.amax)
        )
        return least, most

    @cached_property
    def finite(self) -> bool:
        """Whether all values are finite. It is read from the device once for all collectors."""
        if self._known_finite or not len(self):
            return True
        least, most = self.extremes
        return bool(read((least.isfinite() & most.isfinite()).all()[None])[0])

    def to(self, device: torch.device | str) -> Chunk:
        """The chunk on another device."""
        return self._with(tuple(block.to(device) for block in self.blocks))

    def narrowed(self) -> Chunk:
        """The chunk with rows of at most float32. It has computed nothing yet unless it lasts."""
        if any(block.dtype == torch.float64 for block in self.blocks):
            return self._with(tuple(block.float() for block in self.blocks))
        return self if self._lasting else self._with(self.blocks)

    def layers(self) -> Iterator[Chunk]:
        """A chunk of each block."""
        for block in self.blocks:
            yield self._with((block,))

    def part(self, start: int, stop: int) -> Chunk:
        """The rows from `start` to `stop`."""
        rows = slice(start, stop)
        part = self._with(tuple(block[rows] for block in self.blocks))
        part._sample = self._sample[rows]
        part._position = None if self._position is None else self._position[rows]
        part._label = None if self._label is None else self._label[rows]
        return part

    def doubling(self, seen: int) -> Iterator[Chunk]:
        """Split the chunk into parts of `seen` rows, then of as many as all before, but of no more
        than `fused.append` takes: the chunk itself if it has no more."""
        start, most = 0, fused.rows_at_once(self.neurons)
        while start < len(self):
            stop = start + min(max(seen, start), most)
            yield self if not start and stop >= len(self) else self.part(start, stop)
            start = stop

    def parts(self, values: int | None = None) -> Iterator[Chunk]:
        """Split the chunk into parts of about this many values, which bounds scratch memory.

        An empty chunk has no parts. If `values` is `None`, parts are larger on a GPU, where each
        has a cost of its own.
        """
        values = scratch(self.device) if values is None else values
        step = max(1, values // max(1, self.neurons))
        for start in range(0, len(self), step):
            yield self.part(start, start + step)

    def tiles(self, values: int | None = None) -> Iterator[tuple[slice, Chunk]]:
        """Split the chunk into tiles of about this many values, as `parts` does, each with the
        slice of its neurons: rows of one block, or several whole blocks."""
        values = scratch(self.device) if values is None else values
        width = self.blocks[0].shape[1]
        step = min(max(1, values // max(1, width)), max(1, len(self)))
        several = max(1, values // max(1, step * width))
        for first in range(0, len(self.blocks), several):
            blocks = self.blocks[first : first + several]
            neurons = slice(first * width, (first + len(blocks)) * width)
            side = self._with(blocks)
            for start in range(0, len(self), step):
                yield neurons, side.part(start, start + step)

    def _with(self, blocks: tuple[torch.Tensor, ...]) -> Chunk:
        """The same rows of other blocks."""
        chunk = Chunk.__new__(Chunk)
        chunk.blocks = blocks
        chunk._known_finite, chunk._lasting = self._known_finite, self._lasting
        chunk._sample, chunk._position, chunk._label = self._sample, self._position, self._label
        return chunk


def scratch(device: torch.device) -> int:
    """The number of values that collectors copy at once. On a GPU, each part has its own cost."""
    return 1 << (22 if device.type == "cpu" else 25)


def in_cache(device: torch.device) -> int | None:
    """The number of values that a CPU widens to float64 at once, 1 MB, so that they stay in its
    cache; `None` for a GPU."""
    return 1 << 17 if device.type == "cpu" else None
