"""Collectors' work on a GPU by kernels that read a batch once, if Triton is installed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch

from neuronwidgets.capturing.collectors.device import sent

_COLUMNS = 32
"""Neurons of a program: 64 bytes of a row in bfloat16, two sectors of a GPU's memory."""
_LARGEST_BUFFER = 1024
"""Slots of a neuron's buffer. Clearing more takes more registers than a GPU has."""
_FEWEST_ROWS = 16
"""Rows of a tile. A buffer must have room for all of them after it was cleared."""


def usable(device: torch.device) -> bool:
    """Whether kernels run on a device: on a GPU of CUDA, if Triton is installed."""
    return device.type == "cuda" and _has_triton()


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


class Rows(NamedTuple):
    """The rows of layers of one width as kernels take them.

    Attributes:
        blocks: `N x D` each, of one dtype and device; neighbours in a row are so in memory.
        addresses: int64 `L`, where the blocks begin.
        stride: from one row to the next, in values.
        step: a power of two that divides the addresses.
    """

    blocks: tuple[torch.Tensor, ...]
    addresses: torch.Tensor
    stride: int
    step: int

    @classmethod
    def of(cls, blocks: Sequence[torch.Tensor]) -> Rows:
        """Those of blocks, which are copied if their layouts differ."""
        strides = {block.stride() for block in blocks}
        if len(strides) > 1 or next(iter(strides))[1] != 1:
            blocks = [block.contiguous() for block in blocks]
        addresses = [block.data_ptr() for block in blocks]
        step = blocks[0].element_size()
        while step < 16 and not any(address % (2 * step) for address in addresses):
            step *= 2
        there = sent(torch.tensor(addresses), blocks[0].device)
        return cls(tuple(blocks), there, blocks[0].stride(0), step)

    def launch(self, name: str, *arguments: Any, **constants: Any) -> None:
        """Run a kernel of `kernels`, a program for each layer and `_COLUMNS` neurons."""
        first = self.blocks[0]
        kernels = import_module("neuronwidgets.capturing.collectors.kernels")
        grid = -(-first.shape[1] // _COLUMNS), len(self.blocks)
        with _on(first.device):
            getattr(kernels, name)[grid](
                self.addresses,
                *arguments,
                rows=len(first),
                width=first.shape[1],
                stride=self.stride,
                KIND=kernels.KINDS[first.dtype],
                STEP=self.step,
                C=_COLUMNS,
                **constants,
            )


def _on(device: torch.device) -> AbstractContextManager[Any]:
    """Kernels are launched on the current device."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def grid_fits(bins: int) -> bool:
    """Whether `count` takes so many bins."""
    return bins <= _LARGEST_BUFFER


def buffers_fit(k: int, slots: int) -> bool:
    """Whether `append` takes buffers of this size, which are cleared to `k`."""
    return slots <= _LARGEST_BUFFER and slots - k >= _FEWEST_ROWS


def append(
    rows: Rows, keys: torch.Tensor, state: Sequence[torch.Tensor], k: int, ties: bool
) -> None:
    """Append the values that exceed the bound of their neuron to its buffer.

    Args:
        keys: int64 `N`, those of the rows, which increase unless `ties`.
        state: `values`, `places`, `used`, `bound`, `bound_place` and `nan` of a `Top`.
        k: how many values a buffer keeps when it is cleared.
        ties: whether a row may have a smaller key than one before.
    """
    slots = state[0].shape[1]
    width = 1 << (slots - 1).bit_length()
    tile = min(64, 1 << ((slots - k).bit_length() - 1))
    rows.launch(
        "top", keys, *state, k=k, slots=slots, TIES=ties, R=tile, W=width,
        G=max(1, 1024 // width), maxnreg=128,
    )  # fmt: skip


def power_sums(rows: Rows) -> torch.Tensor:
    """The sums (see `moments.empty_sums`) of rows, and as a tenth that of absolute values: float64
    `10 x D`. At least one row."""
    neurons = sum(block.shape[1] for block in rows.blocks)
    sums = torch.empty(10, neurons, dtype=torch.float64, device=rows.addresses.device)
    rows.launch("power_sums", sums, neurons=neurons, R=16)
    return sums


def count(rows: Rows, sums: torch.Tensor, state: Sequence[torch.Tensor], finest: int) -> None:
    """Widen the bins of a `Histogram` and count rows in them.

    Args:
        sums: `power_sums` of the rows.
        state: `counts`, `excluded`, `least`, `most`, `exponent` and `first` of a `Histogram`.
        finest: the exponent of the narrowest bin.
    """
    counts, *_, exponent, first = state
    neurons, bins = counts.shape
    kernels = import_module("neuronwidgets.capturing.collectors.kernels")
    padded = 1 << (bins - 1).bit_length()
    group = max(1, 2048 // padded)
    with _on(counts.device):
        kernels.widen[(-(-neurons // group),)](
            sums, *state, neurons, bins, finest, B=padded, G=group
        )
    rows.launch("count_bins", counts, exponent, first, bins=bins, R=64)
