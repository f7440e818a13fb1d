"""Collectors' work on a GPU by kernels that read a batch once, if Triton is installed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

import torch

from neuronwidgets.capturing.collectors.device import sent
from neuronwidgets.core.gpu_kernels import compile_on

_COLUMNS = 32
"""Neurons of a program: 64 bytes of a row in bfloat16, two sectors of a GPU's memory."""
_LARGEST_BUFFER = 1024
"""Slots of a neuron's buffer. Clearing more takes more registers than a GPU has."""
_WORD = 32
"""Rows whose marks are in a word."""
_WARP = 32
"""Threads of a warp, which appends to the buffers of as many neurons."""
_MARKS = 1 << 28
"""The most bytes of marks, one bit for each value."""
_MODULES = {
    "mark": "buffers",
    "append": "buffers",
    "clear_buffers": "buffers",
    "power_sums": "sums",
    "combine": "sums",
    "hash_rows": "sums",
    "widen": "bins",
    "count_bins": "bins",
}
"""The module of `kernels` that each kernel is in."""


def usable(device: torch.device) -> bool:
    """Whether collectors use kernels on a device."""
    return compile_on(device)


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
        there = _sent(tuple(addresses), blocks[0].device)
        return cls(tuple(blocks), there, blocks[0].stride(0), step)

    def launch(self, name: str, grid: int, *arguments: Any, **constants: Any) -> None:
        """Run a kernel, `grid` programs for each layer."""
        first = self.blocks[0]
        with _on(first.device):
            _kernel(name)[(grid, len(self.blocks))](
                self.addresses,
                *arguments,
                rows=len(first),
                width=first.shape[1],
                stride=self.stride,
                KIND=_module("rows").KINDS[first.dtype],
                STEP=self.step,
                **constants,
            )


