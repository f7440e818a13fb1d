"""The values of a batch that exceed a bound of their neuron, at the cost of a comparison."""

from __future__ import annotations

from typing import NamedTuple

import torch

from neuronwidgets.capturing.collectors.chunk import Chunk, scratch
from neuronwidgets.capturing.collectors.device import read

_LARGEST_GROUP = 32
"""Rows of a group: their maxima are 1/32 of the values, where less would save nothing."""


class Bound(NamedTuple):
    """What a value must exceed to enter.

    Attributes:
        values: float32 `D`; NaN, which every value exceeds.
        keys: int64 `D`: with `ties`, a value at the bound enters if its row's key is smaller.
        ties: whether a row may have a smaller key.
    """

    values: torch.Tensor
    keys: torch.Tensor
    ties: bool


class Entries(NamedTuple):
    """`E` values that enter, in any order.

    Attributes:
        row, neuron: int64 `E`, where each is in the chunk.
        values: float32 `E`.
        keys: int64 `E`, the rows' keys.
        counts: int64 `D`, how many each neuron has.
        nan: int64 `D`, each neuron's NaN, which are no entries.
        fullest: the largest of `used + counts`.
    """

    row: torch.Tensor
    neuron: torch.Tensor
    values: torch.Tensor
    keys: torch.Tensor
    counts: torch.Tensor
    nan: torch.Tensor
    fullest: int


class Room(NamedTuple):
    """The numbers of groups of a block and of entries, for which there is room or that need it."""

    groups: int
    entries: int


def group_size(share: float) -> int:
    """The rows whose maximum is compared, if this share of the values enters. A power of two up to
    32.

    `1 / size` of the values are compared, and `size * share` are read again, each at about 16 times
    the cost, so that a size of `1 / sqrt(16 * share)` costs least.
    """
    size = 1
    while size < _LARGEST_GROUP and 16 * share * size * size <= 1:
        size *= 2
    return size


def entering(
    chunk: Chunk, bound: Bound, used: torch.Tensor, share: float, ahead: bool | None = None
) -> Entries | None:
    """The values of a chunk that enter; `None` if they are so many that sorting all is cheaper.

    Each block is read once, for the maxima of groups of rows. Groups whose maximum exceeds the
    bound are read again. A GPU is not asked how many these are before it looks: it makes room for
    as many as are expected, and tells at the end, in the only read, how many there were. If they
    were more, it looks once more.

    Args:
        chunk: at least one row.
        bound: of each neuron.
        used: int64 `D`, the entries that each neuron has.
        share: the share of the values that is expected to enter.
        ahead: whether to make room for an expected number; `None` does so on a GPU.
    """
    size = group_size(share)
    enters = groups_that_enter(chunk, bound, size)
    blocks, groups = enters.shape
    # Of a group's values, all may enter.
    most = max(1, scratch(chunk.device) // (blocks * size))
    room: Room | None = None
    if chunk.device.type != "cpu" if ahead is None else ahead:
        expected = 64 + int(2 * share * size * groups)
        room = Room(min(expected, groups, most), expected * blocks)
    while True:
        places, in_groups = true_places(enters, None if room is None else room.groups)
        if places.shape[1] > most:
            return None
        entries, needed = _entries(chunk, bound, used, places, in_groups, size, room)
        if room is None or (needed.groups <= room.groups and needed.entries <= room.entries):
            return entries
        if needed.groups > most:
            return None
        room = Room(max(needed.groups, room.groups), max(needed.entries, room.entries))


def groups_that_enter(chunk: Chunk, bound: Bound, size: int) -> torch.Tensor:
    """Whether groups of `size` rows may have an entry: bool, the `L` blocks x (groups x `D`)."""
    neurons = chunk.blocks[0].shape[1]
    shape = len(chunk.blocks), 1, neurons
    limits, keys = bound.values.view(shape), bound.keys.view(shape)
    groups = -(-len(chunk) // size)
    dtype = torch.bool if size == 1 else chunk.blocks[0].dtype
    found = torch.empty(len(chunk.blocks), groups, neurons, dtype=dtype, device=chunk.device)
    # "rows > bound" would miss NaN, which must be counted.
    if size > 1:
        whole = len(chunk) // size * size
        for block, maxima in zip(chunk.blocks, found, strict=True):
            if whole:
                rows = torch.unflatten(block[:whole], 0, (-1, size))
                torch.amax(rows, 1, out=maxima[: whole // size])
            if whole < len(chunk):
                torch.amax(block[whole:], 0, out=maxima[-1])
        below = found < limits if bound.ties else found <= limits
        return below.logical_not_().flatten(1)
    for block, limit, key, inside in zip(chunk.blocks, limits, keys, found, strict=True):
        torch.le(block, limit, out=inside).logical_not_()
        if bound.ties:
            inside |= (block == limit) & (chunk.key[:, None] < key)
    return found.flatten(1)


def true_places(mask: torch.Tensor, room: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each row of a mask is true.

    Args:
        mask: bool `L x M`.
        room: columns of the result, which a GPU fills without being asked how many there are;
            `None` for as many as needed, for which it is asked.

    Returns:
        int64 `L x room`, from the first, then anything from 0 to `M - 1`; int64 `L`, how many
        there are, which may be more than there is room for.
    """
    if room is not None:
        number = mask.cumsum(1, dtype=torch.int32)
        wanted = torch.arange(1, room + 1, dtype=torch.int32, device=mask.device)
        places = torch.searchsorted(number, wanted.expand(len(mask), room).contiguous())
        return places.clamp_(max=max(0, mask.shape[1] - 1)), number[:, -1].long()
    flat = mask.flatten().nonzero()[:, 0]
    if len(mask) == 1:
        return flat[None], flat.new_full((1,), len(flat))
    row = flat // mask.shape[1]
    count = torch.bincount(row, minlength=len(mask))
    places = flat.new_zeros(len(mask), int(count.amax()))
    column = torch.arange(len(flat), device=flat.device) - (count.cumsum(0) - count)[row]
    places[row, column] = flat - row * mask.shape[1]
    return places, count


def _entries(
    chunk: Chunk,
    bound: Bound,
    used: torch.Tensor,
    places: torch.Tensor,
    in_groups: torch.Tensor,
    size: int,
    room: Room | None,
) -> tuple[Entries, Room]:
    """The entries of groups at `places`, of which `in_groups` are valid; and the room needed."""
    width, device = chunk.blocks[0].shape[1], chunk.device
    within = torch.arange(size, device=device)
    # Blocks x groups x rows of a group.
    row = (places // width)[..., None] * size + within
    column = places % width
    valid = (torch.arange(places.shape[1], device=device) < in_groups[:, None])[..., None]
    valid = valid & (row < len(chunk))
    row = row.clamp_(max=len(chunk) - 1)
    values = torch.stack(
        [
            block[rows, columns[:, None]]
            for block, rows, columns in zip(chunk.blocks, row, column, strict=True)
        ]
    ).float()
    first = torch.arange(len(chunk.blocks), device=device)[:, None] * width
    neuron = (column + first)[..., None]
    limit = bound.values.take(neuron)
    inside = (values <= limit).logical_not_()
    if bound.ties:
        inside |= (values == limit) & (chunk.key.take(row) < bound.keys.take(neuron))
    nan = values.isnan() & valid
    inside &= valid & ~nan
    neuron = neuron.expand_as(row).flatten()
    nans = torch.zeros_like(used).scatter_add_(0, neuron, nan.flatten().long())
    chosen, total = true_places(inside.view(1, -1), None if room is None else room.entries)
    index = chosen[0]
    real = torch.arange(len(index), device=device) < total
    neuron = neuron.index_select(0, index)
    count = torch.zeros_like(used).scatter_add_(0, neuron, real.long())
    most, needed, fullest = read(torch.stack([in_groups.amax(), total[0], (used + count).amax()]))
    # The valid ones come first.
    index, neuron = index[:needed], neuron[:needed]
    values = values.flatten().index_select(0, index)
    row = row.flatten().index_select(0, index)
    keys = chunk.key.index_select(0, row)
    return Entries(row, neuron, values, keys, count, nans, fullest), Room(most, needed)