def _sent(numbers: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """int64 on a device. Addresses recur from batch to batch: they are sent once."""
    stream = torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0
    return _sent_once(numbers, device, stream)


@lru_cache(maxsize=256)
def _sent_once(numbers: tuple[int, ...], device: torch.device, _stream: int) -> torch.Tensor:
    return sent(torch.tensor(numbers), device)


def _module(name: str) -> Any:
    """A module of `kernels`, which need Triton."""
    return import_module(f"neuronwidgets.capturing.collectors.kernels.{name}")


def _kernel(name: str) -> Any:
    return getattr(_module(_MODULES[name]), name)


def _on(device: torch.device) -> AbstractContextManager[Any]:
    """Kernels are launched on the current device."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _run(name: str, grid: int, first: torch.Tensor, *arguments: Any, **constants: Any) -> None:
    """Run a kernel that takes no rows."""
    with _on(first.device):
        _kernel(name)[(grid,)](first, *arguments, **constants)


def grid_fits(bins: int) -> bool:
    """Whether `count` takes so many bins."""
    return bins <= _LARGEST_BUFFER


def rows_at_once(neurons: int) -> int:
    """The most rows that `append` should get."""
    return max(_WORD, 8 * _MARKS // max(1, neurons))


def buffers_fit(kept: int, slots: int) -> bool:
    """Whether `append` takes buffers of this size, of which `kept` slots stay when cleared."""
    return kept < slots <= _LARGEST_BUFFER


class Distinct(NamedTuple):
    """What `append` needs to tell different rows apart and to find the minimum.

    Attributes:
        hashes: int64 `L x N`, those of the rows.
        sums: `power_sums` of the rows.
    """

    hashes: torch.Tensor
    sums: torch.Tensor


def append(
    rows: Rows,
    keys: torch.Tensor,
    states: Sequence[Sequence[torch.Tensor]],
    k: int,
    ties: bool,
    distinct: Distinct | None = None,
) -> None:
    """Append the values that exceed the bound of their neuron to its buffer.

    Args:
        keys: int64 `N`, those of the rows, which increase unless `ties`.
        states: of each layer, or of all as one: values, keys, used slots, bounds and their keys,
            as `Top` has them; then the number of NaN. With `distinct`, instead of that: hashes,
            minima, their keys and whether they are shared, as `Candidates` has them.
        k: how many values a buffer keeps when it is cleared.
        ties: whether a row may have a smaller key than one before.
        distinct: to keep the `k` largest values of different rows, too.
    """
    slots, width = states[0][0].shape[1], rows.blocks[0].shape[1]
    state = _places(len(rows.blocks), states, keys.device)
    stays = k if distinct is None else 2 * k
    # Half of the room: so a neuron whose buffer is cleared has room for a while.
    few = (stays + slots) // 2
    padded = 1 << (slots - 1).bit_length()
    hashes, sums = (keys, keys) if distinct is None else distinct
    groups, neurons = -(-len(rows.blocks[0]) // _WORD), len(rows.blocks) * width
    marks = torch.empty(groups * neurons, dtype=torch.int32, device=keys.device)
    lowest = marks
    if distinct is not None:
        lowest = torch.zeros(2 * neurons, dtype=torch.int32, device=keys.device)
    # 16 bytes of each row for each thread of a warp.
    columns = 16 * _WARP // rows.blocks[0].element_size()
    rows.launch(
        "mark", groups * -(-width // columns), state, keys, sums, marks, lowest,
        TIES=ties, DISTINCT=distinct is not None, C=columns, num_warps=1,
    )  # fmt: skip
    rows.launch(
        "append", -(-width // _WARP), state, keys, hashes, marks, lowest, sums,
        k=k, slots=slots, few=few, DISTINCT=distinct is not None, C=_WARP, W=padded, num_warps=1,
    )  # fmt: skip
    with _on(keys.device):
        _kernel("clear_buffers")[(width, len(rows.blocks))](
            state, width, k, slots, few, DISTINCT=distinct is not None, W=padded,
            # To find copies takes longest.
            num_warps=1 if distinct is None else 4,
        )  # fmt: skip


def _places(
    layers: int, states: Sequence[Sequence[torch.Tensor]], device: torch.device
) -> torch.Tensor:
    """Where each layer's part of each tensor of a state begins: int64 `S x L`."""
    share = layers // len(states)
    places: list[int] = []
    for parts in zip(*states, strict=True):
        for part in parts:
            start, size = part.data_ptr(), part.nbytes // share
            places.extend(start + number * size for number in range(share))
    return _sent(tuple(places), device)


def hashes_of(rows: Rows, factors: torch.Tensor) -> torch.Tensor:
    """A hash of each row: int64 `L x N`. `factors`: int64, one for each neuron of a layer."""
    count = len(rows.blocks[0])
    hashes = torch.empty(len(rows.blocks), count, dtype=torch.int64, device=factors.device)
    rows.launch("hash_rows", -(-count // 16), hashes, factors, R=16, C=128)
    return hashes


def power_sums(rows: Rows) -> torch.Tensor:
    """The sums (see `moments.empty_sums`) of rows, and as a tenth that of absolute values: float64
    `10 x D`. At least one row."""
    neurons = sum(block.shape[1] for block in rows.blocks)
    sums = torch.empty(10, neurons, dtype=torch.float64, device=rows.addresses.device)
    grid = -(-rows.blocks[0].shape[1] // _COLUMNS)
    rows.launch("power_sums", grid, sums, neurons=neurons, R=32, C=_COLUMNS, maxnreg=168)
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
    padded = 1 << (bins - 1).bit_length()
    group = max(1, 2048 // padded)
    _run("widen", -(-neurons // group), sums, *state, neurons, bins, finest, B=padded, G=group)
    rows.launch(
        "count_bins", -(-rows.blocks[0].shape[1] // 8), counts, exponent, first, sums,
        bins=bins, R=512, B=max(128, padded),
    )  # fmt: skip


def combine(sums: torch.Tensor, others: torch.Tensor) -> None:
    """Add the `power_sums` of a batch to sums (see `moments.empty_sums`) of one group."""
    neurons = sums.shape[2]
    if neurons:
        _run("combine", -(-neurons // 128), sums, sums.stride(0), others, neurons, N=128)
